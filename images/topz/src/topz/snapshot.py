"""What one look at the machine found: plain records, no rates and no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from topz.cgroup import Pressure, Usage
from topz.proc import Io


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What does not change while a process runs one program. One object per (pid, start, command), shared by all
    looks."""

    pid: int
    start: float
    """Unix time."""
    name: str
    command: str
    """The command line, secrets hidden; the name in brackets when there is none."""
    user: str
    container: str
    """Key of the container, see Container."""
    innermost_pid: int
    """The PID that the process itself sees, where that differs: nested namespaces."""


class Reading(NamedTuple):
    """What changes: counters since the process started, and gauges."""

    identity: Identity
    parent: int
    state: str
    nice: int
    threads: int
    cpu_seconds: float
    system_seconds: float
    """The part of cpu_seconds spent in the kernel."""
    minor_faults: int
    major_faults: int
    virtual_bytes: int
    resident_bytes: int
    shared_bytes: int
    open_files: int | None
    open_files_limit: int | None
    io: Io | None
    """None where the kernel does not permit to read it."""
    processor: int


class About(NamedTuple):
    """What is known of a container besides its usage."""

    key: str
    label: str
    container_id: str
    runtime: str
    pod_uid: str
    own: bool
    evidence: str
    """How the processes were recognised as one container: the file and field that told."""
    limits_from: str
    """Where the limits were read, or why they were not."""


class Machine(NamedTuple):
    """The machine, or the virtual machine, that all containers share."""

    processors: int
    memory_bytes: int
    memory_available: int
    load: tuple[float, float, float]
    pressure: dict[str, Pressure]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look."""

    time: float
    """Unix time."""
    clock: float
    """Monotonic seconds, for rates."""
    readings: list[Reading]
    containers: dict[str, tuple[About, Usage]]
    machine: Machine
    kernel_threads: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)
    """How many processes withheld what: "storage I/O", "open files"."""
    notes: tuple[str, ...] = ()
    """What limits the whole view, such as hidepid."""
    own_pid: int = 0
    """topz's own PID."""
    on_host: bool = False
    """Whether the PID namespace is the machine's own."""
