"""Groups of processes for the metrics."""

import itertools

import pytest

from topz.namegroups import OTHER, NameGroups
from unit.topz.made import identity, reading, sampled

SHOP = ("app", "web")


def test_processes_of_one_name_are_counted_together() -> None:
    groups = NameGroups(5)
    groups.count(
        sampled(
            10,
            reading(identity(pid=1), cpu=4.0, rss=10, files=512),
            reading(identity(pid=2), cpu=8.0, rss=20, files=3, state="R"),
        )
    )
    found = groups.groups[SHOP]
    assert (found.processes, found.resident_bytes, found.threads, found.open_files) == (2, 30, 2, 515)
    assert (found.user_seconds, found.system_seconds) == (9.0, 3.0)
    assert found.worst_file_ratio == 0.5
    assert found.states == {"S": 1, "R": 1}


def test_counters_do_not_fall_when_a_process_ends() -> None:
    groups = NameGroups(5)
    groups.count(sampled(10, reading(identity(pid=1), cpu=4.0), reading(identity(pid=2), cpu=8.0)))
    groups.count(sampled(20, reading(identity(pid=1), cpu=5.0)))
    assert groups.groups[SHOP].user_seconds + groups.groups[SHOP].system_seconds == pytest.approx(13.0)


def test_a_group_without_processes_has_no_series() -> None:
    groups = NameGroups(5)
    groups.count(sampled(10, reading(identity())))
    groups.count(sampled(20))
    assert groups.groups == {}


def test_what_is_beyond_the_bound_is_counted_as_other() -> None:
    groups = NameGroups(2)
    people = [reading(identity(pid=pid, name=f"n{pid}"), rss=pid << 28, cpu=1.0) for pid in range(1, 6)]
    groups.count(sampled(10, *people))
    assert sorted(name for name, _ in groups.groups) == ["n4", "n5", OTHER]
    assert groups.groups[OTHER, OTHER].processes == 3


def test_a_little_heavier_is_no_reason_to_change_series() -> None:
    groups = NameGroups(1)
    groups.count(sampled(10, reading(identity(pid=1, name="a"), rss=100 << 20)))
    groups.count(
        sampled(
            20, reading(identity(pid=1, name="a"), rss=100 << 20), reading(identity(pid=2, name="b"), rss=150 << 20)
        )
    )
    assert ("a", "web") in groups.groups
    groups.count(
        sampled(
            30, reading(identity(pid=1, name="a"), rss=100 << 20), reading(identity(pid=2, name="b"), rss=900 << 20)
        )
    )
    assert ("b", "web") in groups.groups


def test_a_storm_of_names_never_makes_more_series() -> None:
    groups = NameGroups(3)
    for clock, start in enumerate(itertools.islice(itertools.count(0, 50), 20), 1):
        groups.count(
            sampled(clock * 10, *[reading(identity(pid=pid, name=f"x{pid}")) for pid in range(start, start + 50)])
        )
        assert len(groups.groups) <= 4
