"""One look at /proc: the only module that reads it.

Measured with tests/bench/topz_refresh.py. What rarely changes (arguments, user, control group) is read when a process
appears, when its name changes, and again in turn, so that each is at most REVISIT looks old.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from topz import cgroup, proc
from topz.containers import Containers
from topz.files import read, read_whole
from topz.redact import redact
from topz.snapshot import Identity, Machine, Reading, Snapshot

# Titles (`nginx: worker process is shutting down`) and control groups change without a sign: every look renews one in
# REVISIT.
REVISIT = 15
# Arguments beyond this are cut: a page shows a line, and a thousand Java processes hold kilobytes each.
MAX_ARGUMENTS = 4096


@dataclass(slots=True)
class _Known:
    """What is kept of a process from one look to the next."""

    identity: Identity
    start_ticks: int
    files_limit: int | None
    io_permitted: bool = True
    stat: bytes = b""
    reading: Reading | None = None


class Reader:
    """Reads /proc (or another mount of it) into snapshots."""

    def __init__(self, root: str = "/proc", *, hide_secrets: bool = True) -> None:
        self._root = root
        self._hide_secrets = hide_secrets
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._boot = proc.parse_boot_time(read_whole(f"{root}/stat"))
        self._known: dict[int, _Known] = {}
        self._looks = 0
        self._kernel_threads = 0
        self._own_pid = os.getpid()
        self._containers = Containers(root)
        # Since Linux 6.2 the size of /proc/PID/fd is the number of open files, and it is told to everybody.
        self._counts_files = os.stat("/proc/self/fd").st_size > 0

    def look(self) -> Snapshot:
        """Reads every process that is there, and the containers that they are in."""
        self._looks += 1
        self._kernel_threads = 0
        seen: dict[int, _Known] = {}
        readings: list[Reading] = []
        for entry in os.listdir(self._root):
            if entry.isdigit() and (known := self._read(int(entry), f"{self._root}/{entry}")) is not None:
                seen[int(entry)] = known
                if known.reading is not None:
                    readings.append(known.reading)
        self._known = seen
        return Snapshot(
            time=time.time(),
            clock=time.monotonic(),
            readings=readings,
            containers=self._containers.look(readings),
            machine=self._machine(),
            kernel_threads=self._kernel_threads,
            unreadable=_withheld(readings),
            notes=self._containers.notes(),
            own_pid=self._own_pid,
            on_host=self._containers.on_host,
        )

    def _read(self, pid: int, folder: str) -> _Known | None:
        """One process, None if it ended meanwhile (its files then fail or are empty), or if hidepid hides it.

        One whose stat is to the byte what it was has used no CPU, so what else it did (a read of a file, say) was
        little; it is told with the next tick of its CPU time. Most processes sleep, so this halves the cost of a look.
        """
        known = self._known.get(pid)
        due = (pid + self._looks) % REVISIT == 0
        try:
            raw = read(f"{folder}/stat")
            if known is not None and known.stat == raw and not due:
                return known
            stat = proc.parse_stat(raw)
            if stat.kernel_thread:
                self._kernel_threads += 1
                return None
            known = self._recognise(pid, folder, stat, known, due)
            known.reading = self._reading(folder, stat, known)
            known.stat = raw
        except (OSError, ValueError):
            return None
        return known

    def _recognise(self, pid: int, folder: str, stat: proc.Stat, known: _Known | None, due: bool) -> _Known:
        if known is None or known.start_ticks != stat.start_ticks:  # a reused PID has another start time
            return self._meet(pid, folder, stat)
        if known.identity.name == stat.comm and not due:
            return known
        fresh = self._meet(pid, folder, stat)
        if _same(known.identity, fresh.identity):
            fresh.identity = known.identity
        return fresh

    def _meet(self, pid: int, folder: str, stat: proc.Stat) -> _Known:
        status = proc.parse_status(read(f"{folder}/status"))
        arguments = proc.parse_arguments(read_whole(f"{folder}/cmdline", MAX_ARGUMENTS))
        key = self._containers.key(pid)
        identity = Identity(
            pid=pid,
            start=self._boot + stat.start_ticks / self._ticks,
            name=stat.comm,
            command=" ".join(redact(arguments) if self._hide_secrets else arguments) or f"[{stat.comm}]",
            user=self._containers.user(key, pid, status.uid),
            container=key,
            innermost_pid=status.innermost_pid,
        )
        limit = proc.parse_open_files_limit(read_whole(f"{folder}/limits"))
        return _Known(identity, stat.start_ticks, limit)

    def _reading(self, folder: str, stat: proc.Stat, known: _Known) -> Reading:
        resident, shared = proc.parse_statm(read(f"{folder}/statm"))
        return Reading(
            known.identity,
            stat.ppid,
            stat.state,
            stat.nice,
            stat.threads,
            (stat.user_ticks + stat.system_ticks) / self._ticks,
            stat.system_ticks / self._ticks,
            stat.minor_faults,
            stat.major_faults,
            stat.virtual_bytes,
            resident * self._page,
            shared * self._page,
            self._open_files(folder),
            known.files_limit,
            self._io(folder, known),
            stat.processor,
        )

    def _open_files(self, folder: str) -> int | None:
        try:
            return os.stat(f"{folder}/fd").st_size if self._counts_files else len(os.listdir(f"{folder}/fd"))
        except PermissionError:
            return None

    def _io(self, folder: str, known: _Known) -> proc.Io | None:
        if not known.io_permitted:
            return None
        try:
            return proc.parse_io(read(f"{folder}/io"))
        except PermissionError:
            known.io_permitted = False
            return None

    def _machine(self) -> Machine:
        memory = read(f"{self._root}/meminfo")
        one, five, fifteen = read(f"{self._root}/loadavg").split()[:3]
        files = {
            f"{resource}.pressure": read_whole(f"{self._root}/pressure/{resource}")
            for resource in ("cpu", "memory", "io")
        }
        return Machine(
            processors=os.cpu_count() or 1,
            memory_bytes=proc.parse_memory(memory, "MemTotal"),
            memory_available=proc.parse_memory(memory, "MemAvailable"),
            load=(float(one), float(five), float(fifteen)),
            pressure=cgroup.pressures(files),
        )


def _withheld(readings: list[Reading]) -> dict[str, int]:
    """How many processes the kernel does not permit to know what of."""
    files = sum(reading.open_files is None for reading in readings)
    io = sum(reading.io is None for reading in readings)
    return {what: count for what, count in (("storage I/O", io), ("open files", files)) if count}


def _same(one: Identity, other: Identity) -> bool:
    return (
        one.command == other.command
        and one.name == other.name
        and one.container == other.container
        and one.user == other.user
    )
