"""What topz tells Prometheus, and how it is filled in from the newest state before each scrape.

The names are those of process-exporter (namedprocess_namegroup_…) under topz's prefix, so that its
dashboards need one change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podparts.metrics import Metric, Registry

if TYPE_CHECKING:  # --health reads the declarations below and must not wait for the event loop to be imported
    from topz.namegroups import Group
    from topz.sample import Container
    from topz.sampler import Sampler

_GROUP = ("groupname", "container")


def _group(kind: str, name: str, help_: str, *labels: str) -> Metric:
    return Metric("counter" if kind == "counter" else "gauge", f"namegroup_{name}", help_, (*_GROUP, *labels))


def _container(kind: str, name: str, help_: str, *labels: str) -> Metric:
    return Metric(
        "counter" if kind == "counter" else "gauge", f"container_{name}", help_, ("container", *labels), max_series=200
    )


PROCS = _group("gauge", "num_procs", "Processes.")
CPU = _group("counter", "cpu_seconds_total", "CPU time.", "mode")
MEMORY = _group("gauge", "memory_bytes", "Memory: resident or virtual.", "memtype")
THREADS = _group("gauge", "num_threads", "Threads.")
FILES = _group("gauge", "open_filedesc", "Open files.")
WORST_FILES = _group(
    "gauge", "worst_fd_ratio", "Open files as a share of their limit, of the process that is nearest to it."
)
READ = _group("counter", "read_bytes_total", "Bytes read from storage; 0 where the kernel does not permit to know.")
WRITE = _group("counter", "write_bytes_total", "Bytes written to storage; 0 where the kernel does not permit to know.")
MAJOR = _group("counter", "major_page_faults_total", "Page faults that had to wait for storage.")
MINOR = _group("counter", "minor_page_faults_total", "Page faults that had not.")
STATES = _group("gauge", "states", "Processes by state.", "state")
OLDEST = _group("gauge", "oldest_start_time_seconds", "When the oldest process started.")

CONTAINER_CPU = _container("counter", "cpu_seconds_total", "CPU time of the control group, ended processes included.")
CONTAINER_CPU_LIMIT = _container(
    "gauge", "cpu_limit_cores", "CPU limit; absent when there is none or it cannot be read."
)
CONTAINER_THROTTLED = _container("counter", "throttled_seconds_total", "Time for which the CPU limit held tasks back.")
CONTAINER_MEMORY = _container(
    "gauge", "memory_working_set_bytes", "Memory of the control group without inactive page cache."
)
CONTAINER_RESIDENT = _container("gauge", "memory_resident_bytes", "Sum of the processes' resident memory.")
CONTAINER_MEMORY_LIMIT = _container(
    "gauge", "memory_limit_bytes", "Memory limit; absent when there is none or it is unreadable."
)
CONTAINER_OOM = _container("counter", "oom_kills_total", "Processes that the kernel killed for want of memory.")
CONTAINER_PRESSURE = _container(
    "counter", "pressure_waiting_seconds_total", "Time in which some task waited.", "resource"
)
CONTAINER_PROCESSES = _container("gauge", "processes", "Processes.")

SHARED = Metric("gauge", "pid_namespace_shared", "1 when processes of other containers are seen, else 0.")
PROCESSES = Metric("gauge", "processes", "Processes seen.")
UNREADABLE = Metric(
    "gauge", "unreadable_processes", "Processes of which the kernel does not permit to read this.", ("what",)
)
LOOKS = Metric("counter", "looks_total", "How often the processes were read.")
LOOK_CPU = Metric("counter", "look_cpu_seconds_total", "CPU time that reading the processes took.")
LAST_LOOK_CPU = Metric("gauge", "last_look_cpu_seconds", "CPU time that the last reading took.")
RECORDED = Metric("gauge", "recorder_moments", "Recorded moments.")
RECORDED_BYTES = Metric("gauge", "recorder_bytes", "Memory of the recording, as estimated for its bound.")
RECORDED_SPAN = Metric("gauge", "recorder_span_seconds", "Time from the oldest recorded moment to the newest.")
REFUSED = Metric("counter", "refused_requests_total", "Requests without the token.")

_GROUPS = (PROCS, CPU, MEMORY, THREADS, FILES, WORST_FILES, READ, WRITE, MAJOR, MINOR, STATES, OLDEST)
_CONTAINERS = (
    CONTAINER_CPU,
    CONTAINER_CPU_LIMIT,
    CONTAINER_THROTTLED,
    CONTAINER_MEMORY,
    CONTAINER_RESIDENT,
    CONTAINER_MEMORY_LIMIT,
    CONTAINER_OOM,
    CONTAINER_PRESSURE,
    CONTAINER_PROCESSES,
)
METRICS = (
    *_GROUPS,
    *_CONTAINERS,
    SHARED,
    PROCESSES,
    UNREADABLE,
    LOOKS,
    LOOK_CPU,
    LAST_LOOK_CPU,
    RECORDED,
    RECORDED_BYTES,
    RECORDED_SPAN,
    REFUSED,
)


def collect(registry: Registry, sampler: Sampler) -> None:
    """Copies the newest state into the registry."""
    for metric in (*_GROUPS, *_CONTAINERS, UNREADABLE):
        registry[metric].clear()
    for (name, container), group in sampler.groups.groups.items():
        _collect_group(registry, name, container, group)
    for one in sampler.sample.containers.values():
        _collect_container(registry, one)
    for what, count in sampler.sample.unreadable.items():
        registry[UNREADABLE].set(count, what)
    times = sampler.recorder.times()
    registry[SHARED].set(sampler.sample.sharing.shared)
    registry[PROCESSES].set(len(sampler.sample.processes))
    registry[LOOKS].set(sampler.looks)
    registry[LOOK_CPU].set(sampler.total_cost)
    registry[LAST_LOOK_CPU].set(sampler.cost)
    registry[RECORDED].set(len(times))
    registry[RECORDED_BYTES].set(sampler.recorder.bytes)
    registry[RECORDED_SPAN].set(times[-1] - times[0] if times else 0.0)


def _collect_group(registry: Registry, name: str, container: str, group: Group) -> None:
    registry[CPU].set(group.user_seconds, name, container, "user")
    registry[CPU].set(group.system_seconds, name, container, "system")
    registry[MEMORY].set(group.resident_bytes, name, container, "resident")
    registry[MEMORY].set(group.virtual_bytes, name, container, "virtual")
    for state, count in group.states.items():
        registry[STATES].set(count, name, container, state)
    for metric, value in (
        (PROCS, group.processes),
        (THREADS, group.threads),
        (FILES, group.open_files),
        (WORST_FILES, group.worst_file_ratio),
        (READ, group.read_bytes),
        (WRITE, group.write_bytes),
        (MAJOR, group.major_faults),
        (MINOR, group.minor_faults),
        (OLDEST, group.oldest_start),
    ):
        registry[metric].set(value, name, container)


def _collect_container(registry: Registry, one: Container) -> None:
    label = one.about.label
    values = (
        (CONTAINER_CPU, one.usage.cpu_seconds),
        (CONTAINER_CPU_LIMIT, one.cpu_limit),
        (CONTAINER_THROTTLED, one.usage.throttled_seconds),
        (CONTAINER_MEMORY, one.usage.memory_bytes),
        (CONTAINER_RESIDENT, one.resident_bytes),
        (CONTAINER_MEMORY_LIMIT, one.memory_limit),
        (CONTAINER_OOM, one.oom_kills),
        (CONTAINER_PROCESSES, one.processes),
    )
    for metric, value in values:
        if value is not None:
            registry[metric].set(value, label)
    for resource, pressure in one.pressure.items():
        registry[CONTAINER_PRESSURE].set(pressure.some_seconds, label, resource)
