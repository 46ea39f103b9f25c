"""Numbers as people read them, the same on the page and in the text. Pure; times are UTC."""

from __future__ import annotations

import calendar
import re
import time as clock

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
UNKNOWN = "\N{EN DASH}"


def size(count: float | None) -> str:
    """Bytes with three significant digits: "312 MiB"."""
    if count is None:
        return UNKNOWN
    step = 0
    while abs(count) >= 999.5 and step < len(_SIZES) - 1:
        count /= 1024
        step += 1
    digits = 0 if step == 0 or abs(count) >= 99.95 else 1
    return f"{count:.{digits}f} {_SIZES[step]}"


def rate(count: float | None) -> str:
    """Bytes a second; nothing for zero, so that the eye finds what moves."""
    return UNKNOWN if count is None else "" if count < 0.5 else f"{size(count)}/s"


def percent(value: float | None) -> str:
    """A percentage with one digit below 100."""
    return UNKNOWN if value is None else f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def cores(value: float) -> str:
    """Cores with two digits."""
    return f"{value:.2f}"


def cpu_time(seconds: float) -> str:
    """CPU time as top writes it: minutes:seconds.hundredths, hours once there are ten."""
    minutes, rest = divmod(seconds, 60)
    if minutes >= 600:
        hours, minutes = divmod(int(minutes), 60)
        return f"{hours}h{minutes:02d}"
    return f"{int(minutes)}:{rest:05.2f}"


def age(seconds: float) -> str:
    """A span in its two largest units: "3d 4h", "12m 5s"."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def time_of_day(time: float) -> str:
    """Unix time as HH:MM:SS."""
    return clock.strftime("%H:%M:%S", clock.gmtime(time))


def date_time(time: float) -> str:
    """Unix time as an ISO 8601 text in UTC."""
    return clock.strftime("%Y-%m-%dT%H:%M:%SZ", clock.gmtime(time))


_RELATIVE = re.compile(r"-(\d{1,9}(?:\.\d{1,6})?)(s|m|h)?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?Z?", re.ASCII)
_UNIX = re.compile(r"\d{9,10}(?:\.\d{1,6})?", re.ASCII)


def moment(text: str, now: float) -> float:
    """A time that somebody asks for, in Unix seconds: "14:02" or "14:02:30" (the last such time), "-5m", a date or
    Unix time.

    Raises ValueError that says what was expected.
    """
    text = text.strip()
    if found := _RELATIVE.fullmatch(text):
        return now - float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]
    if _UNIX.fullmatch(text):
        return float(text)
    if found := _CLOCK.fullmatch(text):
        hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
        if hour < 24 and minute < 60 and second < 60:
            midnight = now - now % 86400
            wanted = midnight + hour * 3600 + minute * 60 + second
            return wanted if wanted <= now else wanted - 86400
    if found := _DATE.fullmatch(text):
        parts = [int(part or 0) for part in found.groups()]
        if 1 <= parts[1] <= 12 and 1 <= parts[2] <= 31 and parts[3] < 24 and parts[4] < 60 and parts[5] < 60:
            return float(calendar.timegm((parts[0], parts[1], parts[2], parts[3], parts[4], parts[5])))
    raise ValueError("expected a time such as 14:02, 14:02:30, -5m, 2026-01-31T14:02:00Z or Unix seconds (UTC)")
