"""Who started, ended, grew and worked between two recorded moments. Pure."""

from __future__ import annotations

from typing import NamedTuple

from topz.recorder import Row
from topz.snapshot import Identity


class Change(NamedTuple):
    """A process that was there at both moments."""

    identity: Identity
    cpu_seconds: float
    """CPU time used between the moments."""
    resident_before: int
    resident_after: int
    threads_before: int
    threads_after: int
    files_before: int | None
    files_after: int | None

    @property
    def grown(self) -> int:
        """Bytes of resident memory gained; negative when it shrank."""
        return self.resident_after - self.resident_before


class Diff(NamedTuple):
    """Two moments side by side."""

    started: list[Row]
    ended: list[Row]
    changed: list[Change]
    """Sorted by growth, the largest first, then by CPU time."""


def diff(before: list[Row], after: list[Row]) -> Diff:
    """Processes are the same when PID and start time are: a new command line (exec) is a change, a reused PID is
    not."""
    old = {_process(row): row for row in before}
    new = {_process(row): row for row in after}
    started = [row for process, row in new.items() if process not in old]
    ended = [row for process, row in old.items() if process not in new]
    changed = [_change(old[process], row) for process, row in new.items() if process in old]
    return Diff(
        sorted(started, key=lambda row: row.identity.start),
        sorted(ended, key=lambda row: row.identity.start),
        sorted(changed, key=lambda change: (change.grown, change.cpu_seconds), reverse=True),
    )


def _process(row: Row) -> tuple[int, float]:
    return row.identity.pid, row.identity.start


def _change(old: Row, new: Row) -> Change:
    return Change(
        new.identity,
        max(0.0, new.cpu_seconds - old.cpu_seconds),
        old.resident_bytes,
        new.resident_bytes,
        old.threads,
        new.threads,
        old.open_files,
        new.open_files,
    )
