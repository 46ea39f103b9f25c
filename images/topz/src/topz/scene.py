"""What is shown: the present, or a moment of the recording, in one form. Pure.

A view is what the reader asked for in the query; `arrange` applies it. Links are made from views, so that everything
on the page works without JavaScript and can be sent to a colleague.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlencode

from topz.recorder import Moment, Row
from topz.sample import Container, Process, Sample, Sharing
from topz.snapshot import Machine
from topz.units import moment as parse_moment

LAYOUTS = ("groups", "flat", "tree")
PERCENTS = {"core": "of one core", "machine": "of the machine", "limit": "of the container's limit"}
MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Scene:
    """Rows and containers at one time."""

    time: float
    live: bool
    rows: list[Row]
    containers: dict[str, Container]
    machine: Machine
    processes: dict[int, Process]
    """More about each process by PID; empty for the past."""
    sharing: Sharing
    notes: tuple[str, ...]
    unreadable: dict[str, int]

    def container(self, row: Row) -> Container | None:
        """The container of a row."""
        return self.containers.get(row.identity.container)

    def label(self, row: Row) -> str:
        """The name of a row's container."""
        container = self.container(row)
        return container.about.label if container is not None else row.identity.container

    def memory_percent(self, row: Row) -> float:
        """Resident memory in percent of the container's limit, or of the machine's memory without one."""
        container = self.container(row)
        return row.resident_bytes / ((container and container.memory_limit) or self.machine.memory_bytes) * 100

    def cpu_percent(self, row: Row, of: str) -> float:
        """CPU in percent of a core, of the machine, or of the container's limit (of the machine without one)."""
        if of == "core":
            return row.cpu * 100
        container = self.container(row)
        limit = container.cpu_limit if container is not None and of == "limit" else None
        return row.cpu / (limit or self.machine.processors) * 100


def row_of(process: Process) -> Row:
    """A live process in the form that the recorder gives back."""
    reading = process.reading
    return Row(
        process.identity,
        reading.parent,
        reading.state,
        reading.threads,
        reading.open_files,
        process.cpu,
        reading.cpu_seconds,
        reading.resident_bytes,
        process.read_rate,
        process.write_rate,
    )


def present(sample: Sample) -> Scene:
    """The newest sample."""
    return Scene(
        time=sample.time,
        live=True,
        rows=[row_of(process) for process in sample.processes],
        containers=sample.containers,
        machine=sample.machine,
        processes={process.identity.pid: process for process in sample.processes},
        sharing=sample.sharing,
        notes=sample.notes,
        unreadable=sample.unreadable,
    )


def past(moment: Moment, rows: list[Row], sample: Sample) -> Scene:
    """A recorded moment; what the recorder does not keep (who shares the namespace) is as it is now."""
    return Scene(moment.time, False, rows, moment.containers, moment.machine, {}, sample.sharing, sample.notes, {})


class Column(NamedTuple):
    """Something to sort by."""

    key: Callable[[Scene, Row], float | str]
    descending: bool


def _number(value: float | None) -> float:
    return -1.0 if value is None else value


COLUMNS: dict[str, Column] = {
    "pid": Column(lambda _, row: row.identity.pid, False),
    "user": Column(lambda _, row: row.identity.user, False),
    "state": Column(lambda _, row: "RDSTtZXI".find(row.state) % 9, False),
    "threads": Column(lambda _, row: row.threads, True),
    "files": Column(lambda _, row: _number(row.open_files), True),
    "cpu": Column(lambda _, row: row.cpu, True),
    "rss": Column(lambda _, row: row.resident_bytes, True),
    "mem": Column(lambda scene, row: scene.memory_percent(row), True),
    "read": Column(lambda _, row: _number(row.read_rate), True),
    "write": Column(lambda _, row: _number(row.write_rate), True),
    "time": Column(lambda _, row: row.cpu_seconds, True),
    "start": Column(lambda _, row: row.identity.start, True),
    "container": Column(lambda scene, row: scene.label(row), False),
    "command": Column(lambda _, row: row.identity.command.lower(), False),
}


@dataclass(frozen=True, slots=True)
class View:
    """What the reader asked for."""

    sort: str = "cpu"
    descending: bool = True
    layout: str = "groups"
    words: str = ""
    at: str = ""
    pid: int | None = None
    percent: str = "core"
    rows: int = 200
    paused: bool = False

    def query(self) -> str:
        """The query string that asks for this view; what is as by default is left out."""
        natural = COLUMNS[self.sort].descending
        pairs = {
            "sort": self.sort if self.sort != "cpu" else "",
            "order": "" if self.descending == natural else "desc" if self.descending else "asc",
            "view": self.layout if self.layout != "groups" else "",
            "q": self.words,
            "at": self.at,
            "pid": "" if self.pid is None else str(self.pid),
            "cpu": self.percent if self.percent != "core" else "",
            "rows": str(self.rows) if self.rows != 200 else "",
            "pause": "1" if self.paused else "",
        }
        return urlencode({key: value for key, value in pairs.items() if value})

    def sorted_by(self, column: str) -> View:
        """This view sorted by the column; the other way round when it already is."""
        if column == self.sort:
            return replace(self, descending=not self.descending)
        return replace(self, sort=column, descending=COLUMNS[column].descending)


def parse_view(query: dict[str, str]) -> View:
    """The view that a query asks for. Raises ValueError naming the parameter, the value and what was expected."""
    sort = _choice(query, "sort", "cpu", COLUMNS)
    natural = "desc" if COLUMNS[sort].descending else "asc"
    pid = query.get("pid", "")
    return View(
        sort=sort,
        descending=_choice(query, "order", natural, ("asc", "desc")) == "desc",
        layout=_choice(query, "view", "groups", LAYOUTS),
        words=query.get("q", "")[:200],
        at=query.get("at", "")[:40],
        pid=_count(query, "pid", 0, 1 << 22) if pid else None,
        percent=_choice(query, "cpu", "core", PERCENTS),
        rows=_count(query, "rows", 200, MAX_ROWS),
        paused=query.get("pause", "") == "1",
    )


def parse_time(query: dict[str, str], name: str, now: float, default: float) -> float:
    """A time in a query. Raises ValueError naming the parameter, the value and what was expected."""
    text = query.get(name, "")[:40]
    if not text:
        return default
    try:
        return parse_moment(text, now)
    except ValueError as error:
        raise ValueError(f"{name}={text!r}: {error}") from None


def _choice(query: dict[str, str], name: str, default: str, choices: Iterable[str]) -> str:
    value = query.get(name) or default
    if value not in choices:
        raise ValueError(f"{name}={value[:40]!r}: expected one of {', '.join(choices)}")
    return value


def _count(query: dict[str, str], name: str, default: int, most: int) -> int:
    value = query.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and len(value) < 9 and 0 <= int(value) <= most):
        raise ValueError(f"{name}={value[:40]!r}: expected a number from 0 to {most}")
    return int(value)


_FIELDS: dict[str, Callable[[Scene, Row], str]] = {
    "pid": lambda _, row: str(row.identity.pid),
    "user": lambda _, row: row.identity.user,
    "state": lambda _, row: row.state,
    "name": lambda _, row: row.identity.name,
    "container": lambda scene, row: scene.label(row),
}


def matches(scene: Scene, row: Row, words: str) -> bool:
    """Whether every word is found: in the command, name, user, container or PID, or in the one field of
    "user:www"."""
    return all(_matches(scene, row, word) for word in words.lower().split())


def _matches(scene: Scene, row: Row, word: str) -> bool:
    field, colon, value = word.partition(":")
    if colon and field in _FIELDS:
        found = _FIELDS[field](scene, row).lower()
        return found == value if field in ("pid", "state") else value in found
    identity = row.identity
    text = f"{identity.pid} {identity.user} {identity.name} {identity.command} {scene.label(row)}"
    return word in text.lower()


def arrange(scene: Scene, view: View) -> list[Row]:
    """The rows that match, sorted; PIDs break ties so that rows do not jump."""
    rows = sorted((row for row in scene.rows if matches(scene, row, view.words)), key=lambda row: row.identity.pid)
    key = COLUMNS[view.sort].key
    rows.sort(key=lambda row: key(scene, row), reverse=view.descending)
    return rows


# Characters of indentation; what is deeper is drawn at this depth, or a chain of forks would fill the page with
# spaces.
_DEEPEST = 72


def tree(rows: list[Row]) -> list[tuple[str, Row]]:
    """The rows as a forest, each with the branch to draw before it; siblings keep their order. Orphans are roots."""
    present_ = {row.identity.pid for row in rows}
    children: dict[int, list[Row]] = {}
    for row in rows:
        parent = row.parent if row.parent in present_ and row.parent != row.identity.pid else 0
        children.setdefault(parent, []).append(row)
    # An own stack: a process may fork a chain deeper than Python's recursion goes.
    stack = [("", "", row) for row in reversed(children.get(0, []))]
    forest: list[tuple[str, Row]] = []
    seen: set[int] = set()
    while stack:
        branch, below, row = stack.pop()
        if row.identity.pid in seen:
            continue
        seen.add(row.identity.pid)
        forest.append((branch, row))
        offspring = children.get(row.identity.pid, [])
        for position, child in reversed(list(enumerate(offspring))):
            last = position == len(offspring) - 1
            stack.append((below + ("└─ " if last else "├─ "), (below + ("   " if last else "│  "))[:_DEEPEST], child))
    # A PID reused between two reads can make a circle that no root leads to.
    return forest + [("", row) for row in rows if row.identity.pid not in seen]
