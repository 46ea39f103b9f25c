"""The TCP proxy: bytes both ways, half-closes, back-pressure, PROXY headers out, clients and servers that vanish."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from kit.plain import Start
from kit.ports import listening
from kit.raw import RawClient
from kit.wait import until

RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
Handle = Callable[[socket.socket], None]
Serve = Callable[[Handle], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(handle)`: a TCP server, a thread for each connection; returns its address."""
    with contextlib.ExitStack() as stack:

        def maker(handle: Handle) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            stack.callback(listener.shutdown, socket.SHUT_RDWR)

            def one(connection: socket.socket) -> None:
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(20)
                    handle(connection)

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield maker


def echo(connection: socket.socket) -> None:
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


def all_then_answer(connection: socket.socket) -> None:
    """Speaks only when the client has said all, as `nc -N` servers do."""
    heard = b""
    while piece := connection.recv(1 << 16):
        heard += piece
    connection.sendall(b"heard %d" % len(heard))


@pytest.mark.parametrize("size", [1, 65_536, 3_000_000])
def test_bytes_pass_both_ways(size: int, tcp: Start, serve: Serve) -> None:
    data = b"".join(b"%08x" % i for i in range(size // 8 + 1))[:size]
    with tcp(serve(echo)).client() as client:
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        assert client.read(size) == data
        sender.join()


def test_a_server_that_speaks_first_is_heard(tcp: Start, serve: Serve) -> None:
    def greets(connection: socket.socket) -> None:
        connection.sendall(b"220 ready\r\n")
        echo(connection)

    with tcp(serve(greets)).client() as client:
        assert client.read(11) == b"220 ready\r\n"
        assert client.send(b"x").read(1) == b"x"


def test_a_client_that_has_said_all_still_hears(tcp: Start, serve: Serve) -> None:
    running = tcp(serve(all_then_answer))
    with running.client() as client:
        client.send(b"x" * 500_000).half_close()
        assert client.rest() == b"heard 500000"
    until(lambda: running.metric("plain_tcp_tcp_connections") == 0, why="nothing is left open")


def test_a_server_that_has_said_all_still_hears(tcp: Start, serve: Serve) -> None:
    heard: list[bytes] = []

    def says_then_listens(connection: socket.socket) -> None:
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(b"".join(iter(lambda: connection.recv(1 << 16), b"")))

    running = tcp(serve(says_then_listens))
    with running.client() as client:
        assert client.rest() == b"bye"
        client.send(b"x" * 300_000).half_close()
        until(lambda: any(heard), why="the server has heard all")
    assert max(map(len, heard)) == 300_000, "the other one is the look whether the upstream is there"
    until(lambda: running.metric("plain_tcp_tcp_connections") == 0, why="nothing is left open")


def test_no_server_closes_the_connection_and_is_logged(tcp: Start, free_port: Callable[[], int]) -> None:
    running = tcp(f"127.0.0.1:{free_port()}", ready=False)
    with running.client() as client:
        assert client.rest() == b""
    until(lambda: "cannot connect to 127.0.0.1" in running.log(), why="it is logged")
    assert running.code is None


def test_a_client_that_does_not_read_pauses_its_server(tcp: Start, serve: Serve) -> None:
    sent = 0

    def floods(connection: socket.socket) -> None:
        nonlocal sent
        while sent < 200 << 20:
            sent += connection.send(bytes(1 << 18))

    running = tcp(serve(floods))
    before = running.memory()
    with running.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        looks: list[int] = []

        def paused() -> bool:
            looks.append(sent)
            return sent > 0 and len(looks) > 10 and len(set(looks[-10:])) == 1

        until(paused, why="the server is paused", timeout=20)
        assert sent < 60 << 20
        assert running.memory() < before + (24 << 20)


@pytest.mark.parametrize(
    ("announce", "beginning"),
    [("v1", b"PROXY TCP4 127.0.0.1 127.0.0.1 "), ("v2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\1\x7f\0\0\1")],
)
@pytest.mark.parametrize("listen", ["127.0.0.1", ""], ids=["IPv4", "both families"])
def test_the_server_is_told_who_the_client_is(
    listen: str, announce: str, beginning: bytes, tcp: Start, serve: Serve, free_port: Callable[[], int]
) -> None:
    port = free_port()
    tcp(serve(echo), LISTEN=f"{listen}:{port}", ANNOUNCE=announce)
    with RawClient(port) as client:
        own = client.socket.getsockname()[1]
        client.send(b"data")
        header = client.read(len(beginning))
        assert header == beginning
        if announce == "v1":
            line = b"%d %d\r\n" % (own, port)
            assert client.read(len(line) + 4) == line + b"data"
        else:
            assert client.read(8) == own.to_bytes(2, "big") + port.to_bytes(2, "big") + b"data"


def test_clients_that_vanish_while_their_server_is_dialled_do_no_harm(tcp: Start, serve: Serve) -> None:
    running = tcp(serve(echo), ANNOUNCE="v1")
    for _ in range(300):
        client = running.client()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
    with running.client() as client:
        client.send(b"x")
        assert client.read(6) == b"PROXY "
    assert running.code is None
    assert "crash" not in running.log()
    until(lambda: running.metric("plain_tcp_tcp_connections") == 0, why="nothing is left open")


def test_a_client_that_resets_ends_its_server(tcp: Start, serve: Serve) -> None:
    ended = threading.Event()

    def listens(connection: socket.socket) -> None:
        try:
            while connection.recv(100):
                pass
        finally:
            ended.set()

    running = tcp(serve(listens))
    client = running.client()
    client.send(b"hello")
    until(lambda: running.metric("plain_tcp_tcp_connections") == 1, why="it is connected")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    assert ended.wait(10)


def test_clients_beyond_the_most_are_closed(tcp: Start, serve: Serve) -> None:
    running = tcp(serve(echo), MAX_CONNECTIONS=2)
    with running.client() as one, running.client() as two:
        assert one.send(b"x").read(1) == two.send(b"x").read(1)
        with running.client() as late:
            assert late.rest() == b""
        assert one.send(b"y").read(1) == b"y"


def test_a_connection_that_is_silent_for_long_is_closed(tcp: Start, serve: Serve) -> None:
    running = tcp(serve(echo), TUNNEL_TIMEOUT="500ms")
    with running.client() as client:
        assert client.send(b"x").read(1) == b"x"
        assert client.rest() == b""


def test_draining_waits_for_connections_and_then_ends_them(tcp: Start, serve: Serve) -> None:
    running = tcp(serve(echo), SHUTDOWN_GRACE="1s")
    with running.client() as client:
        assert client.send(b"x").read(1) == b"x"
        running.signal(signal.SIGTERM)
        until(lambda: not listening(running.port), why="it accepts no more")
        assert client.send(b"y").read(1) == b"y"
        assert client.rest() == b""
    assert running.wait() == 0
