"""What the files below /proc/PID say, as text in and values out.

Pure: it opens nothing. Everything in these files that a process chooses for itself (its name, its arguments) may hold
any byte, so `printable` is the only way from those bytes to text. Formats: proc(5) and the kernel's
Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Control characters, and those that reorder the text after them (CVE-2021-42574), would let a process rewrite the
# reader's terminal or page by its name alone.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]")

# include/linux/sched.h: set in the flags of a thread of the kernel itself.
PF_KTHREAD = 0x00200000

STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for I/O",
    "Z": "zombie",
    "T": "stopped",
    "t": "traced",
    "X": "dead",
    "I": "idle",
}


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that topz uses. CPU times and the start time are in clock ticks."""

    comm: str
    state: str
    ppid: int
    minor_faults: int
    major_faults: int
    user_ticks: int
    system_ticks: int
    nice: int
    threads: int
    start_ticks: int
    virtual_bytes: int
    processor: int
    kernel_thread: bool


class Io(NamedTuple):
    """Bytes that a process caused to be read from and written to storage, since it started."""

    read_bytes: int
    write_bytes: int


class Status(NamedTuple):
    """The rarely changing fields of /proc/PID/status that `stat` lacks."""

    uid: int
    innermost_pid: int


def printable(raw: bytes) -> str:
    """The text of raw: bytes that are not UTF-8 and characters that steer a terminal appear as escapes."""
    text = raw.decode("utf-8", "backslashreplace")
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def parse_stat(raw: bytes) -> Stat:
    """The fields of /proc/PID/stat. The name may itself hold spaces, parentheses and newlines, so its end is the last
    ')'.

    Raises ValueError when the text is not that of a stat file.
    """
    start, end = raw.find(b"("), raw.rfind(b")")
    fields = raw[end + 2 :].split(None, 37)  # the rest is not needed
    if start < 0 or end < start or len(fields) < 37:
        raise ValueError(f"expected the fields of /proc/PID/stat, got {raw[:80]!r}")
    return Stat(
        printable(raw[start + 1 : end]),
        fields[0].decode("latin-1"),
        int(fields[1]),
        int(fields[7]),
        int(fields[9]),
        int(fields[11]),
        int(fields[12]),
        int(fields[16]),
        int(fields[17]),
        int(fields[19]),
        int(fields[20]),
        int(fields[36]),
        bool(int(fields[6]) & PF_KTHREAD),
    )


def parse_statm(raw: bytes) -> tuple[int, int]:
    """Resident pages, and those of them that are backed by files or shared, from /proc/PID/statm. Raises ValueError.

    Since Linux 6.2 the resident pages in `stat` are a per-CPU estimate, which is 0 for many young processes.
    """
    _, resident, shared, _ = raw.split(None, 3)
    return int(resident), int(shared)


_IO = re.compile(rb"^read_bytes: (\d+)\nwrite_bytes: (\d+)", re.MULTILINE)


def parse_io(raw: bytes) -> Io:
    """The storage counters of /proc/PID/io. Raises ValueError when they are not there."""
    found = _IO.search(raw)
    if found is None:
        raise ValueError(f"expected the lines of /proc/PID/io, got {raw[:80]!r}")
    return Io(int(found[1]), int(found[2]))


_UID = re.compile(rb"^Uid:\t(\d+)", re.MULTILINE)
_INNERMOST = re.compile(rb"^(?:NSpid|Pid):.*?(\d+)$", re.MULTILINE)


def parse_status(raw: bytes) -> Status:
    """Real user, and the PID in the process's own namespace. Raises ValueError when they are not there.

    The kernel escapes newlines in the name, which comes first, so a line is a field.
    """
    uid, pids = _UID.search(raw), _INNERMOST.findall(raw)
    if uid is None or not pids:
        raise ValueError(f"expected the fields of /proc/PID/status, got {raw[:80]!r}")
    return Status(int(uid[1]), int(pids[-1]))


def parse_arguments(raw: bytes) -> list[str]:
    """The arguments in /proc/PID/cmdline. Programs that set their own title leave one string padded with NULs."""
    return [printable(argument) for argument in raw.rstrip(b"\0").split(b"\0")] if raw.strip(b"\0") else []


def parse_open_files_limit(raw: bytes) -> int | None:
    """The soft limit of open files in /proc/PID/limits; None when it is unlimited or absent."""
    match = re.search(rb"^Max open files\s+(\d+)", raw, re.MULTILINE)
    return int(match[1]) if match else None


def parse_boot_time(raw: bytes) -> int:
    """When the machine started, in Unix seconds, from /proc/stat."""
    match = re.search(rb"^btime (\d+)", raw, re.MULTILINE)
    if match is None:
        raise ValueError("expected a line 'btime' in /proc/stat")
    return int(match[1])


def parse_memory(raw: bytes, name: str) -> int:
    """A line of /proc/meminfo such as MemTotal, in bytes."""
    match = re.search(rf"^{name}:\s+(\d+) kB".encode(), raw, re.MULTILINE)
    if match is None:
        raise ValueError(f"expected a line {name!r} in /proc/meminfo")
    return int(match[1]) * 1024


def parse_users(raw: bytes) -> dict[int, str]:
    """Names by uid from a passwd file; the first name of a uid counts, as in getpwuid(3)."""
    users: dict[int, str] = {}
    for line in raw.splitlines():
        fields = line.split(b":")
        if len(fields) >= 3 and fields[2].isdigit():
            users.setdefault(int(fields[2]), printable(fields[0]))
    return users
