"""The endpoints: what is asked for, found in the newest sample or the recording, and answered in the form that is
asked for."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from podparts.metrics import Registry
from podparts.web import Answer, Endpoint, Request, accepts, text
from topz import access, api, changes, overview, page
from topz import text as plain
from topz.diff import diff
from topz.metrics import REFUSED
from topz.page import PATH, Frame, History
from topz.plots import Points
from topz.scene import Scene, View, arrange, parse_time, parse_view, past, present
from topz.settings import Settings

if TYPE_CHECKING:
    from topz.sampler import Sampler

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
_LONGEST_LOGIN = 4096
_WORTH_IT = 2048

ENDPOINTS = (
    Endpoint("GET", "/", "Leads to the page."),
    Endpoint(
        "GET",
        PATH,
        "The page. `format=text` or `json`; `at=14:02`, `sort`, `order`, `view`, `q`, `pid`, `cpu`, `rows`.",
    ),
    Endpoint("GET", f"{PATH}/diff", "Two moments side by side: `from`, `to`."),
    Endpoint("POST", f"{PATH}/login", "Takes the token from the page's form."),
    Endpoint("GET", "/api/v1/processes", "Processes and containers as JSON; takes what the page takes."),
    Endpoint("GET", "/api/v1/history", "The recording as JSON: of containers, or of one process (`pid`)."),
    Endpoint("GET", "/api/v1/diff", "Two moments as JSON: `from`, `to`."),
)


class Pages:
    """Answers the endpoints."""

    def __init__(self, settings: Settings, sampler: Sampler, metrics: Registry) -> None:
        self._settings = settings
        self._sampler = sampler
        self._metrics = metrics
        self._host = os.uname().nodename

    def endpoints(self) -> list[Endpoint]:
        """The declared endpoints with those who answer them."""
        answers: dict[str, Callable[[Request], Answer]] = {
            "/": lambda request: _redirect(PATH),
            PATH: self._guarded(self.main),
            f"{PATH}/diff": self._guarded(self.changed),
            f"{PATH}/login": self.login,
            "/api/v1/processes": self._guarded(self.processes),
            "/api/v1/history": self._guarded(self.history),
            "/api/v1/diff": self._guarded(self.differences),
        }
        return [replace(endpoint, answer=answers[endpoint.path]) for endpoint in ENDPOINTS]

    # --- who may look ---

    def _guarded(self, answer: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        """Refuses whoever lacks the token, and tells a bad parameter."""

        def guarded(request: Request) -> Answer:
            if not access.allowed(request, self._settings.token):
                self._metrics[REFUSED].inc()
                return self._refusal(request)
            try:
                return _compressed(request, answer(request))
            except ValueError as error:
                return replace_headers(text(str(error), 400))

        return guarded

    def _refusal(self, request: Request) -> Answer:
        challenge = (("WWW-Authenticate", 'Bearer realm="topz"'),)
        if not request.path.startswith(PATH) or not accepts(request, "text/html"):
            return replace_headers(text("expected the token, as Authorization: Bearer", 401, challenge))
        body = page.login(Frame(self._host, 0.0), False, request.target)
        return _html(body, 401, challenge)

    def login(self, request: Request) -> Answer:
        """Exchanges the token for a cookie."""
        form = parse_qs(request.body[:_LONGEST_LOGIN].decode("utf-8", "replace"))
        onward = form.get("onward", [PATH])[0]
        if not self._settings.token.matches(form.get("token", [""])[0]):
            self._metrics[REFUSED].inc()
            return _html(page.login(Frame(self._host, 0.0), True, onward), 401)
        cookie = f"{access.COOKIE}={access.session(self._settings.token)}; Path=/; HttpOnly; SameSite=Strict"
        # Only back to this site: "//evil" and "/\evil" are other hosts to a browser.
        safe = onward if onward == PATH or onward.startswith((f"{PATH}?", f"{PATH}/diff?")) else PATH
        return _redirect("".join(character for character in safe if "!" <= character <= "~"), (("Set-Cookie", cookie),))

    # --- pages ---

    def main(self, request: Request) -> Answer:
        """The page, or its text or JSON."""
        form = request.query.get("format", "html")
        if form == "json":
            return self.processes(request)
        if form not in ("html", "text"):
            raise ValueError(f"format={form[:40]!r}: expected one of html, text, json")
        view = parse_view(request.query)
        scene = self._scene(view, request)
        if form == "text":
            return replace_headers(Answer(body=plain.render(scene, view, self._host).encode("utf-8", "replace")))
        frame = Frame(self._host, self._settings.refresh if scene.live else 0.0)
        body = overview.overview(scene, view, self._history(scene, view), self._settings.keep)
        return _html(
            page.document(
                f"topz · {self._host}", frame, view, page.header(frame, view), body, page.footer(self._footer(scene))
            )
        )

    def changed(self, request: Request) -> Answer:
        """Two moments side by side."""
        before, after = self._two(request)
        body = changes.changes(before, after, diff(before.rows, after.rows))
        frame = Frame(self._host, 0.0)
        return _html(
            page.document("topz · what changed", frame, None, page.header(frame, View(at="-0")), body, page.footer([]))
        )

    def processes(self, request: Request) -> Answer:
        """Processes as JSON."""
        view = parse_view({"rows": "0", **request.query})
        scene = self._scene(view, request)
        rows = arrange(scene, view)
        return _json(api.processes(scene, rows[: view.rows] if view.rows else rows))

    def history(self, request: Request) -> Answer:
        """The recording as JSON."""
        recorder = self._sampler.recorder
        view = parse_view(request.query)
        if view.pid is not None:
            return _json(api.process_history(recorder.process(view.pid), view.pid))
        return _json(api.container_history(recorder.containers(), request.query.get("container", "")))

    def differences(self, request: Request) -> Answer:
        """Two moments as JSON."""
        before, after = self._two(request)
        return _json(api.diff(before, after, diff(before.rows, after.rows)))

    # --- what they show ---

    def _scene(self, view: View, request: Request) -> Scene:
        sample = self._sampler.wanted()
        if not view.at:
            return present(sample)
        return self._moment(parse_time(request.query, "at", sample.time, sample.time))

    def _moment(self, time: float) -> Scene:
        sample = self._sampler.sample
        moment = self._sampler.recorder.at(time)
        return present(sample) if moment is None else past(moment, self._sampler.recorder.rows(moment), sample)

    def _two(self, request: Request) -> tuple[Scene, Scene]:
        """The moments `from` (the oldest one by default) and `to` (now by default), in the order of time."""
        sample = self._sampler.wanted()
        start = parse_time(request.query, "from", sample.time, 0.0)
        end = request.query.get("to", "now")
        after = (
            present(sample) if end in ("now", "") else self._moment(parse_time(request.query, "to", sample.time, 0.0))
        )
        before = self._moment(start)
        return (before, after) if before.time <= after.time else (after, before)

    def _history(self, scene: Scene, view: View) -> History:
        """The recording, ending in what is shown if that is the present."""
        recorder = self._sampler.recorder
        moments = list(recorder.containers())
        chosen = (
            []
            if view.pid is None
            else [(at, row.cpu, float(row.resident_bytes)) for at, row in recorder.process(view.pid)]
        )
        if scene.live and (not moments or moments[-1][0] < scene.time):
            moments.append((scene.time, scene.containers))
            chosen += [
                (scene.time, row.cpu, float(row.resident_bytes)) for row in scene.rows if row.identity.pid == view.pid
            ]
        cpu: dict[str, Points] = {}
        memory: dict[str, Points] = {}
        for time, containers in moments:
            for key, one in containers.items():
                cpu.setdefault(key, []).append((time, one.cpu))
                memory.setdefault(key, []).append((time, float(one.memory_bytes)))
        return History(recorder.times(), cpu, memory, chosen)

    def _footer(self, scene: Scene) -> list[str]:
        sampler = self._sampler
        lines = [
            f"Reading {len(sampler.sample.processes)} processes took {sampler.cost * 1000:.1f} ms of CPU; "
            f"{len(sampler.recorder)} moments are recorded in {sampler.recorder.bytes / (1 << 20):.1f} MiB. "
            "Read-only: nothing here can end or change a process."
        ]
        if scene.unreadable:
            what = ", ".join(f"{name} of {count} processes" for name, count in scene.unreadable.items())
            lines.append(
                f"Not permitted to read: {what}. It takes the application's user, or the capability SYS_PTRACE."
            )
        return lines


def replace_headers(answer: Answer) -> Answer:
    """The answer with the headers that every answer has."""
    answer.headers = (*answer.headers, *_HEADERS)
    return answer


def _compressed(request: Request, answer: Answer) -> Answer:
    """The answer in gzip where the client takes it: a page of 200 rows shrinks to a tenth in about a millisecond."""
    if len(answer.body) > _WORTH_IT and "gzip" in request.headers.get("accept-encoding", ""):
        packer = zlib.compressobj(1, wbits=31)
        answer.body = packer.compress(answer.body) + packer.flush()
        answer.headers = (*answer.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return answer


def _html(body: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return replace_headers(
        Answer(
            status, body, "text/html; charset=utf-8", (*headers, ("Content-Security-Policy", page.security_policy()))
        )
    )


def _json(value: dict[str, Any]) -> Answer:
    return replace_headers(
        Answer(
            body=json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n",
            content_type="application/json",
        )
    )


def _redirect(place: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return replace_headers(Answer(303, headers=(("Location", place), *headers)))
