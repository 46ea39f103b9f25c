"""A client that sends exactly the bytes it is told and reads one answer strictly.

Ordinary HTTP clients repair what they send and forgive what they get; a test of a proxy wants neither. The reader
takes nothing on trust: CRLF line ends, one status line, well-formed fields, framing by RFC 9112 section 6, and
whatever follows the answer stays in the buffer, where a test can see that there is nothing. The parsing is pure
(`parse` over the bytes so far); RawClient and AsyncRawClient only bring the bytes.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from dataclasses import dataclass, field

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\x21-\xff](?:[\t\x20-\xff]*[\x21-\xff])?)?)[ \t]*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\r\n]*)?")
MAX_ANSWER = 256 * 1024 * 1024


class BadAnswer(AssertionError):
    """What came is not one well-formed HTTP/1.1 answer."""


@dataclass
class Response:
    """One answer. `headers` and `trailers` are in order, names as sent; `raw` is every byte of it."""

    version: int
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    chunked: bool = False
    raw: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that may come once; two are a failure."""
        values = self.all(name)
        if len(values) > 1:
            raise BadAnswer(f"{name} came {len(values)} times: {values}")
        return values[0] if values else None


def parse(data: bytes, *, head: bool = False, ended: bool = False) -> tuple[Response, int] | None:
    """The answer at the start of `data` and its length, or None when more bytes are needed.

    `head` says that the request was a HEAD; `ended` that the peer has closed. Raises BadAnswer.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    answer = _head(data[:end])
    start = end + 4
    if head or answer.status < 200 or answer.status in (204, 304):
        return _finish(answer, data, start)
    codings = [value.lower() for value in answer.all("transfer-encoding")]
    length = answer.header("content-length")
    if codings:
        if codings != ["chunked"] or length is not None:
            raise BadAnswer(f"framed by transfer-encoding {codings} and content-length {length}")
        return _chunked(answer, data, start)
    if length is not None:
        return _counted(answer, data, start, length)
    if not ended:
        return None
    answer.body = data[start:]
    return _finish(answer, data, len(data))


def _head(block: bytes) -> Response:
    first, *lines = block.split(b"\r\n")
    match = STATUS_LINE.fullmatch(first)
    if match is None:
        raise BadAnswer(f"status line {first!r}")
    version, status, reason = match.groups()
    return Response(int(version), int(status), reason.decode("latin-1"), _fields(lines))


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    fields = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        if match is None:
            raise BadAnswer(f"field line {line!r}")
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return fields


def _finish(answer: Response, data: bytes, end: int) -> tuple[Response, int]:
    answer.raw = data[:end]
    return answer, end


def _counted(answer: Response, data: bytes, start: int, length: str) -> tuple[Response, int] | None:
    if not length.isdigit():
        raise BadAnswer(f"content-length {length!r}")
    end = start + int(length)
    if len(data) < end:
        return None
    answer.body = data[start:end]
    return _finish(answer, data, end)


def _chunked(answer: Response, data: bytes, at: int) -> tuple[Response, int] | None:
    answer.chunked = True
    pieces: list[bytes] = []
    while (line_end := data.find(b"\r\n", at)) >= 0:
        match = CHUNK_LINE.fullmatch(data[at:line_end])
        if match is None:
            raise BadAnswer(f"chunk line {data[at:line_end]!r}")
        size, at = int(match[1], 16), line_end + 2
        if size == 0:
            answer.body = b"".join(pieces)
            return _trailers(answer, data, at)
        if len(data) < at + size + 2:
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise BadAnswer(f"chunk of {size} is followed by {data[at + size : at + size + 2]!r}")
        pieces.append(data[at : at + size])
        at += size + 2
    return None


def _trailers(answer: Response, data: bytes, at: int) -> tuple[Response, int] | None:
    if data[at : at + 2] == b"\r\n":
        return _finish(answer, data, at + 2)
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        return None
    answer.trailers = _fields(data[at:end].split(b"\r\n"))
    return _finish(answer, data, end + 4)


class RawClient:
    """A blocking connection. Every operation fails after `timeout` seconds."""

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str = "localhost",
        timeout: float = 10.0,
    ) -> None:
        plain = socket.create_connection((host, port), timeout=timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname=server_name) if tls else plain
        self.buffer = b""  # received and not yet part of an answer
        self._ended = False

    def send(self, data: bytes) -> "RawClient":
        self.socket.sendall(data)
        return self

    def send_in_pieces(self, data: bytes, size: int = 1) -> "RawClient":
        """Send `size` bytes per segment."""
        for start in range(0, len(data), size):
            self.socket.sendall(data[start : start + size])
        return self

    def _more(self) -> None:
        piece = self.socket.recv(1 << 18)
        self._ended = not piece
        self.buffer += piece
        if len(self.buffer) > MAX_ANSWER:
            raise BadAnswer(f"more than {MAX_ANSWER} bytes without an end")

    def response(self, *, head: bool = False) -> Response:
        """The next answer. BadAnswer when it is malformed or the connection ends before it is whole."""
        while (found := parse(self.buffer, head=head, ended=self._ended)) is None:
            if self._ended:
                raise BadAnswer(f"the connection ended within an answer: {self.buffer[:500]!r}")
            self._more()
        answer, end = found
        self.buffer = self.buffer[end:]
        return answer

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes, for what is not HTTP (a tunnel)."""
        while len(self.buffer) < count:
            if self._ended:
                raise BadAnswer(f"the connection ended after {len(self.buffer)} of {count} bytes")
            self._more()
        piece, self.buffer = self.buffer[:count], self.buffer[count:]
        return piece

    def rest(self) -> bytes:
        """All bytes until the peer closes; a reset counts as a close."""
        while not self._ended:
            with contextlib.suppress(ConnectionResetError):
                self._more()
                continue
            self._ended = True
        piece, self.buffer = self.buffer, b""
        return piece

    def closed(self) -> bool:
        """Wait for the peer to close; False when it sends something first or keeps the connection."""
        try:
            return self.rest() == b""
        except TimeoutError:
            return False

    def half_close(self) -> None:
        """Say that no more bytes will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRawClient:
    """The same for tests whose upstream lives in their own event loop: `async with AsyncRawClient(port) as client`."""

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str = "localhost",
        timeout: float = 10.0,
    ) -> None:
        self._where = (host, port, tls, server_name if tls else None)
        self._timeout = timeout
        self.buffer = b""
        self._ended = False

    async def __aenter__(self) -> "AsyncRawClient":
        host, port, tls, name = self._where
        opening = asyncio.open_connection(host, port, ssl=tls, server_hostname=name)
        self.reader, self.writer = await asyncio.wait_for(opening, self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), self._timeout)

    async def _more(self) -> None:
        piece = await asyncio.wait_for(self.reader.read(1 << 18), self._timeout)
        self._ended = not piece
        self.buffer += piece

    async def response(self, *, head: bool = False) -> Response:
        """The next answer, as RawClient.response."""
        while (found := parse(self.buffer, head=head, ended=self._ended)) is None:
            if self._ended:
                raise BadAnswer(f"the connection ended within an answer: {self.buffer[:500]!r}")
            await self._more()
        answer, end = found
        self.buffer = self.buffer[end:]
        return answer

    async def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        while len(self.buffer) < count:
            if self._ended:
                raise BadAnswer(f"the connection ended after {len(self.buffer)} of {count} bytes")
            await self._more()
        piece, self.buffer = self.buffer[:count], self.buffer[count:]
        return piece

    async def rest(self) -> bytes:
        """All bytes until the peer closes; a reset counts as a close."""
        while not self._ended:
            try:
                await self._more()
            except ConnectionResetError:
                self._ended = True
        piece, self.buffer = self.buffer, b""
        return piece
