"""Numbers and times as people read and write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topz import units

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1024, "1.0 KiB"), (1023 * 1024, "1.0 MiB"), (327155712, "312 MiB"), (None, "\u2013")],
)
def test_sizes(count: float | None, text: str) -> None:
    assert units.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.00"), (61.5, "1:01.50"), (35999, "599:59.00"), (36000, "10h00"), (90061, "25h01")]
)
def test_cpu_time_is_written_as_top_does(seconds: float, text: str) -> None:
    assert units.cpu_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (65, "1m 5s"), (3600, "1h"), (90000, "1d 1h"), (-5, "0s")]
)
def test_ages_have_two_units(seconds: float, text: str) -> None:
    assert units.age(seconds) == text


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("22:00", "2023-11-14T22:00:00Z"),
        ("22:13:20", "2023-11-14T22:13:20Z"),
        ("23:00", "2023-11-13T23:00:00Z"),
        ("-5m", "2023-11-14T22:08:20Z"),
        ("-90", "2023-11-14T22:11:50Z"),
        ("-1.5h", "2023-11-14T20:43:20Z"),
        ("2023-11-14T09:08:07Z", "2023-11-14T09:08:07Z"),
        ("2023-11-14 09:08", "2023-11-14T09:08:00Z"),
        ("1699999999", "2023-11-14T22:13:19Z"),
    ],
)
def test_a_time_may_be_written_in_many_ways(text: str, time: str) -> None:
    assert units.date_time(units.moment(text, NOW)) == time


@pytest.mark.parametrize(
    "text", ["", "25:00", "12:60", "yesterday", "-5w", "2023-13-01T00:00", "12", "\u0661\u0662:00"]
)
def test_what_is_no_time_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 14:02"):
        units.moment(text, NOW)


@given(st.floats(0, 4e9))
def test_a_time_that_is_shown_can_be_asked_for(time: float) -> None:
    assert units.moment(units.date_time(time), NOW) == int(time)
