"""From two looks to rates."""

import pytest

from topz.cgroup import Usage
from topz.proc import Io
from topz.sample import sample
from unit.topz.made import about, identity, reading, snapshot


def test_cpu_is_the_cores_used_between_two_looks() -> None:
    who = identity()
    found = sample(snapshot(100, reading(who, cpu=10.0)), snapshot(102, reading(who, cpu=13.0)))
    assert found.processes[0].cpu == pytest.approx(1.5)
    assert found.interval == pytest.approx(2.0)


def test_a_reused_pid_is_a_new_process() -> None:
    old, new = identity(pid=7, start=1000.0), identity(pid=7, start=1_700_000_101.0)
    found = sample(snapshot(100, reading(old, cpu=50.0)), snapshot(102, reading(new, cpu=0.5)))
    assert found.processes[0].cpu == pytest.approx(0.5)


def test_a_process_that_changed_its_command_keeps_its_counters() -> None:
    before, after = identity(command="sh"), identity(command="app")
    found = sample(snapshot(100, reading(before, cpu=10.0)), snapshot(102, reading(after, cpu=11.0)))
    assert found.processes[0].cpu == pytest.approx(0.5)


def test_the_first_look_gives_the_average_over_a_life() -> None:
    who = identity(start=1_700_000_000.0)
    found = sample(None, snapshot(100, reading(who, cpu=25.0)))
    assert found.processes[0].cpu == pytest.approx(0.25)
    assert found.interval == 0


def test_a_vanished_process_is_gone() -> None:
    assert sample(snapshot(100, reading(identity())), snapshot(102)).processes == []


def test_rates_of_storage_are_bytes_a_second() -> None:
    who = identity()
    found = sample(snapshot(100, reading(who, io=Io(0, 1000))), snapshot(102, reading(who, io=Io(4096, 1000))))
    assert (found.processes[0].read_rate, found.processes[0].write_rate) == (2048, 0)


def test_a_withheld_counter_gives_no_rate() -> None:
    who = identity()
    found = sample(snapshot(100, reading(who, io=None)), snapshot(102, reading(who, io=Io(9, 9))))
    assert found.processes[0].read_rate is None


def test_a_counter_that_fell_gives_zero() -> None:
    who = identity()
    assert sample(snapshot(100, reading(who, cpu=5.0)), snapshot(102, reading(who, cpu=4.0))).processes[0].cpu == 0


def test_a_container_is_measured_by_its_control_group() -> None:
    who = identity()
    before = snapshot(100, reading(who), containers={"c1": (about(), Usage(cpu_seconds=10.0, throttled_seconds=1.0))})
    usage = Usage(
        cpu_seconds=11.0, cpu_limit=0.5, throttled_seconds=1.5, memory_bytes=100, memory_limit=400, oom_kills=1
    )
    found = sample(before, snapshot(102, reading(who, rss=60), containers={"c1": (about(), usage)})).containers["c1"]
    assert (found.cpu, found.throttled, found.memory_bytes, found.resident_bytes, found.whole) == (
        0.5,
        0.25,
        100,
        60,
        True,
    )


def test_a_container_whose_files_are_withheld_is_the_sum_of_its_processes() -> None:
    one, two = identity(pid=1), identity(pid=2)
    before = snapshot(100, reading(one, cpu=1.0), reading(two, cpu=1.0))
    found = sample(before, snapshot(102, reading(one, cpu=2.0, rss=5), reading(two, cpu=2.0, rss=6))).containers["c1"]
    assert (found.cpu, found.memory_bytes, found.processes, found.whole) == (1.0, 11, 2, False)


def test_shares_are_of_the_limit_and_else_of_the_machine() -> None:
    limited = {"c1": (about(), Usage(cpu_limit=0.5, memory_bytes=100, memory_limit=400))}
    found = sample(None, snapshot(100, containers=limited))
    assert found.containers["c1"].memory_share(found.machine) == 0.25
    free = sample(None, snapshot(100, containers={"c1": (about(), Usage(memory_bytes=2 << 30))}))
    assert free.containers["c1"].memory_share(free.machine) == 0.25


def test_the_namespace_is_shared_when_another_container_is_seen() -> None:
    found = sample(
        None, snapshot(1, containers={"c1": (about(), Usage()), "t": (about("t", "topz", own=True), Usage())})
    )
    assert found.sharing.shared


def test_the_namespace_is_not_shared_when_only_topz_is_seen() -> None:
    found = sample(
        None,
        snapshot(1, reading(identity(pid=1)), containers={"t": (about("t", "topz", own=True), Usage())}, own_pid=1),
    )
    assert not found.sharing.shared
    assert "PID 1" in found.sharing.reason


def test_an_init_before_topz_does_not_make_the_namespace_shared() -> None:
    found = sample(
        None,
        snapshot(1, reading(identity(pid=1)), containers={"t": (about("t", "topz", own=True), Usage())}, own_pid=7),
    )
    assert not found.sharing.shared
    assert "All 1 processes" in found.sharing.reason


def test_the_machines_own_namespace_is_shared() -> None:
    found = sample(None, snapshot(1, containers={"t": (about("t", own=True), Usage())}, on_host=True))
    assert found.sharing.shared
    assert "machine" in found.sharing.reason
