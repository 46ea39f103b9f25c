"""Made-up snapshots for the tests of topz: one call gives a process, a container, a sample."""

from topz.cgroup import Usage
from topz.proc import Io
from topz.sample import Sample, sample
from topz.snapshot import About, Identity, Machine, Reading, Snapshot

NO_IO = Io(0, 0)
MACHINE = Machine(processors=4, memory_bytes=8 << 30, memory_available=6 << 30, load=(0.5, 0.4, 0.3), pressure={})


def identity(
    pid: int = 7,
    start: float = 1000.0,
    name: str = "app",
    command: str = "/bin/app --port 80",
    container: str = "c1",
    user: str = "www",
) -> Identity:
    return Identity(pid, start, name, command, user, container, pid)


def reading(
    who: Identity,
    *,
    cpu: float = 0.0,
    rss: int = 1 << 20,
    parent: int = 1,
    threads: int = 1,
    files: int | None = 3,
    io: Io | None = NO_IO,
    state: str = "S",
) -> Reading:
    return Reading(who, parent, state, 0, threads, cpu, cpu / 4, 10, 1, 10 << 20, rss, 1 << 19, files, 1024, io, 0)


def about(key: str = "c1", label: str = "web", *, own: bool = False) -> About:
    return About(key, label, "ab" * 32, "containerd", "", own, "container id in /proc/PID/cgroup", "/proc/7/root")


def snapshot(
    clock: float,
    *readings: Reading,
    containers: dict[str, tuple[About, Usage]] | None = None,
    own_pid: int = 9,
    on_host: bool = False,
) -> Snapshot:
    found = {"c1": (about(), Usage())} if containers is None else containers
    return Snapshot(1_700_000_000 + clock, clock, list(readings), found, MACHINE, own_pid=own_pid, on_host=on_host)


def sampled(clock: float, *readings: Reading) -> Sample:
    """A sample at `clock` in which the processes have done nothing for two seconds."""
    return sample(snapshot(clock - 2, *readings), snapshot(clock, *readings))
