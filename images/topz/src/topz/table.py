"""The table of processes: by container, flat, or as a tree. Pure.

A cell carries its raw number (data-v), so that a click sorts in place; the head's links sort without JavaScript.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from topz import units
from topz.markup import Markup, join, tag
from topz.page import link
from topz.plots import bar
from topz.proc import STATES
from topz.recorder import Row
from topz.scene import COLUMNS, PERCENTS, Scene, View, arrange, tree


class Head(NamedTuple):
    """A column of the table. `class_`: n for numbers, w and m for what narrow windows leave out."""

    key: str
    name: str
    class_: str
    title: str
    cell: Callable[[Scene, View, Row], Markup]


def _count(value: float | None, class_: str, text: str | None = None) -> Markup:
    shown = units.UNKNOWN if value is None else text if text is not None else str(value)
    zero = " zero" if not value else ""
    number = -1 if value is None else f"{value:.6g}" if isinstance(value, float) else value
    return tag("td", shown, class_=f"n {class_}{zero}".rstrip(), data_v=number)


def _cpu(scene: Scene, view: View, row: Row) -> Markup:
    value = scene.cpu_percent(row, view.percent)
    return tag(
        "td",
        units.percent(value),
        bar(value / 100, "cpu") if value >= 0.05 else None,
        class_="n" if value >= 0.05 else "n zero",
        data_v=f"{row.cpu:.6g}",
    )


def _memory(scene: Scene, _: View, row: Row) -> Markup:
    value = scene.memory_percent(row)
    return tag(
        "td",
        units.percent(value),
        bar(value / 100, "mem") if value >= 0.05 else None,
        class_="n m" if value >= 0.05 else "n m zero",
        data_v=f"{value:.6g}",
    )


def _state(_: Scene, __: View, row: Row) -> Markup:
    known = row.state if row.state in STATES else "X"
    return tag("td", tag("b", row.state), class_=f"s m s-{known}", title=STATES.get(row.state, "unknown"))


def _pid(scene: Scene, view: View, row: Row) -> Markup:
    pid = row.identity.pid
    return tag("td", tag("a", str(pid), href=link(view, pid=pid if view.pid != pid else None)), class_="n", data_v=pid)


def _age(scene: Scene, _: View, row: Row) -> Markup:
    start = row.identity.start
    age = units.age(scene.time - start)
    return tag("td", age, class_="n w quiet", data_v=f"{start:.2f}", title=units.date_time(start))


def command(text: str) -> Markup:
    """A command line whose program stands out: the folder before it and the arguments after it are quiet."""
    first, space, rest = text.partition(" ")
    folder, slash, base = first.rpartition("/")
    if text.startswith("[") or not base:
        return join(text)
    return join(folder + slash, tag("b", base), space + rest)


HEADS = (
    Head("pid", "PID", "n", "Process id, as topz sees it", _pid),
    Head("user", "User", "w", "Real user", lambda s, v, row: tag("td", row.identity.user, class_="u w")),
    Head("state", "S", "m", "State: R running, S sleeping, D waiting for I/O, Z zombie, T stopped, I idle", _state),
    Head("cpu", "CPU %", "n", "CPU in percent", _cpu),
    Head(
        "rss",
        "RSS",
        "n",
        "Resident memory",
        lambda s, v, row: _count(row.resident_bytes, "", units.size(row.resident_bytes)),
    ),
    Head("mem", "MEM %", "n m", "Resident memory in percent of the container's limit, or of the machine", _memory),
    Head("threads", "Thr", "n w", "Threads", lambda s, v, row: _count(row.threads, "w")),
    Head("files", "Files", "n w", "Open files", lambda s, v, row: _count(row.open_files, "w")),
    Head(
        "read",
        "Read",
        "n w",
        "Read from storage",
        lambda s, v, row: _count(row.read_rate, "w", units.rate(row.read_rate)),
    ),
    Head(
        "write",
        "Write",
        "n w",
        "Written to storage",
        lambda s, v, row: _count(row.write_rate, "w", units.rate(row.write_rate)),
    ),
    Head(
        "time",
        "Time+",
        "n m",
        "CPU time since it started",
        lambda s, v, row: _count(row.cpu_seconds, "m", units.cpu_time(row.cpu_seconds)),
    ),
    Head("start", "Age", "n w", "Time since it started", _age),
)
_CONTAINER = Head("container", "Container", "m", "Container", lambda s, v, row: tag("td", s.label(row), class_="u m"))
_COMMAND = "command"


def table(scene: Scene, view: View) -> Markup:
    """The table that the view asks for."""
    rows = arrange(scene, view)
    if not rows:
        return tag(
            "div",
            tag("p", f"No process matches {view.words!r}." if view.words else "No process is seen.", class_="empty"),
            class_="scroll",
        )
    if view.layout == "tree":
        forest = tree(rows)
        shown: list[tuple[str, Row]] = forest[: view.rows] if view.rows else forest
    else:
        shown = [("", row) for row in (rows[: view.rows] if view.rows else rows)]
    heads = (*HEADS, _CONTAINER) if view.layout != "groups" else HEADS
    bodies = _grouped(scene, view, shown, heads) if view.layout == "groups" else [_body(scene, view, shown, heads)]
    left = len(rows) - len(shown)
    more = (
        tag("div", f"{left} more. ", tag("a", "Show all", href=link(view, rows=0)), class_="more") if left > 0 else None
    )
    return tag(
        "div", tag("table", tag("thead", _head_row(view, heads)), *bodies, class_=view.layout), more, class_="scroll"
    )


def _head_row(view: View, heads: tuple[Head, ...]) -> Markup:
    return tag(
        "tr",
        *[_head(view, head.key, head.name, head.class_, head.title) for head in heads],
        _head(view, _COMMAND, "Command", "", "Command line, secrets hidden"),
    )


def _head(view: View, key: str, name: str, class_: str, title: str) -> Markup:
    current = ("descending" if view.descending else "ascending") if key == view.sort else None
    if key == "cpu":
        title += f" {PERCENTS[view.percent]}"
    first = "descending" if COLUMNS[key].descending else "ascending"
    return tag(
        "th",
        tag("a", name, href=link(view.sorted_by(key))),
        class_=class_ or None,
        title=title,
        scope="col",
        data_key=key,
        data_first=first,
        aria_sort=current,
    )


def _grouped(scene: Scene, view: View, shown: list[tuple[str, Row]], heads: tuple[Head, ...]) -> list[Markup]:
    groups: defaultdict[str, list[tuple[str, Row]]] = defaultdict(list)
    for item in shown:
        groups[item[1].identity.container].append(item)
    order = sorted(groups, key=lambda key: _group_order(scene, key))
    return [
        _body(scene, view, groups[key], heads, _group_title(scene, key, groups[key], len(heads) + 1)) for key in order
    ]


def _group_order(scene: Scene, key: str) -> tuple[bool, int]:
    container = scene.containers.get(key)
    return (True, 0) if container is None else (container.about.own, -container.resident_bytes)


def _group_title(scene: Scene, key: str, rows: list[tuple[str, Row]], columns: int) -> Markup:
    container = scene.containers.get(key)
    if container is None:
        return tag("tr", tag("th", key, colspan=columns, scope="rowgroup"))
    cpu = f"{units.cores(container.cpu)} cores" + (f" of {container.cpu_limit:.2g}" if container.cpu_limit else "")
    memory = units.size(container.memory_bytes) + (
        f" of {units.size(container.memory_limit)}" if container.memory_limit else ""
    )
    some = f"{len(rows)} of {container.processes}" if len(rows) != container.processes else str(container.processes)
    return tag(
        "tr",
        tag(
            "th",
            container.about.label,
            tag("span", f"{some} process{'es' if container.processes != 1 else ''} · {cpu} · {memory}"),
            colspan=columns,
            scope="rowgroup",
        ),
    )


def _body(
    scene: Scene, view: View, rows: list[tuple[str, Row]], heads: tuple[Head, ...], title: Markup | None = None
) -> Markup:
    return tag("tbody", title, *[_row(scene, view, branch, row, heads) for branch, row in rows])


def _row(scene: Scene, view: View, branch: str, row: Row, heads: tuple[Head, ...]) -> Markup:
    identity = row.identity
    line = tag(
        "td",
        tag("i", branch) if branch else None,
        command(identity.command[:600]),
        class_="c",
        title=identity.command[:1000],
    )
    return tag(
        "tr",
        *[head.cell(scene, view, row) for head in heads],
        line,
        class_="chosen" if identity.pid == view.pid else None,
    )
