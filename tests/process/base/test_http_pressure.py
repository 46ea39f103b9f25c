"""A side that does not read pauses the other side: memory stays bounded, and nothing is lost when it reads again."""

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

from kit.plain import PlainProxy, Start
from kit.raw import RawClient
from kit.upstream import Exchange, Upstream, echo_stream, says
from kit.wait import until

Make = Callable[..., Upstream]
MB = 1 << 20
BOUND = 24 * MB  # allocator and socket buffers of this side included; without back-pressure it would be the whole body


class Endless:
    """A behaviour that sends until nobody takes more, and knows how much it has sent."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent = 0

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
        while self.sent < self.size:
            await exchange.send(bytes(min(MB // 4, self.size - self.sent)))
            self.sent += min(MB // 4, self.size - self.sent)


def small_window(running: PlainProxy) -> RawClient:
    """A client whose kernel takes little, so that it is the proxy that has to hold or to wait.

    A few segments at least (64 KB each on the loopback): below that the kernel waits for timers.
    """
    client = running.client(timeout=20)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
    return client


def steady(value: Callable[[], int]) -> Callable[[], bool]:
    """Whether the value was the same at several looks in a row."""
    seen: list[int] = []

    def condition() -> bool:
        seen.append(value())
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    return condition


def test_a_client_that_does_not_read_pauses_the_upstream(proxy: Start, upstream: Make) -> None:
    endless = Endless(200 * MB)
    running = proxy(upstream(default=endless).address)
    before = running.memory()
    with small_window(running) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: endless.sent > 0, why="the upstream sends")
        until(steady(lambda: endless.sent), why="the upstream is paused", timeout=20)
        assert endless.sent < 60 * MB
        assert running.memory() < before + BOUND


def test_an_upstream_that_does_not_read_pauses_the_client(proxy: Start, upstream: Make) -> None:
    gate = threading.Event()
    size, sent = 100 * MB, 0

    async def unread(exchange: Exchange) -> None:
        exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.get_running_loop().run_in_executor(None, gate.wait, 20)
        exchange.writer.transport.resume_reading()  # type: ignore[attr-defined]
        left = size
        while left:
            left -= len(await exchange.reader.read(left))
        exchange.request.whole = True
        await exchange.answer(body=b"all of it")

    running = proxy(upstream(default=unread).address)
    before = running.memory()
    with running.client(timeout=20) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        client.socket.setblocking(False)

        def push() -> int:
            nonlocal sent
            try:
                while sent < size:
                    sent += client.socket.send(bytes(min(MB, size - sent)))
            except BlockingIOError:
                pass
            return sent

        until(steady(push), why="the client is paused", timeout=20)
        assert sent < 60 * MB
        assert running.memory() < before + BOUND
        client.socket.settimeout(20)
        gate.set()
        while sent < size:
            sent += client.socket.send(bytes(min(MB, size - sent)))
        assert client.response().body == b"all of it"


@pytest.mark.parametrize("lines", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_slow_reader_gets_the_whole_answer(version: bytes, lines: bytes, proxy: Start, upstream: Make) -> None:
    """Also when the upstream has long finished and the connection is to be closed: it is not cut off while it reads."""
    body = bytes(range(256)) * 32_768
    running = proxy(upstream(default=says(body)).address)
    with small_window(running) as client:
        client.send(b"GET / HTTP/%b\r\nHost: x\r\n%b\r\n" % (version, lines))
        until(
            lambda: running.metric("plain_proxy_requests_total", upstream="app") or _sip(client),
            timeout=60,
            why="the exchange ended",
        )
        # Longer than a lingering close may take when nothing is left to send: the last bytes are still here.
        _idle_for(2.6)
        assert client.response().body == body


def _sip(client: RawClient) -> bool:
    client.buffer += client.socket.recv(262_144)
    return False


def _idle_for(seconds: float) -> None:
    """The one wait for time itself: what is tested is that time alone does not end something."""
    threading.Event().wait(seconds)


def test_the_connection_behind_a_slow_reader_serves_again(proxy: Start, upstream: Make) -> None:
    """Its reading was paused when the answer ended; whoever gets it next must hear its answer."""
    big = says(bytes(8 * MB))
    server = upstream({"/big": big}, default=says(b"small"))
    running = proxy(server.address, UPSTREAM_CONNECTIONS=1)
    with small_window(running) as slow:
        slow.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        until(
            lambda: running.metric("plain_proxy_requests_total", upstream="app") or _sip(slow),
            timeout=60,
            why="the upstream has finished",
        )
        with running.client() as other:
            for _ in range(3):
                assert other.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").response().body == b"small"
        assert len(slow.response().body) == 8 * MB


def test_a_client_that_takes_no_more_is_cut_off_in_time(proxy: Start, upstream: Make) -> None:
    endless = Endless(100 * MB)
    server = upstream(default=endless)
    running = proxy(server.address, STALL_TIMEOUT="300ms")
    with small_window(running) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: running.events("request refused", status=408), why="it is cut off", show=running.log)
        until(lambda: server.connections == 0, why="the upstream is let go")


def test_a_client_that_reads_slowly_but_steadily_is_not_cut_off(proxy: Start, upstream: Make) -> None:
    size = 24 * MB
    running = proxy(upstream(default=Endless(size)).address, STALL_TIMEOUT="500ms", RESPONSE_TIMEOUT="500ms")
    with small_window(running) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        received = 0
        while received < size:
            received += len(client.socket.recv(65_536))
    assert running.events("request refused") == []


def test_requests_sent_ahead_wait_while_their_client_does_not_read(proxy: Start, upstream: Make) -> None:
    server = upstream(default=says(bytes(3 * MB)))
    running = proxy(server.address)
    before = running.memory()
    with small_window(running) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
        until(lambda: server.seen, why="the first arrived")
        until(steady(lambda: len(server.seen)), why="no more are asked")
        assert len(server.seen) < 10
        assert running.memory() < before + BOUND
        assert sum(len(client.response().body) for _ in range(40)) == 120 * MB


def test_both_directions_of_one_exchange_are_bounded(proxy: Start, upstream: Make) -> None:
    """A client that sends without end and reads nothing, an upstream that echoes."""
    running = proxy(upstream(default=echo_stream).address)
    before = running.memory()
    with small_window(running) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.socket.setblocking(False)
        sent = 0
        chunk = b"%x\r\n%b\r\n" % (MB, bytes(MB))
        pending = b""

        def push() -> int:
            nonlocal sent, pending
            try:
                while sent < 200 * MB:
                    pending = pending or chunk
                    done = client.socket.send(pending)
                    sent += done
                    pending = pending[done:]
            except BlockingIOError:
                pass
            return sent

        until(steady(push), why="the client is paused", timeout=20)
        assert sent < 100 * MB
        assert running.memory() < before + BOUND
