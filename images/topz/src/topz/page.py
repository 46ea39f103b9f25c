"""The page that people look at, as one HTML text. Pure: a scene, a view and the recording's history in, markup out.

No inline style and no inline event: the Content-Security-Policy allows one style sheet and one script by their
hashes, and nothing else, so that even a flaw in escaping could run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from topz.markup import Markup, join, tag
from topz.plots import Points
from topz.scene import View

PATH = "/topz"


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page."""

    host: str
    refresh: float
    """Seconds between refreshes; 0 for a page that stays as it is."""


@cache
def _asset(name: str) -> Markup:
    return Markup((Path(__file__).parent / name).read_text("utf-8"))


@cache
def security_policy() -> str:
    """The Content-Security-Policy of every page."""
    style, script = (_hash(_asset(name)) for name in ("page.css", "page.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def document(title: str, frame: Frame, view: View | None, header: Markup, body: Markup, footer: Markup) -> bytes:
    """A whole HTML document."""
    paused = view is not None and view.paused
    reload = f"{max(frame.refresh, 2):.0f}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", _asset("page.css")),
        tag("noscript", tag("meta", http_equiv="refresh", content=reload)) if frame.refresh and not paused else None,
    )
    page = tag(
        "body",
        header,
        tag("main", tag("div", body, id="live")),
        footer,
        tag("script", _asset("page.js")),
        data_refresh=f"{frame.refresh:g}",
        data_paused="1" if paused else None,
    )
    return f"<!doctype html>\n{tag('html', head, page, lang='en')}\n".encode("utf-8", "replace")


def link(view: View, **changes: object) -> str:
    """Where a changed view is found."""
    query = replace(view, **changes).query()  # type: ignore[arg-type]
    return f"{PATH}?{query}" if query else PATH


def header(frame: Frame, view: View) -> Markup:
    """Name, filter and pause."""
    kept = [tag("input", type="hidden", name=name, value=value) for name, value in _pairs(replace(view, words=""))]
    return tag(
        "header",
        tag("h1", tag("a", "topz", href=PATH), tag("span", frame.host, class_="host")),
        tag("span", class_="spring"),
        tag(
            "form",
            *kept,
            tag(
                "input",
                type="search",
                name="q",
                value=view.words,
                placeholder="Filter: nginx  user:www  state:R",
                aria_label="Filter",
                autocomplete="off",
                spellcheck="false",
            ),
            tag("noscript", tag("button", "Filter")),
            method="get",
            action=PATH,
            role="search",
        ),
        tag(
            "a",
            "Resume" if view.paused else "Pause",
            id="pause",
            class_="button",
            role="button",
            href=link(view, paused=not view.paused),
        )
        if not view.at
        else None,
    )


def _pairs(view: View) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    return parse_qsl(view.query())


def footer(lines: list[str]) -> Markup:
    """What limits the view, and the keys."""
    keys = [
        ("P", "CPU"),
        ("M", "memory"),
        ("T", "time"),
        ("N", "PID"),
        ("R", "reverse"),
        ("V", "tree"),
        ("I", "percent of"),
        ("/", "filter"),
        ("space", "pause"),
        ("[ ]", "step in time"),
        ("L", "live"),
    ]
    names = [join(tag("kbd", key), f" {what}  ") for key, what in keys]
    return tag("footer", *[tag("div", line) for line in lines], tag("div", *names, class_="keys"))


@dataclass(frozen=True, slots=True)
class History:
    """The recording, as the page draws it."""

    times: list[float]
    cpu: dict[str, Points]
    memory: dict[str, Points]
    process: list[tuple[float, float, float]]
    """Time, cores and resident bytes of the process that the view selects."""

    def total(self) -> Points:
        """Cores used by all containers together."""
        sums: dict[float, float] = dict.fromkeys(self.times, 0.0)
        for points in self.cpu.values():
            for time, value in points:
                sums[time] = sums.get(time, 0.0) + value
        return sorted(sums.items())


def login(frame: Frame, wrong: bool, onward: str) -> bytes:
    """Asks for the token."""
    body = tag(
        "div",
        tag("h1", "topz", tag("span", frame.host, class_="host")),
        tag(
            "p", "That is not the token." if wrong else "Command lines are shown here, so this page asks for the token."
        ),
        tag(
            "form",
            tag(
                "input",
                type="password",
                name="token",
                aria_label="Token",
                autofocus=True,
                autocomplete="current-password",
            ),
            tag("input", type="hidden", name="onward", value=onward),
            tag("button", "Open"),
            method="post",
            action=f"{PATH}/login",
            data_leave=True,
        ),
        class_="login",
    )
    return document("topz", replace(frame, refresh=0.0), None, Markup(), body, Markup())
