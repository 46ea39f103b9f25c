"""Logs: one event per line on standard output, as JSON or as text for people.

    log.info("certificate reloaded", path=path, expires=expires)

An event is a lower-case phrase that stays the same; what differs goes into fields. Logging never raises and never
waits for a reader that has gone; lines are bounded and hold no line breaks. A secret is a `Secret`, which prints as a
mask; nothing else is known here about what a field means.
"""

import os
import time
from collections.abc import Callable
from typing import Any, Final

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LONGEST_LINE: Final = 8000
"""Characters; what is longer is cut field by field. Container runtimes split lines at 16 KiB."""

_LONGEST_FIELD = 2000
_LONGEST_CRASH = 6000
_MOST_GATES = 1000
_STDOUT = 1

Write = Callable[[bytes], None]


def to_stdout(line: bytes) -> None:
    """Writes a line unbuffered. A closed or full standard output loses the line: serving goes before telling."""
    while line:
        try:
            line = line[os.write(_STDOUT, line) :]
        except OSError:
            return


class Log:
    """Writes events of one part. Fields given to `bind` are on each line of the log that it returns."""

    def __init__(
        self, part: str, level: str = "info", format: str = "json", write: Write = to_stdout, **fields: object
    ) -> None:
        self.part = part
        self.format = format
        self._least = LEVELS[level]
        self._write = write
        self._fields = fields
        self._render = render_json() if format == "json" else render_text
        self._gates: dict[str, tuple[float, int]] = {}
        self.counts = dict.fromkeys(LEVELS, 0)

    def bind(self, **fields: object) -> "Log":
        """The same log, with these fields on each line."""
        bound = object.__new__(Log)
        bound.__dict__.update(self.__dict__)
        bound._fields = {**self._fields, **fields}
        return bound

    def debug(self, event: str, /, **fields: object) -> None:
        self._event("debug", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._event("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._event("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._event("error", event, fields)

    def crash(self, event: str, error: BaseException, /, **fields: object) -> None:
        """An error with its traceback, as one line."""
        from traceback import format_exception

        trace = "".join(format_exception(error))
        self._event("error", event, {**fields, "error": describe(error), "traceback": trace[-_LONGEST_CRASH:]})

    def limited(self, key: str, per: float = 10.0) -> "Log":
        """A log for what may repeat: one line per `per` seconds and key, with the number of those left out."""
        now = time.monotonic()
        last, left_out = self._gates.get(key, (-per, 0))
        if now - last < per:
            self._gates[key] = (last, left_out + 1)
            return _SILENT
        if len(self._gates) >= _MOST_GATES:
            del self._gates[next(iter(self._gates))]
        self._gates[key] = (now, 0)
        return self.bind(left_out=left_out) if left_out else self

    def _event(self, level: str, event: str, fields: dict[str, object]) -> None:
        self.counts[level] += 1
        if LEVELS[level] < self._least:
            return
        if self._fields:
            fields = {**self._fields, **fields}
        line = self._render(timestamp(time.time()), level, self.part, event, fields)
        self._write(line.encode("utf-8", "backslashreplace") + b"\n")


def describe(error: BaseException) -> str:
    """The kind of an error and what it says, on one line."""
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"


Render = Callable[[str, str, str, str, dict[str, object]], str]


def render_json() -> Render:
    """Renders {"ts", "level", "part", "event", …fields}. A field that bears one of those names gets a `_` behind it."""
    from json import JSONEncoder  # a millisecond, which LOG_FORMAT=text need not pay

    encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def render(ts: str, level: str, part: str, event: str, fields: dict[str, object]) -> str:
        line: dict[str, Any] = {"ts": ts, "level": level, "part": part, "event": event}
        for name, value in fields.items():
            line[f"{name}_" if name in _OWN_FIELDS else name] = _plain(value)
        text = encode(line)
        if len(text) > LONGEST_LINE:
            text = encode({"ts": ts, "level": level, "part": part, "event": event[:200], "cut": text[:1000]})
        return text

    return render


_OWN_FIELDS = frozenset(("ts", "level", "part", "event"))


def render_text(ts: str, level: str, part: str, event: str, fields: dict[str, object]) -> str:
    """Renders `2026-11-21T00:20:00.000Z INFO certificate reloaded path=/tls/tls.crt`."""
    pairs = "".join(f" {name}={_quoted(str(_plain(value)))}" for name, value in fields.items())
    return f"{ts} {level.upper()} {_one_line(event)}{pairs}"[:LONGEST_LINE]


def _plain(value: object) -> Any:
    """A value that JSON has; everything else by its text, cut where it is long."""
    if value is None or isinstance(value, bool) or type(value) is int:
        return value
    if isinstance(value, float):
        return round(float(value), 6) if value - value == 0 else str(value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return [_plain(item) for item in value[:100]]
    text = describe(value) if isinstance(value, BaseException) else _decoded(value)
    limit = _LONGEST_CRASH if text.startswith("Traceback") else _LONGEST_FIELD
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _decoded(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _quoted(text: str) -> str:
    if text and text.isprintable() and not any(mark in text for mark in ' "='):
        return text
    return '"' + _one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _one_line(text: str) -> str:
    """Control characters, which could forge a line or steer a terminal, become escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


_SILENT: Final = Log("", "error", "text", write=lambda line: None)
