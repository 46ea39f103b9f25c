"""This process's own metrics, read from /proc and the interpreter at the moment of a scrape.

The process_* names are those that every Prometheus client library uses, so that existing dashboards and alerts fit.
"""

import gc
import os
import time
from typing import Final

from podparts.metrics import Metric, Registry

CPU: Final = Metric("counter", "process_cpu_seconds_total", "CPU time, user and system.", prefixed=False)
RESIDENT: Final = Metric("gauge", "process_resident_memory_bytes", "Resident memory.", prefixed=False)
VIRTUAL: Final = Metric("gauge", "process_virtual_memory_bytes", "Virtual memory.", prefixed=False)
OPEN_FILES: Final = Metric("gauge", "process_open_fds", "Open file descriptors.", prefixed=False)
MOST_FILES: Final = Metric(
    "gauge", "process_max_fds", "File descriptors that may be open.", prefixed=False, merge="min"
)
STARTED: Final = Metric(
    "gauge", "process_start_time_seconds", "When the process started, in Unix time.", prefixed=False, merge="min"
)
COLLECTIONS: Final = Metric(
    "counter", "python_gc_collections_total", "Garbage collections.", ("generation",), prefixed=False
)

PROCESS_METRICS: Final = (CPU, RESIDENT, VIRTUAL, OPEN_FILES, MOST_FILES, STARTED, COLLECTIONS)


def watch_process(registry: Registry) -> None:
    """Adds the process's metrics to a registry."""
    registry.add(*PROCESS_METRICS)
    started = start_time()

    def collect() -> None:
        virtual, resident = _memory()
        registry[CPU].set(time.process_time())
        registry[VIRTUAL].set(virtual)
        registry[RESIDENT].set(resident)
        registry[OPEN_FILES].set(len(os.listdir("/proc/self/fd")))
        registry[MOST_FILES].set(_most_files())
        registry[STARTED].set(started)
        for generation, counts in enumerate(gc.get_stats()):
            registry[COLLECTIONS].set(counts["collections"], str(generation))

    registry.before_collect(collect)


def start_time() -> float:
    """Unix time at which this process started, to the kernel's tick."""
    with open("/proc/self/stat", "rb") as file:
        since_boot = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def _memory() -> tuple[int, int]:
    with open("/proc/self/statm", "rb") as file:
        virtual, resident = file.read().split()[:2]
    page = os.sysconf("SC_PAGE_SIZE")
    return int(virtual) * page, int(resident) * page


def _most_files() -> int:
    from resource import RLIMIT_NOFILE, getrlimit

    return getrlimit(RLIMIT_NOFILE)[0]
