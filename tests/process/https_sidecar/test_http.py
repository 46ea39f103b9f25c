"""HTTP over TLS, and what plain HTTP is answered."""

from collections.abc import Callable

import pytest

from kit.raw import RawClient
from kit.upstream import Upstream, says

from .conftest import GET, Sidecar


def test_the_application_learns_that_the_client_used_https(sidecar: Callable[..., Sidecar]) -> None:
    answer = sidecar().get()
    assert b"X-Forwarded-Proto: https\r\n" in answer.body
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in answer.body


def test_hsts_replaces_what_the_application_says(sidecar: Callable[..., Sidecar], app: Upstream) -> None:
    app.default = says(b"x", headers={"Strict-Transport-Security": "max-age=1"})
    assert sidecar(HSTS="365d").get().all("strict-transport-security") == ["max-age=31536000"]


@pytest.mark.parametrize(
    ("env", "status", "location"),
    [
        ({}, 308, "https://example.test/a?b=c"),
        ({"REDIRECT_STATUS": "301"}, 301, "https://example.test/a?b=c"),
        ({"REDIRECT_PORT": "8443"}, 308, "https://example.test:8443/a?b=c"),
    ],
)
def test_plain_http_is_redirected(
    sidecar: Callable[..., Sidecar], env: dict[str, str], status: int, location: str
) -> None:
    it = sidecar(REDIRECT_LISTEN=True, **env)
    with RawClient(it.redirect_port) as client:
        answer = client.send(b"GET /a?b=c HTTP/1.1\r\nHost: example.test:8080\r\n\r\n").response()
    assert (answer.status, answer.header("location")) == (status, location)


def test_an_excepted_path_reaches_the_application_without_tls(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar(REDIRECT_LISTEN=True, REDIRECT_EXCEPT="/.well-known/acme-challenge/")
    with RawClient(it.redirect_port) as client:
        answer = client.send(b"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a\r\n\r\n").response()
        assert (answer.status, b"X-Forwarded-Proto: http\r\n" in answer.body) == (200, True)
        assert client.send(GET).response().status == 308


def test_plain_http_on_the_tls_port_is_told_so(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar()
    with RawClient(it.port) as client:
        answer = client.send(GET).response()
    assert (answer.status, b"HTTPS" in answer.body) == (400, True)
    assert it.part.metric("https_sidecar_tls_handshake_failures_total", reason="plain_http") == 1


def test_a_websocket_passes(sidecar: Callable[..., Sidecar], app: Upstream) -> None:
    from kit.upstream import websocket_echo

    app.default = websocket_echo
    it = sidecar()
    with it.connect() as client:
        client.send(
            b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert client.response().status == 101


def test_a_large_body_passes_both_ways(sidecar: Callable[..., Sidecar], app: Upstream) -> None:
    from kit.upstream import echo

    app.default = echo
    body = bytes(range(256)) * 16384
    with sidecar().connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.send(body)
        assert client.response().body == body


def test_an_upstream_beyond_the_pod_is_refused_unless_unsafe() -> None:
    from kit.process import run, script

    env = {"SELF_SIGNED": "localhost", "UPSTREAM": "192.0.2.1:80"}
    refused = run([script("https-sidecar"), "--check"], env)
    assert (refused.returncode, "UNSAFE_UPSTREAM" in refused.stderr) == (2, True)
    assert run([script("https-sidecar"), "--check"], env | {"UNSAFE_UPSTREAM": "true"}).returncode == 0
