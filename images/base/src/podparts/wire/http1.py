"""The head of an HTTP/1.1 message: found, validated, measured in one pass (RFC 9110, 9112). Pure; compiled by Cython.

A `Head` looks at the bytes of a request or response head where they lie and remembers offsets: where the target is,
which ranges must not be passed on, how the body is framed. It copies nothing until `forwarded` writes the head that
the other side gets. It is stricter than llhttp wherever two readers could understand a message differently
(tests/fuzz holds it against llhttp and h11): CRLF only, no folded lines, no space before the colon, one Host, one
length, `chunked` alone. It knows nothing of sockets, timeouts or of what a proxy does with the message.
"""

import cython

from podparts.wire.fields import Fields

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.libc.string import memcpy
    from cython.cimports.podparts.wire.fields import (
        AUTHORITY,
        CLASSES,
        CONNECTION,
        ENCODING,
        EXPECT,
        FORWARDED,
        HOST,
        LENGTH,
        TARGET,
        TOKEN,
        UPGRADE,
        VALUE,
    )
else:
    from podparts.wire.fields import (
        AUTHORITY,
        CLASSES,
        CONNECTION,
        ENCODING,
        EXPECT,
        FORWARDED,
        HOST,
        LENGTH,
        TARGET,
        TOKEN,
        UPGRADE,
        VALUE,
    )

# Results of `Head.request` and `Head.response` besides the HTTP status that refuses a message.
INCOMPLETE = 0
COMPLETE = 1

# Framing besides a length in bytes.
CHUNKED = -1
NO_LENGTH = -2

MOST_CUTS = 32  # ranges; a head that would need more is refused with 431
MOST_FIELDS = 100  # as Apache's LimitRequestFields and Go's common choice; nginx bounds bytes alone
LONGEST_METHOD = 32
LONGEST_LENGTH = 18  # digits of a Content-Length: what fits a signed 64-bit number whatever the digits


class Head:
    """One message head. Made once per connection and used again for each message on it.

    After COMPLETE: `start`/`end` bound the head in `data` (end is the body's first byte), `minor` is HTTP/1.x,
    `status` a response's code, `length` the body's length or CHUNKED or NO_LENGTH, `close` and `keep_alive` what the
    Connection field asks for, `upgrade` that a protocol switch is asked for, `expects` an Expect: 100-continue.
    After a refusal: `reason` says why, in words for a log line.
    """

    def __init__(self, head_limit: int = 32768, target_limit: int = 8192) -> None:
        self.head_limit = head_limit
        self.target_limit = target_limit
        self.data = b""
        self.reason = ""
        if not cython.compiled:
            self.cuts = [0] * (2 * MOST_CUTS)
        self._clear(0)

    def _clear(self, start: cython.Py_ssize_t) -> None:
        self.start = start
        self.end = 0
        self.status = 0
        self.length = NO_LENGTH
        self.close = self.keep_alive = self.upgrade = self.expects = False
        self.nominated = False
        self.forwarded_fields = 0
        self.cut_count = 0
        self.host_start = self.upgrade_start = -1
        self.host_end = self.upgrade_end = 0
        self.encoded = self.absolute = False

    # ---- reading

    def request(self, data: bytes, start: cython.Py_ssize_t, fields: Fields) -> int:
        """Read a request head at data[start:]. INCOMPLETE, COMPLETE, or the status that refuses it.

        400 malformed or ambiguous, 405 CONNECT, 414 target too long, 431 head too large, 501 unknown transfer coding,
        505 another HTTP version.
        """
        p: cython.p_const_uchar = data
        n: cython.Py_ssize_t = len(data)
        self.data = data
        i: cython.Py_ssize_t = start
        while i + 1 < n and p[i] == 13 and p[i + 1] == 10:  # empty lines before a request are skipped (RFC 9112 2.2)
            i += 2
        self._clear(i)
        if i - start > self.head_limit:
            return self._refuse(431, "empty lines beyond the limit of a head")
        if i + 1 == n and p[i] == 13:
            return INCOMPLETE
        result: cython.int = self._request_line(p, i, n)
        if result == COMPLETE:
            result = self._fields(p, n, fields)
        if result == COMPLETE:
            return self._check_request(p)
        if result == INCOMPLETE and n - self.start > self.head_limit:
            return self._refuse(431, "the head is larger than the limit")
        return result

    def _request_line(self, p: cython.p_const_uchar, i: cython.Py_ssize_t, n: cython.Py_ssize_t) -> int:
        classes: cython.p_const_uchar = CLASSES
        first: cython.Py_ssize_t = i
        while i < n and classes[p[i]] & TOKEN:
            i += 1
        if i - first > LONGEST_METHOD:
            return self._refuse(400, "the method is too long")
        if i == n:
            return INCOMPLETE
        if i == first or p[i] != 32:
            return self._refuse(400, "the method is not a token followed by one space")
        self.method_end = i
        i += 1
        self.target_start = i
        while i < n and classes[p[i]] & TARGET:
            i += 1
        self.target_end = i
        if i - self.target_start > self.target_limit:
            return self._refuse(414, "the request target is longer than the limit")
        if i == n:
            return INCOMPLETE
        if i == self.target_start or p[i] != 32:
            return self._refuse(400, "the request target is empty or holds a forbidden character")
        return self._version(p, i + 1, n)

    def _version(self, p: cython.p_const_uchar, i: cython.Py_ssize_t, n: cython.Py_ssize_t) -> int:
        """`HTTP/1.0` or `HTTP/1.1` and CRLF at i, the end of a request line."""
        expected: cython.p_const_uchar = b"HTTP/"
        k: cython.Py_ssize_t = 0
        while k < 5:
            if i + k == n:
                return INCOMPLETE
            if p[i + k] != expected[k]:
                return self._refuse(400, "the request line does not end in an HTTP version")
            k += 1
        if n - i < 10:
            short: cython.bint = b"\r" in self.data[i : i + 8]  # all there is, and less than a version
            return self._refuse(400, "the HTTP version is malformed") if short else INCOMPLETE
        if p[i + 6] != 46 or not (48 <= p[i + 5] <= 57 and 48 <= p[i + 7] <= 57):
            return self._refuse(400, "the HTTP version is malformed")
        if p[i + 8] != 13 or p[i + 9] != 10:
            return self._refuse(400, "the request line does not end in CRLF after the version")
        if p[i + 5] != 49 or p[i + 7] > 49:
            return self._refuse(505, "the HTTP version is neither 1.0 nor 1.1")
        self.minor = p[i + 7] - 48
        self.line_end = i + 10
        return COMPLETE

    def response(self, data: bytes, start: cython.Py_ssize_t, fields: Fields) -> int:
        """Read a response head at data[start:]. INCOMPLETE, COMPLETE, or 502 for one that must not be passed on."""
        p: cython.p_const_uchar = data
        n: cython.Py_ssize_t = len(data)
        self.data = data
        self._clear(start)
        result: cython.int = self._status_line(p, start, n)
        if result == COMPLETE:
            result = self._fields(p, n, fields)
        if result == INCOMPLETE and n - start > self.head_limit:
            return self._refuse(502, "the response head is larger than the limit")
        if result > COMPLETE:
            return 502
        if result == COMPLETE:
            self.upgrade = self.upgrade and self.upgrade_start >= 0
            if self.minor == 0:
                if self.encoded:
                    return self._refuse(502, "an HTTP/1.0 response has a Transfer-Encoding")
                self.close = self.close or not self.keep_alive
            if self.nominated and self._cut_nominated() != COMPLETE:
                return 502
        return result

    def _status_line(self, p: cython.p_const_uchar, i: cython.Py_ssize_t, n: cython.Py_ssize_t) -> int:
        classes: cython.p_const_uchar = CLASSES
        expected: cython.p_const_uchar = b"HTTP/1."
        k: cython.Py_ssize_t = 0
        while k < 7:
            if i + k == n:
                return INCOMPLETE
            if p[i + k] != expected[k]:
                return self._refuse(502, "the response does not begin with HTTP/1.")
            k += 1
        if n - i < 14:
            short: cython.bint = b"\r" in self.data[i : i + 12]  # all there is, and less than a status
            return self._refuse(502, "the status line is too short") if short else INCOMPLETE
        if p[i + 7] not in (48, 49) or p[i + 8] != 32:
            return self._refuse(502, "the response's HTTP version is malformed")
        self.minor = p[i + 7] - 48
        k = i + 9
        while k < i + 12:
            if not 48 <= p[k] <= 57:
                return self._refuse(502, "the status code is not three digits")
            self.status = self.status * 10 + p[k] - 48
            k += 1
        if self.status < 100 or p[k] not in (32, 13):
            return self._refuse(502, "the status code is not three digits from 100")
        while k < n and classes[p[k]] & VALUE:
            k += 1
        if k + 1 >= n:
            return INCOMPLETE
        if p[k] != 13 or p[k + 1] != 10:
            return self._refuse(502, "the status line does not end in CRLF")
        self.line_end = k + 2
        return COMPLETE

    def _fields(self, p: cython.p_const_uchar, n: cython.Py_ssize_t, fields: Fields) -> int:  # noqa: C901 - the hot loop
        """The field lines from line_end to the empty line."""
        classes: cython.p_const_uchar = CLASSES
        i: cython.Py_ssize_t = self.line_end
        count: cython.int = 0
        while i < n:
            if p[i] == 13:
                if i + 1 == n:
                    return INCOMPLETE
                if p[i + 1] != 10:
                    return self._refuse(400, "a CR without LF")
                self.end = i + 2
                if self.end - self.start > self.head_limit:
                    return self._refuse(431, "the head is larger than the limit")
                return COMPLETE
            name: cython.Py_ssize_t = i
            while i < n and classes[p[i]] & TOKEN:
                i += 1
            if i == n:
                return INCOMPLETE
            if i == name or p[i] != 58:
                return self._refuse(400, "a field line is not a token followed by a colon")
            colon: cython.Py_ssize_t = i
            i += 1
            while i < n and (p[i] == 32 or p[i] == 9):
                i += 1
            value: cython.Py_ssize_t = i
            while i < n and classes[p[i]] & VALUE:
                i += 1
            if i + 1 >= n:
                return INCOMPLETE if i == n or p[i] == 13 else self._refuse(400, "a control character in a field")
            if p[i] != 13 or p[i + 1] != 10:
                return self._refuse(400, "a control character or a bare CR or LF in a field")
            count += 1
            if count > MOST_FIELDS:
                return self._refuse(431, "more than 100 fields")
            meaning: cython.int = fields.meaning(p, name, colon - name)
            if meaning:
                result: cython.int = self._meaningful(p, meaning, name, value, i)
                if result != COMPLETE:
                    return result
            i += 2
        return INCOMPLETE

    def _meaningful(  # noqa: C901 - one test per meaning, in the order of how common they are
        self,
        p: cython.p_const_uchar,
        meaning: cython.int,
        name: cython.Py_ssize_t,
        value: cython.Py_ssize_t,
        line_end: cython.Py_ssize_t,
    ) -> int:
        """One field that means something to a proxy. COMPLETE or the status that refuses the message."""
        end: cython.Py_ssize_t = line_end
        while end > value and (p[end - 1] == 32 or p[end - 1] == 9):
            end -= 1
        if meaning == LENGTH:
            return self._content_length(p, value, end)
        if meaning == HOST:
            if self.host_start >= 0:
                return self._refuse(400, "more than one Host")
            self.host_start = value
            self.host_end = end
            return COMPLETE
        if meaning == ENCODING:
            if self.encoded:
                return self._refuse(400, "more than one Transfer-Encoding")
            self.encoded = True
            stop: cython.Py_ssize_t = end
            while stop < line_end and p[stop] == 32:
                stop += 1
            # A tab after the coding is white space to the RFC, part of the coding to llhttp, which then reads a
            # response until close: what does not end in `chunked` and spaces is refused.
            if stop < line_end or not _is(p, value, end, b"chunked", 7):
                return self._refuse(501, "a Transfer-Encoding other than chunked alone")
            self.length = CHUNKED if self.length == NO_LENGTH else self.length
            return (
                COMPLETE if self.length == CHUNKED else self._refuse(400, "both Content-Length and Transfer-Encoding")
            )
        if meaning == EXPECT:
            self.expects = _is(p, value, end, b"100-continue", 12)
            return COMPLETE if self.expects else self._refuse(417, "an expectation other than 100-continue")
        if meaning == CONNECTION:
            self._connection(p, value, end)
        elif meaning == UPGRADE:
            self.upgrade_start = value
            self.upgrade_end = end
        elif meaning == FORWARDED:
            self.forwarded_fields += 1
        return self._cut(name, line_end + 2)

    def _content_length(self, p: cython.p_const_uchar, value: cython.Py_ssize_t, end: cython.Py_ssize_t) -> int:
        if self.encoded:
            return self._refuse(400, "both Content-Length and Transfer-Encoding")
        if self.length != NO_LENGTH:
            return self._refuse(400, "more than one Content-Length")
        if not 0 < end - value <= LONGEST_LENGTH:
            return self._refuse(400, "a Content-Length that is empty or too long")
        length: cython.longlong = 0
        while value < end:
            if not 48 <= p[value] <= 57:
                return self._refuse(400, "a Content-Length that is not a number")
            length = length * 10 + p[value] - 48
            value += 1
        self.length = length
        return COMPLETE

    def _connection(self, p: cython.p_const_uchar, value: cython.Py_ssize_t, end: cython.Py_ssize_t) -> None:
        """The options of a Connection field; what else it names must not be passed on (RFC 9110 7.6.1)."""
        while value < end:
            stop: cython.Py_ssize_t = value
            while stop < end and p[stop] != 44:
                stop += 1
            last: cython.Py_ssize_t = stop
            while value < last and (p[value] == 32 or p[value] == 9):
                value += 1
            while last > value and (p[last - 1] == 32 or p[last - 1] == 9):
                last -= 1
            if _is(p, value, last, b"close", 5):
                self.close = True
            elif _is(p, value, last, b"keep-alive", 10):
                self.keep_alive = True
            elif _is(p, value, last, b"upgrade", 7):
                self.upgrade = True
            elif last > value:
                self.nominated = True
            value = stop + 1

    def _cut(self, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> int:
        """Keep data[start:end] from being passed on."""
        last: cython.int = self.cut_count - 1
        if last > 0 and self.cuts[last] == start:
            self.cuts[last] = end
            return COMPLETE
        if self.cut_count == 2 * MOST_CUTS:
            return self._refuse(431, "too many fields that must not be passed on")
        self.cuts[self.cut_count] = start
        self.cuts[self.cut_count + 1] = end
        self.cut_count += 2
        return COMPLETE

    def _check_request(self, p: cython.p_const_uchar) -> int:
        """What can be judged only when all fields are known: Host, target form, upgrade, persistence."""
        # With a body announced llhttp would take the body for what comes after the switch: then it is no upgrade.
        bodiless: cython.bint = self.length == NO_LENGTH or self.length == 0
        named: cython.bint = self.upgrade_end > self.upgrade_start >= 0
        self.upgrade = self.upgrade and named and bodiless and self.minor == 1
        if self.minor == 0:
            if self.encoded:
                return self._refuse(400, "an HTTP/1.0 request has a Transfer-Encoding")
            self.close = self.close or not self.keep_alive
            self.expects = False
        elif self.host_start < 0:
            return self._refuse(400, "no Host")
        classes: cython.p_const_uchar = CLASSES
        i: cython.Py_ssize_t = self.host_start
        while 0 <= i < self.host_end:
            if not classes[p[i]] & AUTHORITY:
                return self._refuse(400, "a forbidden character in Host")
            i += 1
        result: cython.int = self._cut_nominated() if self.nominated else COMPLETE
        if result != COMPLETE or p[self.target_start] == 47:
            return result
        return self._other_target()

    def _other_target(self) -> int:
        """The target forms besides `/path` (RFC 9112 3.2): absolute, `*` for OPTIONS, and CONNECT's authority."""
        method = self.method
        target = self.target
        if method == b"CONNECT":
            return self._refuse(405, "CONNECT")
        if target == b"*" and method == b"OPTIONS":
            return COMPLETE
        scheme, found, rest = target.partition(b"://")
        if not found or scheme.lower() not in (b"http", b"https"):
            return self._refuse(400, "the request target is neither a path nor an absolute http URI")
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        if not authority or b"@" in authority or not all(CLASSES[c] & AUTHORITY for c in authority):
            return self._refuse(400, "the authority of the request target is malformed")
        self.absolute = True
        return self.cut_names({b"host"})  # the target's authority replaces it (RFC 9112 3.2.2)

    def _cut_nominated(self) -> int:
        """Second pass, rare: cut the fields that Connection names besides its own options."""
        named = set((self.header(b"connection") or b"").lower().replace(b" ", b"").replace(b"\t", b"").split(b","))
        named -= {b"", b"close", b"keep-alive", b"upgrade"}
        if named & {b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization", b"cookie"}:
            return self._refuse(400, "Connection names a field that must reach the other side")
        return self.cut_names(named)

    def cut_names(self, names: set[bytes]) -> int:
        """Keep every field with one of these names (lower case) from being passed on. Rare, so plain Python."""
        old = [(self.cuts[i], self.cuts[i + 1]) for i in range(0, self.cut_count, 2)]
        old += [(begin, finish) for name, begin, finish in self._lines() if name.lower() in names]
        self.cut_count = 0
        reached = 0
        for begin, finish in sorted(old):
            if finish > reached and self._cut(max(begin, reached), finish) != COMPLETE:
                return 431
            reached = max(reached, finish)
        return COMPLETE

    def _refuse(self, status: cython.int, reason: str) -> int:
        self.reason = reason
        return status

    # ---- asking

    @property
    def method(self) -> bytes:
        return self.data[self.start : self.method_end]

    @property
    def target(self) -> bytes:
        """The request target as it was sent; `path` and `query` are the parts of its origin form."""
        return self.data[self.target_start : self.target_end]

    @property
    def origin(self) -> bytes:
        """The target in origin form: what an origin server is sent, whatever form the client used."""
        if not self.absolute:
            return self.target
        rest = self.target.partition(b"://")[2]
        if self.method == b"OPTIONS" and not set(b"/?") & set(rest):
            return b"*"  # the server itself is asked (RFC 9112 3.2.4)
        at = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
        return rest[at:] if rest[at : at + 1] == b"/" else b"/" + rest[at:]

    @property
    def path(self) -> bytes:
        return self.origin.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.origin.partition(b"?")[2]

    @property
    def host(self) -> bytes:
        """The host (with its port) that the request is for: of the target if it names one, else of Host."""
        if self.absolute:
            return self.target.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
        return self.data[self.host_start : self.host_end] if self.host_start >= 0 else b""

    @property
    def upgrade_value(self) -> bytes:
        return self.data[self.upgrade_start : self.upgrade_end] if self.upgrade_start >= 0 else b""

    def _lines(self) -> list[tuple[bytes, int, int]]:
        """(name, start of the line, end of the line with its CRLF) of each field."""
        lines = []
        at = self.line_end
        while at < self.end - 2:
            stop = self.data.index(b"\n", at) + 1
            lines.append((self.data[at : self.data.index(b":", at)], at, stop))
            at = stop
        return lines

    def fields(self) -> list[tuple[bytes, bytes]]:
        """All fields in order, names as sent, values without surrounding white space, those cut included."""
        return [(name, self.data[at + len(name) + 1 : stop].strip()) for name, at, stop in self._lines()]

    def kept(self) -> list[tuple[bytes, bytes]]:
        """The fields that are passed on."""
        cut = {c for i in range(0, self.cut_count, 2) for c in range(self.cuts[i], self.cuts[i + 1])}
        return [
            (name, self.data[at + len(name) + 1 : stop].strip()) for name, at, stop in self._lines() if at not in cut
        ]

    def header(self, name: bytes) -> bytes | None:
        """The value of the named field (lower case), several joined by a comma (RFC 9110 5.3); None if it is absent."""
        values = [value for field, value in self.fields() if field.lower() == name]
        return b", ".join(values) if values else None

    # ---- writing

    def forwarded(
        self, line: bytes | None, extra: bytes, body_start: cython.Py_ssize_t, body_end: cython.Py_ssize_t
    ) -> bytes:
        """The head for the other side: the start line (or `line` in its place), what was not cut, `extra` field lines,
        the empty line, and data[body_start:body_end] behind it."""
        if cython.compiled:
            first: cython.Py_ssize_t = self.start if line is None else self.line_end
            last: cython.Py_ssize_t = self.end - 2
            lead: cython.Py_ssize_t = 0 if line is None else len(line)
            size: cython.Py_ssize_t = lead + (last - first) + len(extra) + 2 + (body_end - body_start)
            i: cython.int
            for i in range(0, self.cut_count, 2):
                size -= self.cuts[i + 1] - self.cuts[i]
            out: bytes = PyBytes_FromStringAndSize(cython.NULL, size)
            to: cython.p_char = PyBytes_AS_STRING(out)
            source: cython.p_char = PyBytes_AS_STRING(self.data)
            if line is not None:
                memcpy(to, PyBytes_AS_STRING(line), lead)
                to += lead
            for i in range(0, self.cut_count, 2):
                memcpy(to, source + first, self.cuts[i] - first)
                to += self.cuts[i] - first
                first = self.cuts[i + 1]
            memcpy(to, source + first, last - first)
            to += last - first
            memcpy(to, PyBytes_AS_STRING(extra), len(extra))
            to += len(extra)
            to[0] = 13
            to[1] = 10
            memcpy(to + 2, source + body_start, body_end - body_start)
            return out
        return self._joined(line, extra, body_start, body_end)

    def _joined(self, line: bytes | None, extra: bytes, body_start: int, body_end: int) -> bytes:
        first = self.start if line is None else self.line_end
        pieces = [] if line is None else [line]
        for i in range(0, self.cut_count, 2):
            pieces.append(self.data[first : self.cuts[i]])
            first = self.cuts[i + 1]
        pieces += [self.data[first : self.end - 2], extra, b"\r\n", self.data[body_start:body_end]]
        return b"".join(pieces)


@cython.cfunc
@cython.exceptval(check=False)
def _is(
    p: cython.p_const_uchar,
    start: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    word: cython.p_const_uchar,
    length: cython.Py_ssize_t,
) -> cython.bint:
    """Whether data[start:end] is the word of that length (lower case), in any case."""
    if end - start != length:
        return False
    i: cython.Py_ssize_t = start
    while i < end:
        c: cython.int = p[i]
        if 65 <= c <= 90:
            c += 32
        if c != word[i - start]:
            return False
        i += 1
    return True
