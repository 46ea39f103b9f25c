"""One look at /proc: the only module that reads it.

Measured with 1,000 processes (tests/bench/topz_refresh.py): plain open/read/close of stat, statm and io and one
stat() of the fd directory cost 8 ms, psutil 38 to 84 ms for the same. What rarely changes (arguments, user, control
group) is read when a process appears and when its name changes, and again in turn, so that each is at most REVISIT
looks old.
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
    comm: str
    files_limit: int | None
    io_permitted: bool


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
        self._own_pid = os.getpid()
        self._containers = Containers(root)
        # Since Linux 6.2 the size of /proc/PID/fd is the number of open files, and it is told to everybody.
        self._counts_files = os.stat("/proc/self/fd").st_size > 0

    def look(self) -> Snapshot:
        """Reads every process that is there, and the containers that they are in."""
        self._looks += 1
        unreadable = {"io": 0, "open files": 0}
        kernel_threads, readings, seen = 0, [], {}
        for entry in os.listdir(self._root):
            if not entry.isdigit():
                continue
            pid = int(entry)
            try:
                stat = proc.parse_stat(read(f"{self._root}/{entry}/stat"))
                if stat.kernel_thread:
                    kernel_threads += 1
                    continue
                known = seen[pid] = self._recognise(pid, stat)
                readings.append(self._reading(entry, stat, known, unreadable))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                seen.pop(pid, None)  # It ended while it was read, or hidepid hides it.
        self._known = seen
        return Snapshot(
            time=time.time(),
            clock=time.monotonic(),
            readings=readings,
            containers=self._containers.look(readings),
            machine=self._machine(),
            kernel_threads=kernel_threads,
            unreadable={what: count for what, count in unreadable.items() if count},
            notes=self._containers.notes(),
            own_pid=self._own_pid,
            on_host=self._containers.on_host,
        )

    def _recognise(self, pid: int, stat: proc.Stat) -> _Known:
        known = self._known.get(pid)
        # A reused PID has another start time.
        if known is not None and known.start_ticks == stat.start_ticks:
            if known.comm == stat.comm and (pid + self._looks) % REVISIT:
                return known
            fresh = self._meet(pid, stat)
            if _same(known.identity, fresh.identity):
                fresh.identity = known.identity
            return fresh
        return self._meet(pid, stat)

    def _meet(self, pid: int, stat: proc.Stat) -> _Known:
        folder = f"{self._root}/{pid}"
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
        return _Known(identity, stat.start_ticks, stat.comm, limit, io_permitted=True)

    def _reading(self, entry: str, stat: proc.Stat, known: _Known, unreadable: dict[str, int]) -> Reading:
        folder = f"{self._root}/{entry}"
        files = self._open_files(folder)
        io = self._io(folder, known)
        unreadable["open files"] += files is None
        unreadable["io"] += io is None
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
            stat.resident_pages * self._page,
            proc.parse_shared_pages(read(f"{folder}/statm")) * self._page,
            files,
            known.files_limit,
            io,
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


def _same(one: Identity, other: Identity) -> bool:
    return (
        one.command == other.command
        and one.name == other.name
        and one.container == other.container
        and one.user == other.user
    )
