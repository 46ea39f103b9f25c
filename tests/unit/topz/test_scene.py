"""What a reader may ask for, and what comes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topz.cgroup import Usage
from topz.recorder import Row
from topz.sample import sample
from topz.scene import COLUMNS, LAYOUTS, PERCENTS, Scene, View, arrange, matches, parse_view, present, tree
from unit.topz.made import about, identity, reading, snapshot


def scene(*readings: object, usage: Usage = Usage()) -> Scene:  # noqa: B008 - a frozen record
    found = {"c1": (about(), usage), "c2": (about("c2", "db"), Usage())}
    return present(sample(None, snapshot(10, *readings, containers=found)))  # type: ignore[arg-type]


THREE = scene(
    reading(identity(pid=1, name="init", command="/sbin/init", user="root"), rss=100, cpu=9.0, state="S"),
    reading(identity(pid=20, name="nginx", command="nginx: worker"), rss=300, cpu=5.0, state="R"),
    reading(identity(pid=3, name="redis", command="redis-server *:6379", container="c2"), rss=200, cpu=7.0),
)


@pytest.mark.parametrize(
    ("query", "pids"),
    [
        ({}, [1, 3, 20]),
        ({"sort": "rss"}, [20, 3, 1]),
        ({"sort": "rss", "order": "asc"}, [1, 3, 20]),
        ({"sort": "pid"}, [1, 3, 20]),
        ({"sort": "command"}, [1, 20, 3]),
        ({"sort": "container"}, [3, 1, 20]),
        ({"sort": "state"}, [20, 1, 3]),
        ({"q": "NGINX"}, [20]),
        ({"q": "container:db"}, [3]),
        ({"q": "user:root"}, [1]),
        ({"q": "state:r"}, [20]),
        ({"q": "pid:2"}, []),
        ({"q": "web worker"}, [20]),
        ({"q": "6379"}, [3]),
        ({"q": "nothing"}, []),
    ],
)
def test_rows_are_filtered_and_sorted(query: dict[str, str], pids: list[int]) -> None:
    assert [row.identity.pid for row in arrange(THREE, parse_view(query))] == pids


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"sort": "colour"}, "sort='colour': expected one of pid, user"),
        ({"order": "up"}, "order='up': expected one of asc, desc"),
        ({"view": "x"}, "view='x': expected one of groups, flat, tree"),
        ({"pid": "-1"}, "pid='-1': expected a number"),
        ({"pid": "\u0661"}, "expected a number"),
        ({"rows": "99999"}, "expected a number from 0 to 10000"),
        ({"cpu": "all"}, "cpu='all': expected one of core, machine, limit"),
    ],
)
def test_a_bad_parameter_is_named_with_what_was_expected(query: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("\\", "\\\\")):
        parse_view(query)


views = st.builds(
    View,
    sort=st.sampled_from(sorted(COLUMNS)),
    descending=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
    words=st.text(st.characters(codec="utf-8"), max_size=20),
    at=st.sampled_from(["", "14:02", "-5m"]),
    pid=st.none() | st.integers(0, 1 << 22),
    percent=st.sampled_from(sorted(PERCENTS)),
    rows=st.integers(0, 10_000),
    paused=st.booleans(),
)


@given(views)
def test_a_link_asks_for_the_view_it_was_made_from(view: View) -> None:
    from urllib.parse import parse_qsl

    assert parse_view(dict(parse_qsl(view.query(), keep_blank_values=True))) == view


def test_a_plain_view_has_a_plain_link() -> None:
    assert View().query() == ""


def test_sorting_twice_by_a_column_turns_it_round() -> None:
    view = View().sorted_by("rss")
    assert (view.sort, view.descending) == ("rss", True)
    assert not view.sorted_by("rss").descending


def test_percentages_are_of_a_core_the_machine_or_the_limit() -> None:
    limited = scene(
        reading(identity(start=1_700_000_000.0), cpu=5.0, rss=1 << 30), usage=Usage(cpu_limit=2.0, memory_limit=4 << 30)
    )
    (row,) = limited.rows
    assert [limited.cpu_percent(row, of) for of in ("core", "machine", "limit")] == [50.0, 12.5, 25.0]
    assert limited.memory_percent(row) == 25.0


def family(*links: tuple[int, int]) -> list[Row]:
    return scene(*[reading(identity(pid=pid), parent=parent) for pid, parent in links]).rows


def test_a_tree_draws_branches() -> None:
    forest = tree(family((1, 0), (2, 1), (3, 2), (4, 1), (9, 77)))
    assert [(branch, row.identity.pid) for branch, row in forest] == [
        ("", 1),
        ("├─ ", 2),
        ("│  └─ ", 3),
        ("└─ ", 4),
        ("", 9),
    ]


def test_a_circle_of_parents_is_still_shown() -> None:
    assert sorted(row.identity.pid for _, row in tree(family((1, 2), (2, 1)))) == [1, 2]


def test_a_very_deep_chain_neither_fails_nor_indents_for_ever() -> None:
    forest = tree(family(*[(pid, pid - 1) for pid in range(1, 3000)]))
    assert len(forest) == 2999
    assert max(len(branch) for branch, _ in forest) < 100


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), unique_by=lambda link: link[0], max_size=30))
def test_a_tree_holds_every_row_once(links: list[tuple[int, int]]) -> None:
    assert sorted(row.identity.pid for _, row in tree(family(*links))) == sorted(pid for pid, _ in links)


@given(st.text(max_size=30))
def test_no_filter_fails(words: str) -> None:
    assert matches(THREE, THREE.rows[0], words) in (True, False)
