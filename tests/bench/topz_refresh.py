"""What a look at 1,000 processes costs: topz's reader against psutil, and the way from /proc to the page.

    python tests/bench/topz_refresh.py [processes] [rounds]

Starts that many sleeping processes, measures CPU time (not wall-clock time) of each step, the kernel's part included,
in interleaved rounds, and prints the medians in milliseconds. The bar is 50 ms for one refresh with 1,000 processes.
"all changed" makes topz forget what each process's stat was, as if every one of them had run since.
"""

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable

import psutil

from topz import overview, page, text
from topz.api import processes
from topz.namegroups import NameGroups
from topz.page import Frame, History
from topz.reader import Reader
from topz.recorder import Recorder
from topz.sample import sample
from topz.sampler import Sampler
from topz.scene import View, arrange, present

# The same facts that topz shows. psutil caches none of them between two sweeps but the command line.
PSUTIL = """
    pid ppid name username status num_threads cpu_times memory_info num_fds io_counters cmdline create_time nice
""".split()  # noqa: SIM905 - one line is easier to read than thirteen


def sleepers(count: int) -> list[int]:
    """Processes that do nothing until they are killed."""
    found = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        found.append(pid)
    return found


def cpu(step: Callable[[], object]) -> float:
    """CPU milliseconds of one run."""
    start = time.process_time()
    step()
    return (time.process_time() - start) * 1000


def steps() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    reader = Reader()
    sampler = Sampler(Reader(), Recorder(1800, 16 << 20), NameGroups(30), 2.0, 0.0)
    look = reader.look()
    now = sample(look, reader.look())
    view, frame = View(), Frame("host", 2.0)
    nothing = History([], {}, {}, [])

    def html(rows: int) -> bytes:
        shown = View(rows=rows)
        scene = present(sampler.sample)
        body = overview.overview(scene, shown, nothing, 1800)
        return page.document("topz", frame, shown, page.header(frame, shown), body, page.footer([]))

    def all_changed() -> None:
        for known in reader._known.values():
            known.stat = b""
        reader.look()

    return {
        "psutil.process_iter": lambda: [process.info for process in psutil.process_iter(PSUTIL)],
        "topz: first look": lambda: Reader().look(),
        "topz: look, all changed": all_changed,
        "topz: look, all asleep": reader.look,
        "topz: look, all asleep, with rates, recording, metrics": sampler.look,
        "topz: record a moment": lambda: Recorder(60, 1 << 24).record(now),
        "topz: page of 200 rows": lambda: html(200),
        "topz: page of all rows": lambda: html(0),
        "topz: text of 200 rows": lambda: text.render(present(now), view, "host"),
        "topz: JSON of all rows": lambda: processes(present(now), arrange(present(now), view)),
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    children = sleepers(count)
    try:
        measured = steps()
        times: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(rounds):
            for name, step in measured.items():
                times[name].append(cpu(step))
        recorder = Recorder(1800, 1 << 30)
        reader = Reader()
        before = reader.look()
        recorder.record(sample(None, before))
        first = recorder.bytes
        recorder.record(sample(before, reader.look()))
        print(f"{len(before.readings)} processes, {rounds} rounds, CPU milliseconds, medians (lowest to highest)")
        for name, found in times.items():
            print(f"{name:55} {statistics.median(found):7.1f}  ({min(found):.1f} to {max(found):.1f})")
        further = (recorder.bytes - first) / 1024
        print(f"recording: {first / 1024:.0f} KiB for the first moment, {further:.1f} KiB for each further one")
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
