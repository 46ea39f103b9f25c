"""An HTTP/1.1 upstream whose behaviour the test writes, and which remembers what reached it.

    async with Upstream({"/slow": held(event)}, default=echo) as upstream:
        ...
        assert upstream.seen[0].header("x-forwarded-for") == "127.0.0.1"

A behaviour is a coroutine function over an Exchange: it may read the body, send exact bytes, close or reset. Nothing
is done behind its back: no Date, no Server, no 100 Continue. The request is read strictly and by this file's own few
lines, apart from the parser under test, so that what a proxy forwards is judged by somebody else.
For a blocking test `with Upstream(...).in_thread() as upstream` runs it on a loop of its own.
"""

import asyncio
import base64
import contextlib
import hashlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import uvloop

from kit.raw import CHUNK_LINE, FIELD_LINE

MAX_HEAD = 1 << 20
WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


@dataclass
class Seen:
    """A request as it arrived. `head` is every byte of its head; `whole` turns true with the last byte of the body."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    head: bytes
    connection: int
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    whole: bool = False

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header, None when it is absent; two are a failure."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None


Behaviour = Callable[["Exchange"], Awaitable[None]]


class Malformed(Exception):
    """The proxy sent something that is not HTTP/1.1."""


class Exchange:
    """One request on a connection, and the means to answer it in any way, wrong ones included."""

    def __init__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.reader = reader
        self.writer = writer
        self.keep = True  # whether the connection is read for another request afterwards

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces; also kept in request.body."""
        async for piece in _body(self.request, self.reader):
            self.request.body += piece
            yield piece
        self.request.whole = True

    async def body(self) -> bytes:
        async for _ in self.chunks():
            pass
        return self.request.body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A plain answer with a length; to a HEAD without the body."""
        fields = {"Content-Length": str(len(body))} | dict(headers or {})
        head = f"HTTP/1.1 {status} As Told\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        await self.send(head.encode("latin-1") + (b"" if self.request.method == "HEAD" else body))

    def close(self) -> None:
        """Close in order, after what was sent."""
        self.keep = False
        self.writer.close()

    def reset(self) -> None:
        """Close with a TCP reset, as a crashed process or a firewall would."""
        self.keep = False
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def _parse_fields(lines: list[bytes]) -> list[tuple[str, str]]:
    fields = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        if match is None:
            raise Malformed(f"field line {line!r}")
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return fields


async def _request(reader: asyncio.StreamReader, connection: int) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as problem:
        if problem.partial:
            raise Malformed(f"the connection ended within a head: {problem.partial!r}") from None
        return None
    first, *lines = head[:-4].split(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3:
        raise Malformed(f"request line {first!r}")
    return Seen(words[0], words[1], words[2], _parse_fields(lines), head, connection)


async def _body(request: Seen, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    codings, lengths = request.all("transfer-encoding"), request.all("content-length")
    if (codings and lengths) or len(lengths) > 1 or codings not in ([], ["chunked"]):
        raise Malformed(f"framed by transfer-encoding {codings} and content-length {lengths}")
    if codings:
        async for piece in _chunks(request, reader):
            yield piece
    left = int(lengths[0]) if lengths else 0
    while left:
        piece = await reader.read(min(left, 1 << 16))
        if not piece:
            raise Malformed(f"the connection ended {left} bytes before the end of the body")
        left -= len(piece)
        yield piece


async def _chunks(request: Seen, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = (await reader.readuntil(b"\r\n"))[:-2]
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Malformed(f"chunk line {line!r}")
        size = int(match[1], 16)
        if size == 0:
            break
        yield await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise Malformed("a chunk has no end")
    lines = []
    while line := (await reader.readuntil(b"\r\n"))[:-2]:
        lines.append(line)
    request.trailers = _parse_fields(lines)


class Upstream:
    """Listens on `.port`; `seen` are the requests in order of arrival, `problems` what was wrong with the proxy's HTTP.

    `routes` maps a path (without query) to a behaviour; every other path gets `default`.
    """

    def __init__(self, routes: Mapping[str, Behaviour] | None = None, *, default: "Behaviour | None" = None) -> None:
        self.routes = dict(routes or {})
        self.default: Behaviour = default or echo
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        self.opened = 0
        self.port = 0
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    async def listen(self, port: int = 0) -> None:
        """Start to listen; with a port given, the second time on the same one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=MAX_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset what is open, as a crash would. `listen(upstream.port)` brings it back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await asyncio.sleep(0)  # a connection accepted in this turn of the loop begins to be served, and is known then
        await asyncio.sleep(0)
        for writer, task in tuple(self._open.items()):
            writer.transport.abort()
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._open[writer] = asyncio.current_task()
        try:
            await self._exchanges(self.opened, reader, writer)
        except (Malformed, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as problem:
            self.problems.append(f"connection {self.opened}: {problem}")
        except (OSError, asyncio.CancelledError):
            pass  # the other side has gone, or stop() was called; both are what the test asked for
        finally:
            self._open.pop(writer, None)
            writer.close()

    async def _exchanges(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await _request(reader, number):
            self.seen.append(request)
            exchange = Exchange(request, reader, writer)
            behaviour = self.routes.get(request.target.partition("?")[0], self.default)
            await behaviour(exchange)
            if not exchange.keep or request.header("connection") == "close":
                return
            if not request.whole:
                await exchange.body()

    async def __aenter__(self) -> "Upstream":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @contextlib.contextmanager
    def in_thread(self) -> Iterator["Upstream"]:
        """Run on an event loop in a thread of its own, for a test that blocks."""
        loop = uvloop.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="upstream")
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.listen(), loop).result(10)
            yield self
            asyncio.run_coroutine_threadsafe(self.stop(), loop).result(10)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


async def echo(exchange: Exchange) -> None:
    """Answer with the request's body."""
    await exchange.answer(body=await exchange.body())


async def echo_stream(exchange: Exchange) -> None:
    """Answer chunked, each piece of the body as soon as it comes; the trailers come back as trailers."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    async for piece in exchange.chunks():
        await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    lines = "".join(f"{name}: {value}\r\n" for name, value in exchange.request.trailers)
    await exchange.send(b"0\r\n" + lines.encode("latin-1") + b"\r\n")


async def show_head(exchange: Exchange) -> None:
    """Answer with the head as it arrived, byte for byte."""
    await exchange.body()
    await exchange.answer(body=exchange.request.head)


async def close_unanswered(exchange: Exchange) -> None:
    """Close in order without an answer."""
    exchange.close()


async def reset_unanswered(exchange: Exchange) -> None:
    """Reset the connection without an answer."""
    exchange.reset()


def says(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Read the request, then give this answer."""

    async def behaviour(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer(status, body, headers)

    return behaviour


def sends(*pieces: bytes, then_close: bool = False) -> Behaviour:
    """Read the request, then send exactly these bytes, each in a write of its own: partial and malformed answers."""

    async def behaviour(exchange: Exchange) -> None:
        await exchange.body()
        for piece in pieces:
            await exchange.send(piece)
        if then_close:
            exchange.close()

    return behaviour


def held(event: asyncio.Event, body: bytes = b"") -> Behaviour:
    """Read the request, then answer when the test sets `event`."""

    async def behaviour(exchange: Exchange) -> None:
        await exchange.body()
        await event.wait()
        await exchange.answer(body=body)

    return behaviour


def chunked(*pieces: bytes, trailers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer in these chunks, each in a write of its own, and trailers."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items()).encode("latin-1")
    frames = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *frames, b"0\r\n" + lines + b"\r\n")


async def continue_then_echo(exchange: Exchange) -> None:
    """Ask for the body with 100 Continue, then echo it."""
    await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await echo(exchange)


async def refuse_before_body(exchange: Exchange) -> None:
    """Answer 417 without reading the body, and close."""
    await exchange.answer(417, b"", {"Connection": "close"})
    exchange.close()


async def websocket_echo(exchange: Exchange) -> None:
    """Accept a WebSocket and give every byte back as it comes: the frames are the client's own business."""
    key = exchange.request.header("sec-websocket-key") or ""
    accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_KEY).digest())
    exchange.writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while piece := await exchange.reader.read(1 << 16):
        await exchange.send(piece)
    exchange.close()
