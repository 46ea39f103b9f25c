"""Log: one event, one line, whatever it holds."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podparts.log import LONGEST_LINE, Log, render_text
from podparts.settings import Secret


def json_log(level: str = "info") -> tuple[Log, Callable[[], list[dict[str, Any]]]]:
    lines: list[bytes] = []
    return Log("toy", level, "json", write=lines.append), lambda: [json.loads(line) for line in lines]


def test_a_json_line_holds_time_level_part_event_and_the_fields() -> None:
    log, read = json_log()
    log.info("certificate reloaded", path="/tls", count=2, ratio=0.5, good=True, names=("a", "b"))
    (line,) = read()
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "part": "toy",
        "event": "certificate reloaded",
        "path": "/tls",
        "count": 2,
        "ratio": 0.5,
        "good": True,
        "names": ["a", "b"],
    }


def test_a_text_line_quotes_what_needs_it() -> None:
    line = render_text("T", "info", "toy", "head refused", {"path": "/a b", "reason": 'x="y"\n', "size": 3, "none": ""})
    assert line == 'T INFO head refused path="/a b" reason="x=\\"y\\"\\n" size=3 none=""'


def test_events_below_the_level_are_counted_and_not_written() -> None:
    log, read = json_log("warning")
    log.info("something")
    assert read() == []
    assert log.counts["info"] == 1


def test_a_field_cannot_replace_what_each_line_has() -> None:
    log, read = json_log()
    log.info("x", level="none", part="other")
    (line,) = read()
    assert (line["level"], line["level_"], line["part_"]) == ("info", "none", "other")


def test_a_secret_is_masked() -> None:
    log, read = json_log()
    log.info("x", token=Secret("hunter2"), tokens=[Secret("hunter2")])
    assert "hunter2" not in str(read())


def test_a_bound_log_adds_its_fields() -> None:
    log, read = json_log()
    log.bind(worker=1).info("x")
    assert read()[0]["worker"] == 1


def test_a_crash_is_one_line_with_its_traceback() -> None:
    log, read = json_log()
    try:
        raise ValueError("broken")
    except ValueError as error:
        log.crash("task crashed", error, task="poll")
    (line,) = read()
    assert line["error"] == "ValueError: broken"
    assert "test_log.py" in line["traceback"]


def test_repeated_events_are_limited_and_the_number_left_out_is_told() -> None:
    log, read = json_log()
    for _ in range(5):
        log.limited("refused", per=60).warning("refused")
    for _ in range(2):
        log.limited("refused", per=0).warning("refused")
    assert [line.get("left_out") for line in read()] == [None, 4, None]


def test_logging_survives_a_closed_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr("podparts.log._STDOUT", writer)
    Log("toy").info("nobody reads this")
    os.close(writer)


values = st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.none(), st.lists(st.text(), max_size=3))


@given(st.text(), values)
def test_whatever_is_logged_is_one_bounded_json_line(event: str, value: object) -> None:
    lines: list[bytes] = []
    Log("toy", write=lines.append).info(event, value=value, more="x" * 100_000)
    (line,) = lines
    assert line.count(b"\n") == 1
    assert len(line.decode()) <= LONGEST_LINE + 1
    json.loads(line)


@given(st.text(), values)
def test_whatever_is_logged_is_one_bounded_text_line(event: str, value: object) -> None:
    lines: list[bytes] = []
    Log("toy", format="text", write=lines.append).info(event, value=value)
    (line,) = lines
    assert len(line.decode().splitlines()) == 1
    assert len(line.decode()) <= LONGEST_LINE + 1
