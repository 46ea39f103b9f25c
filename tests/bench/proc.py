"""What the kernel says a process and its children have used: CPU time, resident memory.

All processes of a contender share one session (kit.process starts each child as the leader of its own), so the tree is
found by session number. CPU time is the run time that the scheduler keeps in nanoseconds (/proc/PID/task/*/schedstat);
utime and stime of /proc/PID/stat, sampled at each tick of 10 ms, only say how it divides into user and kernel.
"""

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

FILES = 65536  # ten thousand connections on both sides of a proxy, and room
TICK = 1 / os.sysconf("SC_CLK_TCK")
_SESSION, _UTIME, _STIME = 3, 11, 12  # positions in /proc/PID/stat after the command's closing parenthesis


@dataclass(frozen=True)
class Cpu:
    """Seconds: `total` is exact, `user` and `system` are sampled and add up to it only roughly."""

    total: float
    user: float
    system: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.total - other.total, self.user - other.user, self.system - other.system)


@dataclass(frozen=True)
class Memory:
    """Bytes, summed over the processes. PSS counts a page that n processes share as 1/n in each."""

    rss: int
    pss: int


def _stat(pid: int) -> list[str]:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        )  # names may be any bytes
    except (FileNotFoundError, ProcessLookupError):
        return []


def processes(session: int) -> list[int]:
    """The processes of a session, its leader included."""
    found = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in found if (stat := _stat(pid)) and int(stat[_SESSION]) == session]


def _run_time(pid: int) -> int:
    """Nanoseconds that the threads of a process have run; 0 when it has ended meanwhile."""
    try:
        return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def cpu(session: int) -> Cpu:
    """CPU time used so far by the running processes of a session."""
    pids = processes(session)
    stats = [stat for pid in pids if (stat := _stat(pid))]
    user, system = (sum(int(stat[position]) for stat in stats) * TICK for position in (_UTIME, _STIME))
    return Cpu(sum(_run_time(pid) for pid in pids) / 1e9, user, system)


def memory(session: int) -> Memory:
    """Memory of the running processes of a session."""
    totals = {"Rss:": 0, "Pss:": 0}
    for pid in processes(session):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            key, *rest = line.split()
            if key in totals:
                totals[key] += int(rest[0]) * 1024
    return Memory(totals["Rss:"], totals["Pss:"])


def allow_many_files() -> int:
    """Raise the limit of open files of this process and its children, as far as allowed; returns what it is now."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, FILES), hard):
        with contextlib.suppress(ValueError, PermissionError):  # only root may go beyond the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
    return hard


def machine() -> dict[str, str]:
    """CPU model, cores, kernel: what a figure is worth nothing without."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    return {"cpu": model, "cores": str(os.cpu_count()), "kernel": os.uname().release}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
