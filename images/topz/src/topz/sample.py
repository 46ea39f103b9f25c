"""Two snapshots become one sample: rates, shares of limits, and what can be said of the PID namespace.

Pure. CPU is counted in cores: 1.0 is one core for the whole interval. top's "Irix" percentage is that times 100, its
"Solaris" percentage is that of the whole machine; the share of the container's limit is what a pod's owner looks for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from topz.cgroup import Pressure, Usage
from topz.snapshot import About, Identity, Machine, Reading, Snapshot


class Process(NamedTuple):
    """A process over the interval that ended at the sample's time."""

    identity: Identity
    reading: Reading
    cpu: float
    """Cores used."""
    read_rate: float | None
    write_rate: float | None
    """Bytes a second from and to storage; None where the kernel does not tell."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container over the interval."""

    about: About
    processes: int
    threads: int
    cpu: float
    cpu_limit: float | None
    memory_bytes: int
    memory_limit: int | None
    resident_bytes: int
    """Sum of the processes' resident memory; shared pages count once for each."""
    throttled: float | None
    """Share of the interval for which the container's tasks were held back by the CPU limit."""
    oom_kills: int | None
    pressure: dict[str, Pressure]
    usage: Usage
    whole: bool
    """CPU and memory are the control group's own (they hold what ended and the page cache), not a sum over
    processes."""

    def cpu_share(self, machine: Machine) -> float:
        """CPU as a share of the limit, or of the machine when there is none."""
        return self.cpu / (self.cpu_limit or machine.processors)

    def memory_share(self, machine: Machine) -> float:
        """Memory as a share of the limit, or of the machine when there is none."""
        return self.memory_bytes / (self.memory_limit or machine.memory_bytes)


class Sharing(NamedTuple):
    """Whether topz sees more than itself, and how it knows."""

    shared: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What the page, the API and the metrics show."""

    time: float
    interval: float
    """Seconds that the rates are over; 0 for the first look, whose CPU is the average over each process's life."""
    processes: list[Process]
    containers: dict[str, Container]
    machine: Machine
    sharing: Sharing
    kernel_threads: int
    unreadable: dict[str, int]
    notes: tuple[str, ...]


def sample(before: Snapshot | None, now: Snapshot) -> Sample:
    """The rates from one snapshot to the next. Processes are matched by identity, so a reused PID is a new
    process."""
    interval = max(now.clock - before.clock, 1e-3) if before is not None else 0.0
    earlier = {(old.identity.pid, old.identity.start): old for old in before.readings} if before is not None else {}
    processes = [
        _process(reading, earlier.get((reading.identity.pid, reading.identity.start)), interval, now.time)
        for reading in now.readings
    ]
    members: defaultdict[str, list[Process]] = defaultdict(list)
    for process in processes:
        members[process.identity.container].append(process)
    usages = before.containers if before is not None else {}
    containers = {
        key: _container(about, usage, usages.get(key, (about, None))[1], members[key], interval)
        for key, (about, usage) in now.containers.items()
    }
    return Sample(
        time=now.time,
        interval=interval,
        processes=processes,
        containers=containers,
        machine=now.machine,
        sharing=sharing(now),
        kernel_threads=now.kernel_threads,
        unreadable=now.unreadable,
        notes=now.notes,
    )


def _process(now: Reading, before: Reading | None, interval: float, time: float) -> Process:
    if before is None:
        # Started within the interval, or never seen: all that it used is spread over the time it could use it in.
        age = max(time - now.identity.start, 0.01)
        span = min(age, interval) if interval and age <= interval * 1.5 else age
        return Process(
            now.identity,
            now,
            now.cpu_seconds / span,
            _rate(now.io and now.io.read_bytes, 0, span),
            _rate(now.io and now.io.write_bytes, 0, span),
        )
    read = _rate(now.io and now.io.read_bytes, before.io and before.io.read_bytes, interval)
    write = _rate(now.io and now.io.write_bytes, before.io and before.io.write_bytes, interval)
    return Process(now.identity, now, max(0.0, now.cpu_seconds - before.cpu_seconds) / interval, read, write)


def _rate(now: int | None, before: int | None, interval: float) -> float | None:
    return None if now is None or before is None else max(0, now - before) / interval


def _container(about: About, usage: Usage, before: Usage | None, members: list[Process], interval: float) -> Container:
    resident = sum(process.reading.resident_bytes for process in members)
    cpu = _rate_of(usage.cpu_seconds, before.cpu_seconds if before else None, interval)
    return Container(
        about=about,
        processes=len(members),
        threads=sum(process.reading.threads for process in members),
        cpu=sum(process.cpu for process in members) if cpu is None else cpu,
        cpu_limit=usage.cpu_limit,
        memory_bytes=resident if usage.memory_bytes is None else usage.memory_bytes,
        memory_limit=usage.memory_limit,
        resident_bytes=resident,
        throttled=_rate_of(usage.throttled_seconds, before.throttled_seconds if before else None, interval),
        oom_kills=usage.oom_kills,
        pressure=usage.pressure,
        usage=usage,
        whole=usage.memory_bytes is not None,
    )


def _rate_of(now: float | None, before: float | None, interval: float) -> float | None:
    return None if now is None or before is None or not interval else max(0.0, now - before) / interval


def sharing(now: Snapshot) -> Sharing:
    """Whether the PID namespace is shared with other containers, with the evidence."""
    others = sorted(about.label for about, _ in now.containers.values() if not about.own)
    if now.on_host:
        return Sharing(
            True,
            "The kernel's own threads are seen: this is the machine's PID namespace, so every process on it is listed.",
        )
    if others:
        return Sharing(True, f"Processes of {len(others)} other container{'s' if len(others) != 1 else ''} are seen.")
    if now.own_pid == 1:
        return Sharing(False, "topz itself is PID 1 here, so it was given a PID namespace of its own.")
    return Sharing(False, f"All {len(now.readings)} processes seen, PID 1 among them, are in topz's own container.")
