"""The body of an HTTP/1.1 message: where it ends, read as it streams (RFC 9112 6 and 7.1). Pure; compiled by Cython.

A `Body` is told the framing, then fed pieces of the stream; it answers how far the body reaches in each. Chunked
framing is checked byte for byte (CRLF only, bounded sizes) and can be passed on as it is; chunk extensions are cut
out, because two readers may disagree about them and nobody uses them; trailer fields are held back until the last of
them is known to be well-formed and none of them is one that must not come late. It holds at most the trailer section,
never the body.
"""

import cython

from podparts.wire.fields import Fields

if cython.compiled:
    from cython.cimports.podparts.wire.fields import CLASSES, TOKEN, VALUE
else:
    from podparts.wire.fields import CLASSES, TOKEN, VALUE

# Kinds of framing, as `Head.length` gives them; a length of 0 or more is that many bytes.
CHUNKED = -1
UNTIL_CLOSE = -2

# Where in the chunked coding the next byte stands.
SIZE = 0
EXTENSION = 1
SIZE_LF = 2
DATA = 3
DATA_CR = 4
DATA_LF = 5
TRAILER = 6

LONGEST_SIZE = 15  # hexadecimal digits: what fits a signed 64-bit number
LONGEST_EXTENSION = 256  # bytes on one chunk's line
MOST_EXTENSION = 16384  # bytes in one body: Go's bound against bodies that are mostly framing (CVE-2023-39326)
LONGEST_TRAILER = 8192


class Body:
    """The reader of one message's body.

    `begin` for each message; `feed` for each piece, until `ended`. `decode` asks that `parts` receives the ranges of
    payload in a fed piece (for a peer that does not take chunked coding). `size` counts payload bytes, `trailers` holds
    the trailer section with its last CRLF, b"" until it is complete.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []
        self.begin(0, False)

    def begin(self, length: cython.longlong, decode: cython.bint) -> None:
        """Expect a body of `length` bytes, or CHUNKED or UNTIL_CLOSE."""
        self.kind = length
        self.left = length if length > 0 else 0
        self.ended = length == 0
        self.decode = decode
        self.reason = ""
        self.state = SIZE
        self.digits = self.extension = 0
        self.extensions = self.size = 0
        self.trailers = b""
        self.held = b""
        self.cuts: list[int] | None = None
        if self.parts:  # the last body's: this one's first piece may hold nothing of it
            self.parts = []

    def feed(self, data: bytes, start: cython.Py_ssize_t, fields: Fields) -> int:
        """Where in data[start:] the body stops: len(data) while it goes on, less once it has `ended`; -1 for a
        malformed one (see `reason`). What lies between may be passed on with `passed`."""
        n: cython.Py_ssize_t = len(data)
        if self.kind >= 0:
            if n - start < self.left:
                self.left -= n - start
                self.size += n - start
                return n
            start += self.left
            self.size += self.left
            self.left = 0
            self.ended = True
            return start
        if self.kind == UNTIL_CLOSE:
            self.size += n - start
            return n
        if self.decode:
            self.parts = []
        self.cuts = None
        return self._chunked(data, start, n, fields)

    def _chunked(self, data: bytes, i: cython.Py_ssize_t, n: cython.Py_ssize_t, fields: Fields) -> int:
        p: cython.p_const_uchar = data
        while i < n:
            if self.state == DATA:
                take: cython.Py_ssize_t = self.left if self.left < n - i else n - i
                if self.decode:
                    self.parts.append((i, i + take))
                self.left -= take
                self.size += take
                i += take
                if self.left == 0:
                    self.state = DATA_CR
            elif self.state == TRAILER:
                return self._trailer(data, i, n, fields)
            else:
                if self._framing(p[i], i) < 0:
                    return -1
                i += 1
        return n

    def _framing(self, c: cython.int, i: cython.Py_ssize_t) -> int:
        """One byte of chunked framing. -1 if it is malformed."""
        if self.state == SIZE:
            return self._size(c, i)
        if self.state == EXTENSION:
            return self._extension(c, i)
        if self.state == DATA_CR:
            self.state = DATA_LF
            return 0 if c == 13 else self._refuse("a chunk is longer than its size says")
        if c != 10:
            return self._refuse("a CR without LF in chunked framing")
        if self.state == SIZE_LF and self.left == 0:
            self.state = TRAILER
        else:
            self.state = DATA if self.state == SIZE_LF else SIZE
        return 0

    def _size(self, c: cython.int, i: cython.Py_ssize_t) -> int:
        digit: cython.int = -1
        if 48 <= c <= 57:
            digit = c - 48
        elif 65 <= (c & 223) <= 70:
            digit = (c & 223) - 55
        if digit >= 0:
            self.digits += 1
            if self.digits > LONGEST_SIZE:
                return self._refuse("a chunk size that is too long")
            self.left = self.left * 16 + digit
            return 0
        if self.digits == 0 or c not in (13, 59):
            return self._refuse("a chunk size that is not hexadecimal")
        self.digits = 0
        self.state = SIZE_LF
        if c == 59:
            self.state = EXTENSION
            self.extension = 0
            return self._extension(c, i)
        return 0

    def _extension(self, c: cython.int, i: cython.Py_ssize_t) -> int:
        if c == 13:
            self.state = SIZE_LF
            return 0
        self.extension += 1
        self.extensions += 1
        if self.extension > LONGEST_EXTENSION or self.extensions > MOST_EXTENSION:
            return self._refuse("chunk extensions that are too long")
        if not (c == 9 or 32 <= c < 127):
            return self._refuse("a forbidden character in a chunk extension")
        if self.cuts is None:
            self.cuts = []
        last: cython.Py_ssize_t = len(self.cuts) - 1  # no negative index: compiled without wrap-around
        if last > 0 and self.cuts[last] == i:
            self.cuts[last] = i + 1
        else:
            self.cuts += (i, i + 1)
        return 0

    def _trailer(self, data: bytes, i: cython.Py_ssize_t, n: cython.Py_ssize_t, fields: Fields) -> int:
        """The trailer section from i; it is held until it is complete. Its last CRLF may be all of it."""
        before: cython.Py_ssize_t = len(self.held)
        self.held += data[i : i + LONGEST_TRAILER + 4 - before]
        stop: cython.Py_ssize_t = 2 if self.held.startswith(b"\r\n") else self.held.find(b"\r\n\r\n") + 4
        if stop == 3:
            if len(self.held) > LONGEST_TRAILER:
                return self._refuse("a trailer section that is too long")
            if len(self.held) >= 2 and self._checked_trailer(self.held, fields) < 0:
                return -1
            return n
        if self._checked_trailer(self.held[:stop], fields) < 0:
            return -1
        self.trailers = self.held[:stop]
        self.held = b""
        self.ended = True
        return i + stop - before

    def _checked_trailer(self, section: bytes, fields: Fields) -> int:
        """-1 if a complete line of the section is not a field, or one that must not come after the body."""
        lines = section.split(b"\r\n")
        lines.pop()
        for line in lines:
            name, colon, value = line.partition(b":")
            if not line:
                continue
            if not name or not colon or not _all(name, TOKEN):
                return self._refuse("a trailer line that is not a field")
            if not _all(value, VALUE):
                return self._refuse("a control character in a trailer")
            if fields.meaning(name, 0, len(name)):
                return self._refuse("a trailer field that must not come after the body")
        return 0

    def passed(self, data: bytes, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> bytes:
        """data[start:end] of the last fed piece as the other side gets it, trailers and their end included."""
        if self.kind != CHUNKED:
            return data if start == 0 and end == len(data) else data[start:end]
        stop: cython.Py_ssize_t = end
        if self.ended or self.held:
            stop = self._payload_end(data, start, end)
        out: bytes = data if start == 0 and stop == len(data) else data[start:stop]
        if self.cuts is not None:
            edges = [start, *self.cuts, stop]
            out = b"".join([data[first:last] for first, last in zip(edges[::2], edges[1::2], strict=True)])
        return out + self.trailers if self.ended else out

    def _payload_end(self, data: bytes, start: int, end: int) -> int:
        """Where the trailer section begins in data[start:end]: what is held (or was just completed) lies behind it."""
        tail = len(self.trailers) if self.ended else len(self.held)
        return max(start, end - tail)

    def payload(self, data: bytes) -> bytes:
        """The payload in the last fed piece, without chunked framing. Needs `decode`."""
        return b"".join([data[first:last] for first, last in self.parts])

    def _refuse(self, reason: str) -> int:
        self.reason = reason
        return -1


@cython.cfunc
def _all(text: bytes, bit: cython.int) -> cython.bint:
    """Whether every character of the text is of the class."""
    classes: cython.p_const_uchar = CLASSES
    c: cython.uchar  # Cython gives the bytes of `for` as signed otherwise, and one above 0x7f would index backwards
    for c in text:  # noqa: SIM110 - a generator would cost a call per character once compiled
        if not classes[c] & bit:
            return False
    return True
