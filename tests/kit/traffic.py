"""Numbered requests, and an upstream that writes down each number it serves: nothing lost, nothing doubled, or seen.

`Traffic` keeps so many clients busy, each on a connection of its own: GET and POST in turn, a new connection now and
then. The upstream (`Journal`) answers with the request's own number, so an answer that belongs to another request is
noticed at once. Afterwards `account` compares what clients got with what the upstream served.
"""

import asyncio
import contextlib
import itertools
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

from kit.raw import AsyncRawClient, BadAnswer, Response
from kit.wait import until_async

RECONNECT_EVERY = 20  # requests per connection, so that handshakes happen all the time


class Journal:
    """An HTTP/1.1 upstream that counts how often it served each number, and restarts as an orderly one does."""

    def __init__(self) -> None:
        self.port = 0
        self.served: Counter[int] = Counter()
        self.restarts = 0
        self.connections: set[_JournalConnection] = set()
        self._server: asyncio.AbstractServer | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Open the port; the second time the same one."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _JournalConnection(self), "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server

    async def stop(self) -> None:
        """As a well-behaved server does on SIGTERM: accept no more, then close every connection, all of them idle.

        An answer is written in the same turn of the loop in which its request is complete, so none is ever under way.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.connections):
            connection.transport.close()
        await until_async(lambda: not self.connections, why="the upstream's connections are closed")
        self.restarts += 1


class _JournalConnection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._journal.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._journal.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            number = self._buffer.split(b" ", 2)[1].rpartition(b"/")[2]
            self._buffer = self._buffer[end + 4 + length :]
            self._journal.served[int(number)] += 1
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(number), number))


@dataclass(frozen=True)
class Failure:
    """A request without its right answer."""

    number: int
    method: str
    why: str


@dataclass
class Traffic:
    """Clients of `port()`, which is asked for each new connection, so that a test can move them elsewhere."""

    port: Callable[[], int]
    clients: int = 16
    tls: ssl.SSLContext | None = None
    answered: dict[int, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    sent: int = 0
    waiting: int = 0
    closed_by_server: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _stopping: bool = False

    async def run(self) -> None:
        """Until `stop`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._client())

    def stop(self) -> None:
        """Every client ends after the request that it has under way."""
        self._stopping = True

    async def _client(self) -> None:
        while not self._stopping:
            try:
                async with AsyncRawClient(self.port(), tls=self.tls, timeout=30) as client:
                    await self._use(client)
            except (OSError, TimeoutError) as problem:
                number = next(self._numbers)
                self.sent += 1
                self.failures.append(Failure(number, "connect", repr(problem)))
                await asyncio.sleep(0.01)  # not a busy loop against a closed port

    async def _use(self, client: AsyncRawClient) -> None:
        for _ in range(RECONNECT_EVERY):
            number = next(self._numbers)
            method = "POST" if number % 2 else "GET"
            if self._stopping or not await self._exchange(client, number, method):
                return

    async def _exchange(self, client: AsyncRawClient, number: int, method: str) -> bool:
        """One request; whether the connection can be used again."""
        body = b"x" * (number % 2000) if method == "POST" else b""
        length = b"Content-Length: %d\r\n" % len(body) if method == "POST" else b""
        self.sent += 1
        self.waiting += 1
        try:
            await client.send(
                b"%b /n/%d HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (method.encode(), number, length) + body
            )
            answer = await client.response()
        except (OSError, BadAnswer, TimeoutError) as problem:
            self.failures.append(Failure(number, method, repr(problem)))
            return False
        finally:
            self.waiting -= 1
        return self._judge(number, method, answer)

    def _judge(self, number: int, method: str, answer: Response) -> bool:
        if (answer.status, answer.body) == (200, b"%d" % number):
            self.answered[number] = method
        else:
            self.failures.append(Failure(number, method, f"{answer.status} {answer.body[:100]!r}"))
        closing = "close" in (answer.header("connection") or "")
        self.closed_by_server += closing
        return not closing


@dataclass(frozen=True)
class Account:
    """What a run came to. `lost`: answered but never served; `doubled`: served more than once."""

    sent: int
    answered: int
    failed: int
    lost: int
    doubled: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def clean(self) -> bool:
        return not (self.failed or self.lost or self.doubled)


def account(traffic: Traffic, journal: Journal) -> Account:
    """Compare what the clients saw with what the upstream served."""
    doubled = [number for number, times in journal.served.items() if times > 1]
    lost = [number for number in traffic.answered if number not in journal.served]
    reasons = Counter(f"{failure.method}: {failure.why}" for failure in traffic.failures)
    return Account(
        traffic.sent,
        len(traffic.answered),
        len(traffic.failures),
        len(lost),
        len(doubled),
        tuple(reasons.most_common(10)),
    )


@contextlib.asynccontextmanager
async def under(traffic: Traffic) -> AsyncIterator[Traffic]:
    """Within the block the traffic runs; at its end every request that was sent has been answered or has failed."""
    task = asyncio.ensure_future(traffic.run())
    try:
        yield traffic
    finally:
        traffic.stop()
        await task
