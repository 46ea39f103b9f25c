"""The plot: one group of bars per case, the figure that counts as a multiple of nginx's, the issue's bar as a red tick.

Written as SVG by hand: thirty lines instead of a plotting library that would be the largest dependency of the project.
"""

from xml.sax.saxutils import escape

from bench.cases import Case
from bench.report import BASELINES, OURS, Row, ratio

WIDTH, LEFT, BAR, GAP, RIGHT = 960, 160, 16, 14, 140
WIDEST = 3.0  # a longer bar is cut here and its number says the rest
GREY, BLUE, RED = "#b8bec6", "#2f6fb5", "#c0392b"


def _x(value: float) -> float:
    return LEFT + min(value, WIDEST) / WIDEST * (WIDTH - LEFT - RIGHT)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _bar(row: Row, value: float, y: float) -> list[str]:
    colour = BLUE if row.contender in OURS else GREY
    return [
        f'<rect x="{LEFT}" y="{y:.0f}" width="{_x(value) - LEFT:.1f}" height="{BAR - 3}" fill="{colour}"/>',
        _text(LEFT - 8, y + BAR - 5, row.contender, anchor="end"),
        _text(WIDTH - RIGHT + 60, y + BAR - 5, f"{value:.2f}", anchor="end"),
        _text(WIDTH - 8, y + BAR - 5, f"{row.median:.1f}", anchor="end"),
    ]


def _limit(case: Case, table: list[Row]) -> float | None:
    """The issue's bar as a multiple of nginx's figure; None without a bar, or without what it refers to."""
    rows = [row for row in table if row.case is case]
    if case.bar is None:
        return None
    if not case.bar.against:
        base = next((row for row in rows if row.contender in BASELINES), None)
        return case.bar.limit / base.median if base else None
    scale = next((ratio(row, table) for row in rows if row.contender == case.bar.against), None)
    return case.bar.limit * scale if scale else None


def _tick(case: Case, table: list[Row], top: float, bottom: float) -> list[str]:
    limit = _limit(case, table)
    if limit is None or limit > WIDEST:
        return []
    x = _x(limit)
    return [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.0f}" y2="{bottom:.0f}" stroke="{RED}" stroke-width="2"/>']


def _group(case: Case, table: list[Row], y: float) -> tuple[list[str], float]:
    shown = [(row, value) for row in table if row.case is case and (value := ratio(row, table)) is not None]
    if len(shown) < 2:
        return [], y
    lines, top = [_text(LEFT, y + 12, f"{case.title} [{case.unit}]", weight="bold")], y + 20
    for number, (row, value) in enumerate(shown):
        lines += _bar(row, value, top + number * BAR)
    bottom = top + len(shown) * BAR
    return [*lines, *_tick(case, table, top - 2, bottom)], bottom + GAP


def svg(table: list[Row]) -> str:
    """The plot of all cases that have a baseline."""
    lines: list[str] = []
    y = 34.0
    for case in dict.fromkeys(row.case for row in table):
        group, y = _group(case, table, y)
        lines += group
    size = f'width="{WIDTH}" height="{y:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    title = _text(
        LEFT, 20, "Multiples of nginx's figure, and the figure itself; shorter is better; red: the bar", weight="bold"
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y:.0f}" fill="white"/>', title, *lines, "</svg>"]) + "\n"
