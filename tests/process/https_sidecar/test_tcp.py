"""MODE=tcp: TLS in front of any protocol."""

import socket
import ssl
from collections.abc import Callable

import pytest

from kit.certs import Authority
from kit.raw import RawClient
from kit.servers import Redis

from .conftest import Sidecar, chosen


def test_redis_speaks_over_tls(sidecar: Callable[..., Sidecar], redis: Callable[..., Redis]) -> None:
    it = sidecar(MODE="tcp", UPSTREAM=f"127.0.0.1:{redis().port}")
    with it.connect() as client:
        client.send(b"SET key value\r\nGET key\r\n")
        assert client.read(16) == b"+OK\r\n$5\r\nvalue\r\n"


def test_ten_megabytes_pass_both_ways(sidecar: Callable[..., Sidecar], redis: Callable[..., Redis]) -> None:
    it = sidecar(MODE="tcp", UPSTREAM=f"127.0.0.1:{redis().port}")
    value = bytes(range(256)) * 40960
    with it.connect() as client:
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\nGET k\r\n" % (len(value), value))
        assert client.read(5) == b"+OK\r\n"
        header = b"$%d\r\n" % len(value)
        assert client.read(len(header)) == header
        assert client.read(len(value)) == value


def test_a_client_that_no_rule_admits_is_closed(
    sidecar: Callable[..., Sidecar], redis: Callable[..., Redis], authority: Authority
) -> None:
    it = sidecar(
        MODE="tcp", UPSTREAM=f"127.0.0.1:{redis().port}", CLIENT_CA_PATH=authority.certificate, CLIENT_ALLOW="cn=web"
    )
    with it.connect(authority.client("other")) as client:
        assert client.send(b"PING\r\n").rest() == b""
    with it.connect(authority.client("web")) as client:
        assert client.send(b"PING\r\n").read(7) == b"+PONG\r\n"
    assert it.part.metric("https_sidecar_tls_handshake_failures_total", reason="not_admitted") == 1


def test_alpn_names_are_the_operators(sidecar: Callable[..., Sidecar], redis: Callable[..., Redis]) -> None:
    it = sidecar(MODE="tcp", UPSTREAM=f"127.0.0.1:{redis().port}", ALPN="redis,other")
    context = it.context()
    context.set_alpn_protocols(["redis"])
    with RawClient(it.port, tls=context) as client:
        assert chosen(client) == "redis"


def test_a_half_closed_connection_still_gets_its_answer(sidecar: Callable[..., Sidecar]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        it = sidecar(MODE="tcp", UPSTREAM=f"127.0.0.1:{server.getsockname()[1]}")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = it.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", it.port), 10) as plain:
            shake(client, incoming, outgoing, plain)
            application = accept_talker(server)
            client.write(b"question")
            with pytest.raises(ssl.SSLWantReadError):
                client.unwrap()  # close_notify
            plain.sendall(outgoing.read())
            assert read_all(application) == b"question"
            application.sendall(b"answer")
            application.close()
            answer = b""
            while not answer:
                incoming.write(plain.recv(65536))
                answer = drain(client)
            assert answer == b"answer"


def shake(client: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, plain: socket.socket) -> None:
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))
        else:
            plain.sendall(outgoing.read())
            return


def accept_talker(server: socket.socket) -> socket.socket:
    """The connection that stays: the sidecar also looks whether the application is there, and closes at once."""
    server.settimeout(10)
    while True:
        connection, _ = server.accept()
        connection.settimeout(0.5)
        try:
            if connection.recv(1, socket.MSG_PEEK) == b"":
                connection.close()
                continue
        except TimeoutError:
            pass
        connection.settimeout(10)
        return connection


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def drain(client: ssl.SSLObject) -> bytes:
    data = b""
    try:
        while piece := client.read(65536):
            data += piece
    except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
        pass
    return data
