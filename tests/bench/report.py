"""From samples to figures: medians, ratios, bars, a table in Markdown. Pure; it reads what a run has written as JSON.

A run is `{"machine": {...}, "versions": {...}, "note": str, "samples": [{"case", "contender", "round", ...figures}]}`.
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.cases import CASES, Case

Run = Mapping[str, Any]
BASELINES = ("nginx", "nginx-tls")
OURS = ("podparts", "https-sidecar", "topz")


@dataclass(frozen=True)
class Row:
    """One contender in one case: the figure that counts by round, and the medians of the others."""

    case: Case
    contender: str
    figures: Mapping[int, float]
    others: Mapping[str, float]

    @property
    def median(self) -> float:
        return statistics.median(self.figures.values())

    @property
    def extremes(self) -> str:
        return f"{min(self.figures.values()):.1f} to {max(self.figures.values()):.1f}"


def _row(case: Case, contender: str, samples: list[Mapping[str, float]]) -> Row:
    figures = {int(sample["round"]): sample[case.figure] for sample in samples}
    keys = [key for key in samples[0] if isinstance(samples[0][key], int | float) and key != "round"]
    others = {key: statistics.median(sample[key] for sample in samples) for key in keys}
    others["errors"] = sum(sample["errors"] for sample in samples)
    return Row(case, contender, figures, others)


def rows(run: Run) -> list[Row]:
    """In the order of the cases, then of first appearance."""
    by: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for sample in run["samples"]:
        by.setdefault((sample["case"], sample["contender"]), []).append(sample)
    return [_row(case, who, samples) for case in CASES for (name, who), samples in by.items() if name == case.name]


def ratios(row: Row, table: Iterable[Row], against: str = "") -> list[float]:
    """The figure over that of `against` (nginx when not named) round by round; empty where that was not measured.

    Round by round, because a shared machine may run at half its speed for minutes: the two figures of one round were
    taken within seconds of each other, those of two rounds were not.
    """
    wanted = (against,) if against else BASELINES
    base = next((other for other in table if other.case is row.case and other.contender in wanted), None)
    pairs = ((row.figures[number], base.figures.get(number, 0.0)) for number in row.figures) if base else ()
    return [mine / other for mine, other in pairs if other]


def ratio(row: Row, table: Iterable[Row], against: str = "") -> float | None:
    """The median of `ratios`, or None."""
    found = ratios(row, table, against)
    return statistics.median(found) if found else None


def verdict(row: Row, table: list[Row]) -> str:
    """What the bar of the issue says about one of ours: "0.93 of 1.0, met"; empty when there is no bar."""
    bar = row.case.bar
    if bar is None or row.contender not in OURS:
        return ""
    value = ratio(row, table, bar.against) if bar.against else row.median
    if value is None:
        return f"{bar.against} not measured"
    unit = f"x {bar.against}" if bar.against else f" {row.case.unit}"
    return f"{value:.2f} of {bar.limit:g}{unit}: {'met' if value <= bar.limit else '**missed**'}"


def _cells(row: Row, table: list[Row]) -> list[str]:
    other = row.others
    compared = ratios(row, table)
    return [
        row.contender,
        f"{row.median:.1f}",
        row.extremes,
        f"{other['user_us']:.1f} + {other['system_us']:.1f}" if "user_us" in other else "",
        f"{statistics.median(compared):.2f} ({min(compared):.2f} to {max(compared):.2f})" if compared else "",
        f"{other['per_second']:,.0f}" if "per_second" in other else "",
        f"{other['use']:.2f}" if "use" in other else "",
        f"{other['p50_us'] / 1e3:.2f} / {other['p99_us'] / 1e3:.2f}" if other.get("p50_us") else "",
        f"{other['errors']:.0f}",
        verdict(row, table),
    ]


COLUMNS = (
    "contender",
    "median",
    "min to max",
    "user + system",
    "x nginx",
    "per second",
    "core in use",
    "p50 / p99 ms",
    "errors",
    "bar",
)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _section(case: Case, table: list[Row]) -> list[str]:
    mine = [row for row in table if row.case is case]
    rounds = max(len(row.figures) for row in mine)
    heading = [
        f"### {case.title}",
        "",
        f"{case.unit}, {rounds} rounds",
        "",
        _line(COLUMNS),
        _line(["---"] * len(COLUMNS)),
    ]
    return [*heading, *(_line(_cells(row, table)) for row in mine), ""]


def markdown(run: Run) -> str:
    """The whole report."""
    table = rows(run)
    facts = [f"{key} {value}" for part in ("machine", "versions") for key, value in run[part].items()]
    head = [
        "# Results",
        "",
        f"{run['date']}. " + "; ".join(facts) + ".",
        "",
        "One core for the proxy, the other for load and upstream; rounds interleaved; medians, also of the ratio to",
        "nginx in the same round (in brackets its extremes). CPU time is that of the proxy's processes over the",
        "requests answered. Where the core in use is well below 1 the load or other work on the machine was the limit,",
        "and the rate says little; the CPU time still counts.",
        "",
        *([run["note"], ""] if run.get("note") else []),
        "![CPU per request, nginx = 1](plot.svg)",
        "",
    ]
    measured = [case for case in CASES if any(row.case is case for row in table)]
    return "\n".join([*head, *(line for case in measured for line in _section(case, table))])
