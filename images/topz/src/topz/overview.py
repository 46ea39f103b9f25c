"""The main page's parts from top to bottom: facts, banner, containers, time travel, a chosen process, the table.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from topz import units
from topz.markup import Markup, join, tag
from topz.page import History, link
from topz.plots import NARROW, area, bar
from topz.proc import STATES
from topz.recorder import Row
from topz.sample import Container
from topz.scene import PERCENTS, Scene, View
from topz.table import table


def overview(scene: Scene, view: View, history: History, keep: float) -> Markup:
    """All below the header."""
    chosen = next((row for row in scene.rows if row.identity.pid == view.pid), None) if view.pid is not None else None
    return join(
        facts(scene, view),
        banner(scene),
        detail(scene, view, history, chosen) if view.pid is not None else None,
        containers(scene, view, history),
        travel(scene, view, history, keep),
        tools(scene, view),
        table(scene, view),
    )


def facts(scene: Scene, view: View) -> Markup:
    """The machine in one line."""
    used = sum(row.cpu for row in scene.rows)
    running = sum(row.state == "R" for row in scene.rows)
    machine = scene.machine
    state, text = ("past", "recorded") if not scene.live else ("paused", "paused") if view.paused else ("live", "live")
    items: list[Markup] = [
        tag("span", tag("span", class_="dot"), tag("span", text), class_=f"status {state}"),
        tag("span", tag("b", units.time_of_day(scene.time)), " UTC"),
        tag("span", tag("b", str(len(scene.rows))), f" processes, {running} running"),
        tag("span", tag("b", units.cores(used)), f" of {machine.processors} cores"),
        tag(
            "span",
            tag("b", units.size(machine.memory_bytes - machine.memory_available)),
            f" of {units.size(machine.memory_bytes)} memory",
        ),
        tag("span", "load ", tag("b", " ".join(f"{load:.2f}" for load in machine.load))),
    ]
    items += [
        _pressure(f"{resource} pressure", pressure.some)
        for resource, pressure in machine.pressure.items()
        if pressure.some >= _NOTABLE
    ]
    return tag("div", *items, class_="facts", role="status")


def _pressure(name: str, share: float) -> Markup:
    return tag(
        "span",
        f"{name} ",
        tag("b", f"{share * 100:.0f}%"),
        class_="high" if share >= 0.4 else "warm" if share >= 0.1 else None,
    )


def banner(scene: Scene) -> Markup | None:
    """Says when only topz itself is seen, how that is known and what to do."""
    if scene.sharing.shared and not scene.notes:
        return None
    lines: list[Markup] = []
    if not scene.sharing.shared:
        lines += [
            tag(
                "p",
                tag("b", "The PID namespace is not shared: "),
                "only topz's own container is seen. ",
                scene.sharing.reason,
            ),
            tag(
                "p",
                "In a pod set ",
                tag("code", "shareProcessNamespace: true"),
                "; with docker use ",
                tag("code", "--pid=container:NAME"),
                "; in compose ",
                tag("code", 'pid: "service:NAME"'),
                ".",
            ),
        ]
    lines += [tag("p", note) for note in scene.notes]
    return tag("div", *lines, class_="banner", role="alert")


def containers(scene: Scene, view: View, history: History) -> Markup:
    """A card for each container, the busiest first, topz itself last."""
    order = sorted(scene.containers.values(), key=lambda one: (one.about.own, -one.resident_bytes))
    return tag(
        "section", *[card(scene, view, one, history) for one in order[:60]], class_="cards", aria_label="Containers"
    )


def card(scene: Scene, view: View, one: Container, history: History) -> Markup:
    """One container: what it uses of what it may use, and the last minutes."""
    about = one.about
    word = f"container:{about.label.split()[-1].lower()}" if about.label.split() else ""
    return tag(
        "article",
        tag("h2", tag("a", about.label, href=link(view, words=word if view.words != word else ""))),
        tag("div", " · ".join(_particulars(one)), class_="sub"),
        tag(
            "div",
            _gauge("CPU", "cpu", one.cpu_share(scene.machine), units.cores(one.cpu), _cpu_limit(one)),
            _gauge("Mem", "mem", one.memory_share(scene.machine), *_memory(one)),
            _plot(history.cpu.get(about.key, []), "cpu", "CPU", units.cores, 0.05),
            _plot(history.memory.get(about.key, []), "mem", "Memory", units.size),
            class_="pair",
        ),
        _pressures(one),
        class_="card",
        title=f"Recognised by: {about.evidence}. Limits: {about.limits_from}.",
    )


def _particulars(one: Container) -> list[str]:
    about = one.about
    short = about.container_id[:12]
    found = [
        about.runtime,
        "" if short in about.label else short,
        f"{one.processes} process{'es' if one.processes != 1 else ''}",
        f"{one.threads} thread{'s' if one.threads != 1 else ''}",
        "topz itself" if about.own else "",
    ]
    return [text for text in found if text]


def _cpu_limit(one: Container) -> str:
    return f"of {one.cpu_limit:.2g} core{'s' if one.cpu_limit != 1 else ''}" if one.cpu_limit else "cores"


def _memory(one: Container) -> tuple[str, str]:
    """The figure and what it is of; a unit that both have is said once."""
    figure = units.size(one.memory_bytes)
    if not one.memory_limit:
        return figure, "" if one.whole else "resident"
    limit = units.size(one.memory_limit).replace(".0 ", " ")
    return figure.removesuffix(limit[limit.index(" ") :]), f"of {limit}"


def _gauge(name: str, kind: str, share: float, figure: str, of: str) -> Markup:
    return tag(
        "div",
        tag("span", tag("span", f"{name} "), tag("b", figure), tag("span", f" {of}")),
        tag("span", f"{share * 100:.0f}%", class_="share"),
        bar(share, kind),
        class_="gauge",
    )


# Above the highest point, for the caption.
_HEADROOM = 1.5


def _plot(
    points: list[tuple[float, float]], kind: str, name: str, unit: Callable[[float], str], least: float = 0.0
) -> Markup:
    """A plot whose scale ends above its peak, or at `least`, so that noise stays small."""
    top = max((value for _, value in points), default=0.0)
    return tag(
        "figure",
        area(points, max(top, least) * _HEADROOM, kind, f"{name}, peak {unit(top)}", most=NARROW),
        tag("figcaption", f"{name} peak {unit(top)}"),
    )


# Below a hundredth there is nothing to tell.
_NOTABLE = 0.01


def _pressures(one: Container) -> Markup | None:
    """What holds the container back, if anything does."""
    shares = {f"{resource} pressure": pressure.some for resource, pressure in one.pressure.items()}
    if one.throttled is not None:
        shares["throttled"] = one.throttled
    items = [_pressure(name, share) for name, share in shares.items() if share >= _NOTABLE]
    if one.oom_kills:
        items.append(tag("span", "OOM kills ", tag("b", str(one.oom_kills)), class_="high"))
    return tag("div", *items, class_="pressures") if items else None


def travel(scene: Scene, view: View, history: History, keep: float) -> Markup | None:
    """The slider over the recording."""
    if len(history.times) < 2:
        return None
    return tag(
        "form",
        _track(scene, history, keep),
        _moves(scene, view, history.times),
        method="get",
        action="/topz",
        class_="travel",
    )


def _track(scene: Scene, history: History, keep: float) -> Markup:
    """The recording as a plot, and the slider below it."""
    # Up to the present if that is shown, which is later than the last recorded moment.
    first, last = int(history.times[0]), int(max(history.times[-1], scene.time)) + 1
    total = history.total()
    highest = max(max((value for _, value in total), default=0.0) * 1.1, 0.05)
    return tag(
        "div",
        area(total, highest, "cpu", "CPU of all containers over the recording", (first, last)),
        tag(
            "input",
            type="range",
            name="at",
            id="at",
            min=first,
            max=last,
            step=1,
            value=last if scene.live else int(scene.time),
            aria_label="Time to look at",
        ),
        tag(
            "div",
            tag("span", units.time_of_day(first)),
            tag("span", f"{units.age(last - first)} recorded, of {units.age(keep)} kept"),
            tag("span", units.time_of_day(last)),
            class_="ends",
        ),
        class_="track",
    )


def _moves(scene: Scene, view: View, times: Sequence[float]) -> Markup:
    """The moment that is shown, and the links to others."""
    before = max((time for time in times if time < scene.time - 0.5), default=None)
    after = min((time for time in times if time > scene.time + 0.5), default=None) if not scene.live else None
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in _kept(view)]
    since = _written(times[0] if scene.live else scene.time)
    return tag(
        "div",
        *hidden,
        tag("output", units.time_of_day(scene.time)),
        tag("noscript", tag("button", "Look")),
        _step(view, before, "earlier", "Earlier", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"),
        _step(view, after, "later", "Later", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"),
        None if scene.live else tag("a", "Live", id="now", class_="button", href=link(view, at="", paused=False)),
        tag(
            "a",
            "What changed" if scene.live else "Compare with now",
            class_="button",
            data_leave=True,
            href=f"/topz/diff?from={since}&to=now",
        ),
        class_="moves",
    )


def _step(view: View, moment: float | None, name: str, title: str, sign: str) -> Markup | None:
    """The link to a neighbouring moment, if there is one."""
    if moment is None:
        return None
    return tag("a", sign, id=name, class_="button", title=title, href=link(view, at=_written(moment)))


def _written(time: float) -> str:
    """A moment's time for a link: never before the moment itself."""
    return f"{time + 0.005:.2f}"


def _kept(view: View) -> list[tuple[str, str]]:
    from dataclasses import replace
    from urllib.parse import parse_qsl

    return parse_qsl(replace(view, at="").query())


def detail(scene: Scene, view: View, history: History, row: Row | None) -> Markup:
    """The chosen process, its history and its whole command line."""
    close = tag("a", "close", id="close", href=link(view, pid=None))
    if row is None:
        return tag(
            "section",
            tag("h2", f"Process {view.pid} ", close),
            tag("p", f"is not there at {units.time_of_day(scene.time)} UTC."),
            class_="detail",
        )
    identity = row.identity
    cpu = [(time, value) for time, value, _ in history.process]
    memory = [(time, value) for time, _, value in history.process]
    return tag(
        "section",
        tag("h2", f"{identity.name} ", tag("span", f"PID {identity.pid}", class_="quiet"), close),
        tag("pre", identity.command),
        tag("dl", *[tag("div", tag("dt", name), tag("dd", value)) for name, value in _details(scene, view, row)]),
        tag(
            "div",
            _plot(cpu, "cpu", "CPU", units.cores, 0.05),
            _plot(memory, "mem", "Resident memory", units.size),
            class_="pair",
        ),
        class_="detail",
    )


def _details(scene: Scene, view: View, row: Row) -> list[tuple[str, str | Markup]]:
    identity = row.identity
    found: list[tuple[str, str | Markup]] = [
        ("Container", scene.label(row)),
        ("User", identity.user),
        ("State", STATES.get(row.state, row.state)),
        (
            "Parent",
            tag("a", str(row.parent), href=link(view, pid=row.parent))
            if row.parent
            else "0, outside of this namespace",
        ),
        ("Started", f"{units.date_time(identity.start)}, {units.age(scene.time - identity.start)} ago"),
        ("CPU time", units.cpu_time(row.cpu_seconds)),
        ("Resident", f"{units.size(row.resident_bytes)}, {units.percent(scene.memory_percent(row))}%"),
        ("Threads", str(row.threads)),
        ("Open files", units.UNKNOWN if row.open_files is None else str(row.open_files)),
    ]
    process = scene.processes.get(identity.pid)
    if process is not None:
        reading = process.reading
        found += [
            ("Virtual", units.size(reading.virtual_bytes)),
            ("Shared", units.size(reading.shared_bytes)),
            ("Nice", str(reading.nice)),
            ("Last on core", str(reading.processor)),
            ("Page faults", f"{reading.minor_faults} minor, {reading.major_faults} major"),
            (
                "Read / written",
                "not permitted"
                if reading.io is None
                else f"{units.size(reading.io.read_bytes)} / {units.size(reading.io.write_bytes)}",
            ),
        ]
        if reading.open_files_limit:
            found.append(("Open files limit", str(reading.open_files_limit)))
    if identity.innermost_pid != identity.pid:
        found.append(("PID inside", str(identity.innermost_pid)))
    return found


def tools(scene: Scene, view: View) -> Markup:
    """Layout, what CPU percentages are of, and how many rows."""
    layouts = [
        tag(
            "a",
            name,
            href=link(view, layout=layout),
            data_layout=layout,
            aria_current="true" if layout == view.layout else None,
        )
        for layout, name in (("groups", "By container"), ("flat", "Flat"), ("tree", "Tree"))
    ]
    percents = [
        tag(
            "a",
            name,
            href=link(view, percent=percent),
            aria_current="true" if percent == view.percent else None,
            title=f"CPU in percent {PERCENTS[percent]}",
        )
        for percent, name in (("core", "one core"), ("machine", "machine"), ("limit", "limit"))
    ]
    return tag(
        "div",
        tag("span", *layouts, class_="choice"),
        tag("span", "CPU % of ", tag("span", *percents, class_="choice", id="percent")),
        tag(
            "span",
            tag("a", "text", href="/topz?format=text", data_leave=True),
            "  ",
            tag("a", "JSON", href="/api/v1/processes", data_leave=True),
        ),
        class_="tools",
    )
