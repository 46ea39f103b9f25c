"""Switched protocols: WebSocket frames both ways, half-closes, and requests that must not become a tunnel."""

import os
import socket
import struct
import threading
from collections.abc import Callable

import pytest

from kit.plain import Start
from kit.raw import RawClient
from kit.upstream import Exchange, Upstream, echo, sends, websocket_echo
from kit.wait import until

Make = Callable[..., Upstream]
SHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(payload: bytes, opcode: int = 2) -> bytes:
    """A masked frame, as clients send them (RFC 6455 section 5.2)."""
    mask = os.urandom(4)
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def shaken(client: RawClient) -> RawClient:
    """The client behind a handshake that succeeded."""
    answer = client.send(SHAKE).response()
    assert answer.status == 101
    assert answer.header("connection") == "Upgrade"
    assert answer.header("upgrade") == "websocket"
    assert answer.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    return client


@pytest.mark.parametrize("size", [0, 5, 125, 126, 65_535, 65_536, 1_000_000])
def test_frames_pass_both_ways(size: int, proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=websocket_echo).address)
    with shaken(running.client()) as client:
        for payload in (os.urandom(size), b"next"):
            sent = frame(payload)
            sender = threading.Thread(target=client.send, args=(sent,))
            sender.start()
            assert client.read(len(sent)) == sent
            sender.join()


def test_frames_sent_with_the_handshake_are_not_lost(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=websocket_echo).address)
    sent = frame(b"eager")
    with running.client() as client:
        assert client.send(SHAKE + sent).response().status == 101
        assert client.read(len(sent)) == sent


def test_frames_sent_with_the_answer_are_not_lost(proxy: Start, upstream: Make) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
    running = proxy(upstream(default=sends(switched)).address)
    with running.client() as client:
        assert client.send(SHAKE).response().status == 101
        assert client.read(7) == b"\x81\x05hello"


def test_a_client_that_has_said_all_still_hears(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=websocket_echo).address)
    with shaken(running.client()) as client:
        sent = frame(b"last words" * 20_000)
        client.send(sent).half_close()
        assert client.read(len(sent)) == sent
        assert client.rest() == b""
    until(lambda: running.metric("plain_proxy_requests_in_flight") == 0, why="the tunnel has ended")
    until(lambda: running.metric("plain_proxy_client_connections") == 0, why="nothing is left open")
    until(lambda: running.metric("plain_proxy_upstream_connections") == 0, why="nothing is left open")


def test_a_server_that_has_said_all_still_hears(proxy: Start, upstream: Make) -> None:
    heard: list[bytes] = []

    async def says_and_listens(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nbye")
        exchange.writer.write_eof()
        heard.append(await exchange.reader.read())
        exchange.close()

    running = proxy(upstream(default=says_and_listens).address)
    with running.client() as client:
        assert client.send(SHAKE).response().status == 101
        assert client.rest() == b"bye"
        client.send(b"x" * 300_000).half_close()
        until(lambda: heard, why="the server has heard all")
    assert heard == [b"x" * 300_000]
    until(lambda: running.metric("plain_proxy_requests_in_flight") == 0, why="the tunnel has ended")
    until(lambda: running.metric("plain_proxy_upstream_connections") == 0, why="nothing is left open")


def test_a_client_that_vanishes_ends_the_tunnel(proxy: Start, upstream: Make) -> None:
    server = upstream(default=websocket_echo)
    running = proxy(server.address)
    client = shaken(running.client())
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
    until(lambda: server.connections == 0, why="the upstream is let go")
    until(lambda: running.metric("plain_proxy_requests_in_flight") == 0, why="the tunnel has ended")


def test_a_tunnel_outlives_the_timeouts_of_requests_but_not_its_own(proxy: Start, upstream: Make) -> None:
    running = proxy(
        upstream(default=websocket_echo).address,
        RESPONSE_TIMEOUT="100ms", IDLE_TIMEOUT="100ms", STALL_TIMEOUT="100ms", HEAD_TIMEOUT="100ms",
        TUNNEL_TIMEOUT="1s",
    )  # fmt: skip
    with shaken(running.client()) as client:
        for _ in range(3):
            threading.Event().wait(0.3)  # the time itself is what is tested
            client.send(b"\x81\x00")
            assert client.read(2) == b"\x81\x00"
        assert client.rest() == b""


def test_an_upstream_that_declines_leaves_an_ordinary_connection(proxy: Start, upstream: Make) -> None:
    server = upstream(default=echo)
    with proxy(server.address).client() as client:
        assert client.send(SHAKE).response().status == 200
        assert client.send(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n").response().status == 200
    assert [one.target for one in server.seen] == ["/chat", "/next"]


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        b"Connection: Upgrade\r\nUpgrade: H2C\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: upgrade\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
    ],
    ids=["h2c", "H2C", "h2c behind another", "h2c in a second line", "no Connection", "no Upgrade", "a body"],
)
def test_what_must_not_become_a_tunnel_is_an_ordinary_request(lines: bytes, proxy: Start, upstream: Make) -> None:
    """HTTP/2 in clear text would carry requests past every check (h2c smuggling)."""
    server = upstream(default=echo)
    with proxy(server.address).client() as client:
        body = b"hello" if b"Content-Length" in lines else b""
        assert client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n" + body).response().status == 200
    (seen,) = server.seen
    assert (seen.all("upgrade"), seen.all("connection"), seen.all("http2-settings")) == ([], [], [])


def test_an_upgrade_of_http_1_0_is_an_ordinary_request(proxy: Start, upstream: Make) -> None:
    server = upstream(default=echo)
    with proxy(server.address).client() as client:
        client.send(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").response()
    assert server.seen[0].all("upgrade") == []


def test_requests_behind_an_upgrade_are_not_served_before_it_is_decided(proxy: Start, upstream: Make) -> None:
    server = upstream(default=websocket_echo)
    behind = b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
    with proxy(server.address).client() as client:
        assert client.send(SHAKE + behind).response().status == 101
        assert client.read(len(behind)) == behind, "it is data of the tunnel"
    assert [one.target for one in server.seen] == ["/chat"]


def test_a_tunnel_whose_client_does_not_read_pauses_its_server(proxy: Start, upstream: Make) -> None:
    sent = 0

    async def floods(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        while sent < 200 << 20:
            await exchange.send(bytes(1 << 18))
            sent += 1 << 18

    running = proxy(upstream(default=floods).address)
    before = running.memory()
    with running.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        client.send(SHAKE)
        looks: list[int] = []

        def paused() -> bool:
            looks.append(sent)
            return sent > 0 and len(looks) > 10 and len(set(looks[-10:])) == 1

        until(paused, why="the server is paused", timeout=20)
        assert sent < 60 << 20
        assert running.memory() < before + (24 << 20)
