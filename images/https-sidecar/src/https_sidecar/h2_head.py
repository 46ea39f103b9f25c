"""What HTTP/2 says as HTTP/1.1 says it: request heads, trailers; and how large frames may be. Pure.

The result of `head_of` still goes through the strict scanner (`podparts.wire.http1`): here is refused only what cannot
be written down as lines at all.
"""

import re
from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

PREFACE = 24  # bytes that a connection begins with (RFC 9113 section 3.4)
FRAME_HEAD = 9

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_FORBIDDEN = re.compile(rb"[\x00\r\n]").search


class BadRequestError(ValueError):
    """A head that cannot be said in HTTP/1.1."""


def head_of(headers: Iterable[tuple[bytes, bytes]], ended: bool) -> tuple[bytes, bool]:
    """An HTTP/1.1 head that means what these h2 headers mean, and whether the body needs chunked coding.

    Raises BadRequestError for pseudo-headers that are missing and for characters that would end a line early.
    """
    pseudo: dict[bytes, bytes] = {}
    fields: Headers = []
    cookies: list[bytes] = []
    for name, value in headers:
        if not is_field(name.removeprefix(b":"), value):
            raise BadRequestError("a forbidden character in a field")
        if name.startswith(b":"):
            pseudo[name] = value
        elif name == b"cookie":
            cookies.append(value)
        elif name != b"host":
            fields.append((name, value))
        else:
            pseudo.setdefault(b":authority", value)
    try:
        method, path, authority = pseudo[b":method"], pseudo[b":path"], pseudo[b":authority"]
    except KeyError as missing:
        raise BadRequestError(f"no {missing.args[0].decode()}") from None
    if b" " in method or b" " in path or b":protocol" in pseudo:
        raise BadRequestError("a malformed pseudo-header")
    if cookies:
        fields.append((b"cookie", b"; ".join(cookies)))  # RFC 9113 8.2.3
    names = {name for name, _ in fields}
    chunked = not ended and b"content-length" not in names
    if chunked:
        fields.append((b"transfer-encoding", b"chunked"))
    lines = [method + b" " + path + b" HTTP/1.1", b"host: " + authority]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n", chunked


def is_field(name: bytes, value: bytes) -> bool:
    """Whether a field can be a line: a lower-case token, a value without what ends a line (RFC 9113 section 8.2.1)."""
    return _NAME(name) is not None and _FORBIDDEN(value) is None


def trailer_of(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The end of a chunked body with these trailers. Raises BadRequestError."""
    lines = []
    for name, value in fields:
        if not is_field(name, value):
            raise BadRequestError("a forbidden character in a trailer")
        lines.append(name + b": " + value + b"\r\n")
    return b"0\r\n" + b"".join(lines) + b"\r\n"


class FrameSizes:
    """Follows the frames of a connection by their heads alone.

    The h2 package looks at a frame's size only when all of it has arrived, up to 16 MB later; this looks at once.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._skip = PREFACE
        self._head = b""

    def exceeded(self, data: bytes) -> bool:
        """Whether a frame begins in these bytes that is larger than it may be (RFC 9113 section 4.2)."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            step = FRAME_HEAD - len(self._head)
            self._head += data[at : at + step]
            at += step
            if len(self._head) == FRAME_HEAD:
                self._skip = int.from_bytes(self._head[:3])
                self._head = b""
                if self._skip > self._largest:
                    return True
        return False
