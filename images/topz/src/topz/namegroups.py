"""Processes with one name in one container, counted together for the metrics: names as in process-exporter, never
PIDs.

Counters are sums of differences, so they do not fall when a process ends. At most `most` groups have a series of
their own, the rest is counted under "other"; a group that has one keeps it while it has processes, unless another is
twice as heavy, so that series do not flicker. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from topz.sample import Process, Sample

OTHER = "other"
Key = tuple[str, str]
"""Name and container."""


@dataclass(slots=True)
class Group:
    """Counters since topz started (a process's whole life counts when it is first seen), and gauges of the last
    sample."""

    user_seconds: float = 0.0
    system_seconds: float = 0.0
    read_bytes: int = 0
    write_bytes: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    processes: int = 0
    threads: int = 0
    resident_bytes: int = 0
    virtual_bytes: int = 0
    open_files: int = 0
    worst_file_ratio: float = 0.0
    oldest_start: float = 0.0
    states: dict[str, int] = field(default_factory=dict)

    def reset_gauges(self) -> None:
        """Before a new sample is added."""
        self.processes = self.threads = self.resident_bytes = self.virtual_bytes = self.open_files = 0
        self.worst_file_ratio = self.oldest_start = 0.0
        self.states = {}


class NameGroups:
    """The groups that have a series, and what they have used."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._before: dict[tuple[int, float], Process] = {}
        self.groups: dict[Key, Group] = {}

    def count(self, sample: Sample) -> None:
        """Adds a sample."""
        members: defaultdict[Key, list[Process]] = defaultdict(list)
        for process in sample.processes:
            container = sample.containers.get(process.identity.container)
            members[(process.identity.name, container.about.label if container is not None else "")].append(process)
        self._choose({key: _weight(sample, processes) for key, processes in members.items()})
        for group in self.groups.values():
            group.reset_gauges()
        for key, processes in members.items():
            group = self.groups.get(key) or self.groups.setdefault((OTHER, OTHER), Group())
            for process in processes:
                self._add(group, process)
        self._before = {(process.identity.pid, process.identity.start): process for process in sample.processes}

    def _choose(self, weights: dict[Key, float]) -> None:
        """Decides which groups have a series."""
        for key in [key for key in self.groups if key not in weights and key[0] != OTHER]:
            del self.groups[key]
        waiting = sorted((key for key in weights if key not in self.groups), key=lambda key: weights[key], reverse=True)
        for key in waiting:
            named = [held for held in self.groups if held[0] != OTHER]
            if len(named) < self._most:
                self.groups[key] = Group()
                continue
            lightest = min(named, key=lambda held: weights[held], default=None)
            if lightest is None or weights[key] < 2 * weights[lightest] + 0.001:
                return
            del self.groups[lightest]
            self.groups[key] = Group()

    def _add(self, group: Group, process: Process) -> None:
        now = process.reading
        earlier = self._before.get((process.identity.pid, process.identity.start))
        old = earlier.reading if earlier is not None else None
        group.system_seconds += max(0.0, now.system_seconds - (old.system_seconds if old else 0.0))
        group.user_seconds += max(
            0.0, (now.cpu_seconds - now.system_seconds) - (old.cpu_seconds - old.system_seconds if old else 0.0)
        )
        group.minor_faults += max(0, now.minor_faults - (old.minor_faults if old else 0))
        group.major_faults += max(0, now.major_faults - (old.major_faults if old else 0))
        if now.io is not None:
            group.read_bytes += max(0, now.io.read_bytes - (old.io.read_bytes if old and old.io else 0))
            group.write_bytes += max(0, now.io.write_bytes - (old.io.write_bytes if old and old.io else 0))
        group.processes += 1
        group.threads += now.threads
        group.resident_bytes += now.resident_bytes
        group.virtual_bytes += now.virtual_bytes
        group.open_files += now.open_files or 0
        if now.open_files is not None and now.open_files_limit:
            group.worst_file_ratio = max(group.worst_file_ratio, now.open_files / now.open_files_limit)
        group.oldest_start = min(group.oldest_start or process.identity.start, process.identity.start)
        group.states[now.state] = group.states.get(now.state, 0) + 1


def _weight(sample: Sample, processes: list[Process]) -> float:
    """How much of the machine a group uses: its share of the cores and of the memory."""
    cpu = sum(process.cpu for process in processes) / sample.machine.processors
    return cpu + sum(process.reading.resident_bytes for process in processes) / sample.machine.memory_bytes
