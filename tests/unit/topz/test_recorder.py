"""The flight recorder and the difference of two moments."""

import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topz.diff import diff
from topz.proc import Io
from topz.recorder import Recorder
from topz.sample import sample
from topz.snapshot import Identity
from unit.topz.made import identity, reading, sampled, snapshot

BASE = 1_700_000_000


def test_a_moment_is_given_back_as_it_was() -> None:
    recorder = Recorder(600, 1 << 20)
    who = identity()
    found = sampled(10, reading(who, cpu=3.5, rss=5 << 30, parent=3, threads=9, files=None, io=None, state="D"))
    recorder.record(found)
    moment = recorder.at(BASE + 10)
    assert moment is not None
    (row,) = recorder.rows(moment)
    assert row.identity is who
    assert (row.parent, row.threads, row.state, row.open_files, row.read_rate) == (3, 9, "D", None, None)
    assert (row.cpu_seconds, row.resident_bytes) == (3.5, 5 << 30)


def test_a_time_between_two_moments_gives_the_earlier_one() -> None:
    recorder = Recorder(600, 1 << 20)
    for clock in (10, 20, 30):
        recorder.record(sampled(clock, reading(identity())))
    asked = [recorder.at(BASE + clock) for clock in (25, 20, 5, 99)]
    assert [moment.time - BASE for moment in asked if moment] == [20, 20, 10, 30]


def test_an_empty_recording_has_no_moment() -> None:
    assert Recorder(600, 1 << 20).at(0) is None


def test_what_is_too_old_goes() -> None:
    recorder = Recorder(60, 1 << 20)
    for clock in range(10, 210, 10):
        recorder.record(sampled(clock, reading(identity())))
    assert [time - BASE for time in recorder.times()] == [140, 150, 160, 170, 180, 190, 200]


def test_processes_that_no_moment_holds_are_forgotten() -> None:
    recorder = Recorder(60, 1 << 20)
    for clock in range(10, 1000, 10):
        recorder.record(sampled(clock, reading(identity(pid=clock, start=clock))))
    alone = Recorder(60, 1 << 20)
    for clock in range(930, 1000, 10):
        alone.record(sampled(clock, reading(identity(pid=clock, start=clock))))
    assert recorder.bytes == alone.bytes
    assert list(recorder.process(10)) == []


def test_the_newest_moment_stays_even_beyond_the_budget() -> None:
    recorder = Recorder(600, 10)
    recorder.record(sampled(10, reading(identity())))
    recorder.record(sampled(20, reading(identity())))
    assert [time - BASE for time in recorder.times()] == [20]


def test_a_clock_that_went_back_starts_a_new_recording() -> None:
    recorder = Recorder(600, 1 << 20)
    recorder.record(sampled(100, reading(identity())))
    recorder.record(sampled(50, reading(identity())))
    assert [time - BASE for time in recorder.times()] == [50]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 40), max_size=20, unique=True), min_size=1, max_size=30), st.integers(2000, 40_000)
)
def test_the_budget_holds_whatever_comes_and_goes(moments: list[list[int]], budget: int) -> None:
    recorder = Recorder(10_000, budget)
    for clock, pids in enumerate(moments, 1):
        recorder.record(sampled(clock * 10, *[reading(identity(pid=pid, command="x" * pid * 10)) for pid in pids]))
        assert recorder.bytes <= budget or len(recorder) == 1
        newest = recorder.at(1e12)
        assert newest is not None
        assert [row.identity.pid for row in recorder.rows(newest)] == pids


def test_the_estimate_is_near_the_truth() -> None:
    """The budget bounds what the recorder believes to hold; that must not be much less than what it holds."""
    people = [identity(pid=pid, command=f"/usr/bin/program-{pid} --option {pid}") for pid in range(200)]
    tracemalloc.start()
    recorder = Recorder(10_000, 1 << 30)
    before = tracemalloc.get_traced_memory()[0]
    for clock in range(1, 60):
        recorder.record(
            sampled(
                clock * 5, *[reading(who, cpu=clock * who.pid / 100, rss=(clock * who.pid) << 12) for who in people]
            )
        )
    real = tracemalloc.get_traced_memory()[0] - before + sum(sys.getsizeof(who.command) + 120 for who in people)
    tracemalloc.stop()
    assert 0.6 < recorder.bytes / real < 2.5


def test_the_history_of_a_process_is_told_apart_from_that_of_its_pid() -> None:
    recorder = Recorder(600, 1 << 20)
    recorder.record(sampled(10, reading(identity(pid=5, start=1.0))))
    recorder.record(sampled(20, reading(identity(pid=5, start=15.0))))
    assert [time - BASE for time, _ in recorder.process(5)] == [10, 20]
    assert [time - BASE for time, _ in recorder.process(5, start=15.0)] == [20]


def rows(*people: tuple[Identity, float, int]) -> list:  # type: ignore[type-arg]
    recorder = Recorder(600, 1 << 20)
    recorder.record(sampled(10, *[reading(who, cpu=cpu, rss=rss) for who, cpu, rss in people]))
    moment = recorder.at(BASE + 10)
    assert moment is not None
    return recorder.rows(moment)


def test_a_difference_names_who_started_ended_and_grew() -> None:
    stays, shrinks, goes, comes = (identity(pid=pid) for pid in (1, 2, 3, 4))
    found = diff(
        rows((shrinks, 0.0, 900), (stays, 1.0, 100), (goes, 0.0, 1)),
        rows((stays, 4.0, 300), (shrinks, 0.0, 500), (comes, 0.0, 1)),
    )
    assert [row.identity.pid for row in found.started] == [4]
    assert [row.identity.pid for row in found.ended] == [3]
    assert [(change.identity.pid, change.grown, change.cpu_seconds) for change in found.changed] == [
        (1, 200, 3.0),
        (2, -400, 0.0),
    ]


def test_a_reused_pid_ended_and_started() -> None:
    found = diff(rows((identity(pid=1, start=1.0), 0.0, 1)), rows((identity(pid=1, start=2.0), 0.0, 1)))
    assert (len(found.started), len(found.ended), found.changed) == (1, 1, [])


def test_rates_survive_the_recording() -> None:
    who = identity()
    recorder = Recorder(600, 1 << 20)
    recorder.record(sample(snapshot(8, reading(who, io=Io(0, 0))), snapshot(10, reading(who, io=Io(8192, 0)))))
    ((_, row),) = recorder.process(who.pid)
    assert row.read_rate == pytest.approx(4096)
    assert row.write_rate == 0
