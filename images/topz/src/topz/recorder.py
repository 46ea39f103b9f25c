"""The flight recorder: what every process looked like at any moment of the last minutes, in bounded memory.

Pure; time comes as an argument. A moment is a column of numbers for each quantity, compressed together, and refers to
the processes by index, so that names and command lines are kept once. A moment of 1,070 mostly idle processes takes
10 KiB, 47 KiB uncompressed (tests/bench/topz_refresh.py). The oldest moments go when either bound is met.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from topz.sample import Container, Process, Sample
from topz.snapshot import Identity, Machine

# What an identity, its place in the index and a moment cost besides their text, measured with tracemalloc on Python
# 3.13.
_IDENTITY_BYTES = 480
_MOMENT_BYTES = 400
_CONTAINER_BYTES = 640
_UNKNOWN = -1.0


class Row(NamedTuple):
    """A process at a recorded moment."""

    identity: Identity
    parent: int
    state: str
    threads: int
    open_files: int | None
    cpu: float
    cpu_seconds: float
    resident_bytes: int
    read_rate: float | None
    write_rate: float | None


class Moment(NamedTuple):
    """What is kept of a sample."""

    time: float
    processes: int
    packed: bytes
    containers: dict[str, Container]
    machine: Machine
    size: int


# Columns in the order in which they are packed: the process's index in the recorder, then its quantities.
_CODES = "IiHHifdQff"


Column = Any  # array("I") holds int and array("f") float; which one a column is depends on _CODES


class Recorder:
    """A ring of moments, bounded by age and by bytes."""

    def __init__(self, keep: float, budget: int) -> None:
        """`keep` in seconds, `budget` in bytes."""
        self._keep = keep
        self._budget = budget
        self._moments: deque[Moment] = deque()
        self._identities: dict[int, Identity] = {}
        self._index: dict[Identity, int] = {}
        self._last_seen: dict[int, float] = {}
        self._next = 0
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Estimated memory of all that is kept."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._moments)

    def times(self) -> list[float]:
        """When the recorded moments were, oldest first."""
        return [moment.time for moment in self._moments]

    def record(self, sample: Sample) -> None:
        """Keeps the sample and lets go of what is too old or too much. A clock that went back starts a new
        recording."""
        if self._moments and sample.time <= self._moments[-1].time:
            self._clear()
        columns: list[Column] = [array(code) for code in _CODES]
        for process in sample.processes:
            for column, value in zip(columns, self._values(process, sample.time), strict=True):
                column.append(value)
        packed = zlib.compress(b"".join(column.tobytes() for column in columns), 1)
        size = len(packed) + _MOMENT_BYTES + _CONTAINER_BYTES * len(sample.containers)
        self._moments.append(
            Moment(sample.time, len(sample.processes), packed, sample.containers, sample.machine, size)
        )
        self._bytes += size
        self._trim(sample.time)

    def at(self, time: float) -> Moment | None:
        """The last moment not after `time`; the first one when all are later; None when nothing is recorded."""
        if not self._moments:
            return None
        after = bisect_right(self._moments, time, key=lambda moment: moment.time)
        return self._moments[max(0, after - 1)]

    def rows(self, moment: Moment) -> list[Row]:
        """The processes at a moment that `at` returned."""
        return list(self._unpack(moment))

    def containers(self) -> Iterator[tuple[float, dict[str, Container]]]:
        """Time and containers of each moment, oldest first."""
        return ((moment.time, moment.containers) for moment in self._moments)

    def process(self, pid: int, start: float | None = None) -> Iterator[tuple[float, Row]]:
        """The history of one process, oldest first; without `start`, of each process that had the PID."""
        wanted = {
            index
            for index, identity in self._identities.items()
            if identity.pid == pid and (start is None or abs(identity.start - start) < 0.02)
        }
        if not wanted:
            return
        for moment in self._moments:
            columns = self._columns(moment)
            for position, index in enumerate(columns[0]):
                if index in wanted:
                    yield moment.time, self._row(columns, position)

    def _values(self, process: Process, time: float) -> tuple[float, ...]:
        reading = process.reading
        index = self._enter(process.identity)
        self._last_seen[index] = time
        return (
            index,
            reading.parent,
            ord(reading.state),
            min(reading.threads, 0xFFFF),
            -1 if reading.open_files is None else min(reading.open_files, 0x7FFFFFFF),
            process.cpu,
            reading.cpu_seconds,
            reading.resident_bytes,
            _UNKNOWN if process.read_rate is None else process.read_rate,
            _UNKNOWN if process.write_rate is None else process.write_rate,
        )

    def _enter(self, identity: Identity) -> int:
        index = self._index.get(identity)
        if index is None:
            index = self._index[identity] = self._next
            self._identities[index] = identity
            self._next += 1
            self._bytes += _size(identity)
        return index

    def _trim(self, now: float) -> None:
        dropped = False
        # The newest moment stays, whatever it costs: a view of the present is the least one can ask.
        while len(self._moments) > 1 and (self._moments[0].time < now - self._keep or self._bytes > self._budget):
            self._bytes -= self._moments.popleft().size
            dropped = True
            if self._bytes > self._budget:
                self._forget()
        if dropped:
            self._forget()

    def _forget(self) -> None:
        """Lets go of the processes that no moment refers to."""
        oldest = self._moments[0].time
        for index in [index for index, seen in self._last_seen.items() if seen < oldest]:
            identity = self._identities.pop(index)
            del self._index[identity], self._last_seen[index]
            self._bytes -= _size(identity)

    def _clear(self) -> None:
        self._moments.clear()
        self._identities.clear()
        self._index.clear()
        self._last_seen.clear()
        self._bytes = 0

    def _columns(self, moment: Moment) -> list[Column]:
        data, columns, start = zlib.decompress(moment.packed), [], 0
        for code in _CODES:
            column: Column = array(code)
            end = start + moment.processes * column.itemsize
            column.frombytes(data[start:end])
            columns.append(column)
            start = end
        return columns

    def _unpack(self, moment: Moment) -> Iterator[Row]:
        columns = self._columns(moment)
        return (self._row(columns, position) for position in range(moment.processes))

    def _row(self, columns: list[Column], position: int) -> Row:
        index, parent, state, threads, files, cpu, seconds, resident, read, write = (
            column[position] for column in columns
        )
        return Row(
            self._identities[int(index)],
            int(parent),
            chr(int(state)),
            int(threads),
            None if files < 0 else int(files),
            cpu,
            seconds,
            int(resident),
            None if read < 0 else read,
            None if write < 0 else write,
        )


def _size(identity: Identity) -> int:
    return _IDENTITY_BYTES + len(identity.name) + len(identity.command) + len(identity.user)
