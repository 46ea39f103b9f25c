"""Heads and chunked bodies to feed a parser: grammatical ones, and ones that are wrong in the ways attackers use.

A generator is seeded and endless. It is built for speed, a few microseconds per head: whole lines are drawn from tables
that are written from the grammar and refreshed now and then, most heads stay as drawn, and four in ten get one to
three mutations of bytes (line ends, controls, spaces, folding, deletion, doubling).
"""

import random
from collections.abc import Sequence

from fuzz import pieces

REFRESH = 20_000  # heads drawn from one set of tables


class Heads:
    """Request heads, or response heads. Call it for the next one."""

    def __init__(self, seed: int, *, responses: bool = False) -> None:
        self._random = random.Random(seed)
        self._responses = responses
        self._left = 0

    def _pick(self, usual: Sequence[bytes], odd: Sequence[bytes], share: float = 0.1) -> bytes:
        return self._random.choice(odd if self._random.random() < share else usual)

    def _field(self) -> bytes:
        kind = self._random.random()
        if kind < 0.62:
            name, value = self._random.choice(pieces.PLAIN), self._pick(pieces.PLAIN_VALUES, pieces.ODD_VALUES, 0.03)
        elif kind < 0.98:
            name = self._random.choice(tuple(pieces.MEANINGFUL))
            values = pieces.MEANINGFUL[name]
            value = values[0] if self._random.random() < 0.7 else self._random.choice(values)
        else:
            name, value = self._random.choice(pieces.ODD_NAMES), b"v"
        if self._random.random() < 0.1:
            name = self._random.choice((name.upper(), name.lower(), name.swapcase()))
        padding = self._random.choice((b"", b"", b"", b" ", b"\t "))
        line = (
            name
            + self._pick(pieces.SEPARATORS, pieces.ODD_SEPARATORS, 0.02)
            + value
            + padding
            + self._pick(pieces.ENDS, pieces.ODD_ENDS, 0.01)
        )
        return line + (self._random.choice(pieces.FOLDS) if self._random.random() < 0.005 else b"")

    def _start_line(self) -> bytes:
        space = self._pick((b" ",), (b"  ", b"\t", b"", b" \t", b"\xa0"), 0.03)
        if self._responses:
            version = self._pick(pieces.VERSIONS, pieces.ODD_VERSIONS, 0.05)
            return (
                version
                + space
                + self._pick(pieces.STATUSES, pieces.ODD_STATUSES, 0.1)
                + self._pick(pieces.ENDS, pieces.ODD_ENDS, 0.03)
            )
        words = (
            self._pick(pieces.METHODS, pieces.ODD_METHODS),
            self._pick(pieces.TARGETS, pieces.ODD_TARGETS),
            self._pick(pieces.VERSIONS, pieces.ODD_VERSIONS),
        )
        line = space.join(words) + self._pick(pieces.ENDS, pieces.ODD_ENDS, 0.03)
        return self._random.choice(pieces.BEFORE) + line if self._random.random() < 0.02 else line

    def _refresh(self) -> None:
        self._lines = [self._start_line() for _ in range(400)]
        self._fields = [self._field() for _ in range(1500)]
        self._left = REFRESH

    def _mutate(self, data: bytes) -> bytes:
        pick = self._random.random
        at = int(pick() * len(data))
        kind = int(pick() * 6)
        if kind == 0:
            return data[:at] + pieces.INSERTED[int(pick() * len(pieces.INSERTED))] + data[at:]
        if kind == 1:
            return data[:at] + data[at + 1 :]
        if kind == 2:
            return data[:at] + bytes((int(pick() * 256),)) + data[at + 1 :]
        if kind == 3:
            line = data.find(b"\r\n", at)
            return (
                data
                if line < 0
                else data[:line] + pieces.ODD_ENDS[int(pick() * len(pieces.ODD_ENDS))] + data[line + 2 :]
            )
        if kind == 4:
            stop = at + int(pick() * 40)
            return data[:stop] + data[at:]
        line = data.find(b"\r\n", at)
        return data if line < 0 else data[: line + 2] + pieces.FOLDS[int(pick() * len(pieces.FOLDS))] + data[line + 2 :]

    def __call__(self) -> bytes:
        """The next head, with its empty line unless a mutation took it."""
        self._left -= 1
        if self._left < 0:
            self._refresh()
        pick = self._random.random
        fields = self._fields
        parts = [self._lines[int(pick() * 400)]]
        if pick() < 0.8 and not self._responses:
            parts.append(b"Host: h.example\r\n")
        parts += [fields[int(pick() * 1500)] for _ in range(int(pick() * 6))]
        parts.append(b"\r\n")
        data = b"".join(parts)
        if pick() < 0.4:
            for _ in range(1 + int(pick() * 3)):
                data = self._mutate(data)
        return data


class Bodies(Heads):
    """Chunked bodies, trailers included, and sometimes the beginning of what follows."""

    def _chunk(self) -> bytes:
        size = self._pick(pieces.SIZES, pieces.ODD_SIZES, 0.02)
        try:
            count = max(0, min(int(size, 16), 64))
        except ValueError:
            count = 5
        data = self._random.randbytes(count) if count else b"x"
        line = (
            size
            + self._pick(pieces.EXTENSIONS, pieces.ODD_EXTENSIONS, 0.03)
            + self._pick(pieces.ENDS, pieces.ODD_ENDS, 0.02)
        )
        return line + data + self._pick(pieces.ENDS, pieces.ODD_ENDS, 0.02)

    def _refresh(self) -> None:
        self._chunks = [self._chunk() for _ in range(400)]
        self._left = REFRESH

    def __call__(self) -> bytes:
        """The next body."""
        self._left -= 1
        if self._left < 0:
            self._refresh()
        pick = self._random.random
        parts = [self._chunks[int(pick() * 400)] for _ in range(int(pick() * 4))]
        parts.append(
            b"0"
            + self._pick(pieces.EXTENSIONS, pieces.ODD_EXTENSIONS, 0.03)
            + self._pick(pieces.ENDS, pieces.ODD_ENDS, 0.03)
        )
        parts += [self._pick(pieces.TRAILERS, pieces.ODD_TRAILERS, 0.2) for _ in range(int(pick() * pick() * 4))]
        parts += [b"\r\n", b"GET /next HTTP/1.1\r\n" if pick() < 0.2 else b""]
        data = b"".join(parts)
        return self._mutate(data) if pick() < 0.4 else data
