"""TLS itself: sessions, versions, and clients that misbehave."""

import re
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.certs import Authority
from kit.raw import RawClient

from .conftest import GET, Sidecar, chosen, install


def s_client(it: Sidecar, *options: object) -> str:
    """What `openssl s_client` prints about a connection on which it makes a request."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{it.port}", "-servername", "localhost", "-ign_eof"]
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    done = subprocess.run([*command, *map(str, options)], input=request, capture_output=True, timeout=20, check=False)
    return done.stdout.decode()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_is_resumed_even_after_the_certificate_has_changed(
    sidecar: Callable[..., Sidecar], tmp_path: Path, certs: Path, authority: Authority, version: str
) -> None:
    it = sidecar()
    assert "New, TLSv" in s_client(it, version, "-sess_out", tmp_path / "session")
    assert "Reused, TLSv" in s_client(it, version, "-sess_in", tmp_path / "session")
    new = authority.server(fresh=True)
    install(new, certs)
    it.until_serves(new)
    assert "Reused, TLSv" in s_client(it, version, "-sess_in", tmp_path / "session")
    assert it.part.metric("https_sidecar_tls_handshakes_total", resumed="true") == 2


def test_a_version_below_the_least_is_refused_and_counted(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar(TLS_MIN_VERSION="1.3")
    with pytest.raises(ssl.SSLError):
        it.get(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert it.part.metric("https_sidecar_tls_handshake_failures_total", reason="version") == 1


def test_a_client_cannot_renegotiate(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{it.port}", "-tls1_2"]
    done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=20, check=False)
    assert re.search(rb"no renegotiation|alert|ssl3_read_bytes", done.stdout + done.stderr)


@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\x80garbage", b"\n"])
def test_garbage_is_cut_off_and_the_next_client_served(sidecar: Callable[..., Sidecar], garbage: bytes) -> None:
    it = sidecar(HANDSHAKE_TIMEOUT="1s")
    with RawClient(it.port) as client:
        client.send(garbage)
        assert b"HTTP" not in client.rest()
    assert it.get().status == 200
    assert "Traceback" not in it.part.log()


def test_a_host_name_that_is_not_ascii_leaves_no_traceback(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = it.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    with RawClient(it.port) as client:
        client.send(outgoing.read().replace(b"localhost", b"local\xffost")).rest()
    assert it.get().status == 200
    assert "Traceback" not in it.part.log()
    assert it.part.metric("https_sidecar_tls_handshake_failures_total") == 1


def test_a_handshake_that_takes_too_long_is_cut(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar(HANDSHAKE_TIMEOUT="200ms")
    with RawClient(it.port) as client:
        assert client.closed()
    assert it.part.metric("https_sidecar_tls_handshake_failures_total", reason="timeout") == 1


def test_alpn_is_agreed_on(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar(ALPN="http/1.1")
    context = it.context()
    context.set_alpn_protocols(["http/1.1"])
    with RawClient(it.port, tls=context) as client:
        assert chosen(client) == "http/1.1"


def test_stopping_finishes_the_request_under_way(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar()
    with it.connect() as client:
        client.send(GET[:-2])
        client.send(b"\r\n")
        assert client.response().status == 200
    assert it.part.stop() == 0
