"""The figures of the bench: medians, ratios round by round, bars, and a report that says what was not measured."""

from typing import Any

import pytest

from bench import plot, report
from bench.cases import CASES, chosen


def _sample(contender: str, number: int, cost: float, case: str = "http-100") -> dict[str, Any]:
    figures = {"cpu_us": cost, "user_us": 1.0, "system_us": cost - 1, "per_second": 1000.0, "use": 0.9, "errors": 0}
    return {"case": case, "contender": contender, "round": number, **figures}


def _run(*samples: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": "2026-11-21",
        "machine": {"cpu": "x"},
        "versions": {"nginx": "1"},
        "note": "",
        "samples": list(samples),
    }


def test_a_ratio_is_taken_within_the_round_so_that_a_slow_minute_does_not_count() -> None:
    run = _run(
        _sample("nginx", 0, 10), _sample("podparts", 0, 9),
        _sample("nginx", 1, 20), _sample("podparts", 1, 18),
        _sample("nginx", 2, 10), _sample("podparts", 2, 9.2),
    )  # fmt: skip
    table = report.rows(run)
    ours = next(row for row in table if row.contender == "podparts")
    assert report.ratios(ours, table) == pytest.approx([0.9, 0.9, 0.92])
    assert report.ratio(ours, table) == pytest.approx(0.9)


@pytest.mark.parametrize(("cost", "says"), [(9, "0.90 of 1x nginx: met"), (12, "1.20 of 1x nginx: **missed**")])
def test_a_bar_is_met_or_missed(cost: float, says: str) -> None:
    table = report.rows(_run(_sample("nginx", 0, 10), _sample("podparts", 0, cost)))
    assert report.verdict(table[1], table) == says


def test_a_bar_whose_peer_was_not_measured_says_so() -> None:
    table = report.rows(_run(_sample("podparts", 0, 9)))
    assert report.verdict(table[0], table) == "nginx not measured"


def test_errors_are_added_up_and_shown() -> None:
    table = report.rows(_run(_sample("nginx", 0, 10) | {"errors": 2}, _sample("nginx", 1, 10) | {"errors": 3}))
    assert table[0].others["errors"] == 5


def test_the_report_and_the_plot_show_every_contender() -> None:
    run = _run(_sample("nginx", 0, 10), _sample("podparts", 0, 9))
    for text in (report.markdown(run), plot.svg(report.rows(run))):
        assert "nginx" in text
        assert "podparts" in text


def test_cases_are_chosen_by_name_or_group_and_an_unknown_word_is_named() -> None:
    assert [case.name for case in chosen(["keepalive"])] == ["http-100", "http-10k"]
    assert chosen([]) == CASES
    with pytest.raises(ValueError, match="keepalife"):
        chosen(["keepalife"])
