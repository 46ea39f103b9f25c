"""The page that lays two moments side by side: who grew, who worked, who came and who went. Pure."""

from __future__ import annotations

from topz import units
from topz.diff import Change, Diff
from topz.markup import Markup, join, tag
from topz.page import PATH
from topz.recorder import Row
from topz.scene import Scene
from topz.table import command

# What differs by less is noise; the page is for what stands out.
_LEAST_GROWTH = 64 * 1024
_LEAST_CPU = 0.01
_MOST_ROWS = 500


def changes(before: Scene, after: Scene, found: Diff) -> Markup:
    """All below the header."""
    moved = [change for change in found.changed if _stands_out(change)]
    span = units.age(after.time - before.time)
    return join(
        _form(before, after),
        _section(f"Changed in {span}", len(moved), "largest growth first", _changed(after, moved[:_MOST_ROWS])),
        _section(
            "Started",
            len(found.started),
            f"after {units.time_of_day(before.time)}",
            _rows(after, found.started[:_MOST_ROWS]),
        ),
        _section(
            "Ended",
            len(found.ended),
            f"before {units.time_of_day(after.time)}",
            _rows(before, found.ended[:_MOST_ROWS]),
        ),
    )


def _stands_out(change: Change) -> bool:
    return (
        abs(change.grown) >= _LEAST_GROWTH
        or change.cpu_seconds >= _LEAST_CPU
        or change.threads_before != change.threads_after
        or change.files_before != change.files_after
    )


def _form(before: Scene, after: Scene) -> Markup:
    def field(name: str, label: str, scene: Scene) -> Markup:
        return tag(
            "label", label, tag("input", name=name, value=units.date_time(scene.time), size=22, autocomplete="off")
        )

    return tag(
        "form",
        field("from", "From (UTC)", before),
        field("to", "to", after),
        tag("button", "Compare"),
        tag("a", "Back", class_="button", href=PATH, data_leave=True),
        method="get",
        action=f"{PATH}/diff",
        class_="when",
        data_leave=True,
    )


def _section(name: str, count: int, note: str, content: Markup | None) -> Markup:
    empty = tag("p", "Nothing.", class_="empty")
    return tag(
        "section",
        tag("h3", name, tag("span", f"{count} process{'es' if count != 1 else ''}, {note}")),
        tag("div", content or empty, class_="scroll"),
    )


def _changed(scene: Scene, changed: list[Change]) -> Markup | None:
    if not changed:
        return None
    heads = [
        ("PID", "n"),
        ("Growth", "n"),
        ("RSS", "n"),
        ("CPU time", "n"),
        ("Threads", "n m"),
        ("Files", "n m"),
        ("Command", ""),
    ]
    return tag(
        "table",
        tag("thead", tag("tr", *[tag("th", name, class_=class_ or None, scope="col") for name, class_ in heads])),
        tag("tbody", *map(_changed_row, changed)),
    )


def _changed_row(change: Change) -> Markup:
    grown = change.grown
    sign = "+" if grown > 0 else "\N{MINUS SIGN}" if grown < 0 else ""
    return tag(
        "tr",
        tag("td", str(change.identity.pid), class_="n"),
        tag(
            "td",
            f"{sign}{units.size(abs(grown))}",
            class_=f"n {'up' if grown >= _LEAST_GROWTH else 'down' if grown <= -_LEAST_GROWTH else 'zero'}",
        ),
        tag("td", units.size(change.resident_after), class_="n"),
        tag("td", units.cpu_time(change.cpu_seconds), class_="n" if change.cpu_seconds >= _LEAST_CPU else "n zero"),
        tag("td", _arrow(change.threads_before, change.threads_after), class_="n m"),
        tag("td", _arrow(change.files_before, change.files_after), class_="n m"),
        tag("td", command(change.identity.command[:600]), class_="c", title=change.identity.command[:1000]),
    )


def _arrow(before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return units.UNKNOWN
    return str(after) if before == after else f"{before} → {after}"


def _rows(scene: Scene, rows: list[Row]) -> Markup | None:
    if not rows:
        return None
    heads = [
        ("PID", "n"),
        ("User", "m"),
        ("Started", "n"),
        ("RSS", "n"),
        ("CPU time", "n"),
        ("Container", "m"),
        ("Command", ""),
    ]
    return tag(
        "table",
        tag("thead", tag("tr", *[tag("th", name, class_=class_ or None, scope="col") for name, class_ in heads])),
        tag("tbody", *[_row(scene, row) for row in rows]),
    )


def _row(scene: Scene, row: Row) -> Markup:
    return tag(
        "tr",
        tag("td", str(row.identity.pid), class_="n"),
        tag("td", row.identity.user, class_="u m"),
        tag("td", units.time_of_day(row.identity.start), class_="n"),
        tag("td", units.size(row.resident_bytes), class_="n"),
        tag("td", units.cpu_time(row.cpu_seconds), class_="n"),
        tag("td", scene.label(row), class_="u m"),
        tag("td", command(row.identity.command[:600]), class_="c", title=row.identity.command[:1000]),
    )
