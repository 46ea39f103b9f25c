"""Stopping, draining, several workers: what is under way finishes, what is new goes elsewhere."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable

from kit.plain import PlainProxy, Start
from kit.ports import listening
from kit.raw import BadAnswer
from kit.upstream import Exchange, Upstream, says, websocket_echo
from kit.wait import until

Make = Callable[..., Upstream]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Gate:
    """An upstream's behaviour that answers when the test says so."""

    def __init__(self, body: bytes = b"late") -> None:
        self.open = threading.Event()
        self.body = body

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.body()
        await asyncio.get_running_loop().run_in_executor(None, self.open.wait, 20)
        await exchange.answer(body=self.body)


def stopping(running: PlainProxy) -> PlainProxy:
    """Asked to stop, and no longer accepting."""
    running.signal(signal.SIGTERM)
    until(lambda: not listening(running.port), why="it accepts no more")
    return running


def test_a_request_under_way_is_answered_and_new_connections_are_refused(proxy: Start, upstream: Make) -> None:
    gate = Gate()
    server = upstream(default=gate)
    running = proxy(server.address)
    with running.client() as client:
        client.send(GET)
        until(lambda: server.seen, why="the request is under way")
        stopping(running)
        gate.open.set()
        answer = client.response()
        assert (answer.body, answer.header("connection")) == (b"late", "close")
        assert client.rest() == b""
    assert running.wait() == 0
    assert running.events("aborted what was still in flight") == []


def test_idle_connections_are_closed_at_once(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address)
    with running.client() as client:
        client.send(GET).response()
        running.signal(signal.SIGTERM)
        assert client.rest() == b""
    assert running.wait() == 0


def test_while_stopping_is_announced_each_answer_is_its_connections_last(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, SHUTDOWN_DELAY="20s")
    with running.client() as client:
        assert client.send(GET).response().header("connection") is None
        running.signal(signal.SIGTERM)
        until(lambda: running.events("stopping"), why="it is stopping")
        assert client.send(GET).response().header("connection") == "close"
        assert client.rest() == b""
    with running.client() as late:
        assert late.send(GET).response().status == 200
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_an_answer_is_sent_whole_before_the_end(proxy: Start, upstream: Make) -> None:
    """The exchange is over for the upstream; the client, a slow one, has not taken all of it."""
    body = bytes(range(256)) * 32_768
    running = proxy(upstream(default=says(body)).address)
    with running.client(timeout=20) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        client.send(GET)

        def taken() -> float:
            client.buffer += client.socket.recv(262_144)
            return running.metric("plain_proxy_requests_total", upstream="app")

        until(taken, why="the exchange is over", timeout=30)
        stopping(running)
        assert client.response().body == body
    assert running.wait() == 0


def test_a_head_that_was_begun_is_served(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=says(b"yes")).address)
    with running.client() as client:
        client.send(GET[:20])
        until(lambda: running.metric("plain_proxy_client_connections") == 1, why="it is connected")
        stopping(running)
        assert client.send(GET[20:]).response().body == b"yes"
    assert running.wait() == 0


def test_what_takes_longer_than_the_grace_is_aborted_and_said(proxy: Start, upstream: Make) -> None:
    gate = Gate()
    server = upstream(default=gate)
    running = proxy(server.address, SHUTDOWN_GRACE="300ms")
    with running.client() as client:
        client.send(GET)
        until(lambda: server.seen, why="the request is under way")
        running.signal(signal.SIGTERM)
        assert client.rest() == b""
    assert running.wait() == 0
    assert len(running.events("aborted what was still in flight", count=1)) == 1
    gate.open.set()


def test_a_tunnel_is_waited_for(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=websocket_echo).address)
    with running.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.response().status == 101
        stopping(running)
        client.send(b"still")
        assert client.read(5) == b"still"
        client.half_close()
        assert client.rest() == b""
    assert running.wait() == 0


def test_no_request_is_lost_when_it_stops_under_load(proxy: Start, upstream: Make) -> None:
    """Clients that go on elsewhere when told to close see no failure. A new connection may be refused, no more."""
    server = upstream(default=says(b"fine"))
    running = proxy(server.address, SHUTDOWN_DELAY="500ms")
    failures: list[str] = []
    served = [0]

    def load() -> None:
        with contextlib.suppress(ConnectionError):  # of connecting; within a connection they are failures
            while True:
                with running.client() as client:
                    until_told(client)

    def until_told(client: object) -> None:
        for number in range(1_000_000):
            try:
                answer = client.send(GET).response()  # type: ignore[attr-defined]
            except (BadAnswer, OSError) as problem:
                # A connection accepted by the kernel but never by the process is reset as a whole: nothing was served.
                if number:
                    failures.append(repr(problem))
                return
            served[0] += 1
            if answer.header("connection") == "close":
                return

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: served[0] > 300, why="there is load")
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    for thread in threads:
        thread.join()
    assert failures == []


def test_workers_share_the_port_and_their_sums_are_one(proxy: Start, upstream: Make) -> None:
    server = upstream(default=says(b"hi"))
    running = proxy(server.address, WORKERS=2)
    for _ in range(40):
        with running.client() as client:
            for _ in range(2):
                assert client.send(GET).response().body == b"hi"
    until(
        lambda: running.metric("plain_proxy_requests_total", upstream="app", status="2xx") == 80, why="all are counted"
    )
    assert running.metric("plain_proxy_client_connections_total") == 80 / 2
    assert running.stop() == 0


def test_workers_drain_as_one(proxy: Start, upstream: Make) -> None:
    gate = Gate()
    server = upstream(default=gate)
    running = proxy(server.address, WORKERS=2)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(running.client()) for _ in range(10)]
        for client in clients:
            client.send(GET)
        until(lambda: len(server.seen) == 10, why="all are under way")
        stopping(running)
        gate.open.set()
        assert [client.response().body for client in clients] == [b"late"] * 10
    assert running.wait() == 0
