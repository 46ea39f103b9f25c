"""Requests that must not reach the upstream: refused on the wire with the right status, one log line, no detail."""

import pytest

from kit.plain import PlainProxy, Start
from kit.upstream import Upstream
from kit.vectors import REFUSED, Vector
from kit.wait import until

BY_NAME = pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector.name)


@BY_NAME
def test_is_refused_and_nothing_behind_it_is_served(
    vector: Vector, shared: PlainProxy, echo_upstream: Upstream
) -> None:
    before = len(echo_upstream.seen)
    with shared.client() as client:
        client.send(vector.data)
        answer = client.response()
        assert answer.status == vector.status
        assert answer.header("connection") == "close"
        assert client.rest() == b"", "more than one answer"
    smuggled = [one.target for one in echo_upstream.seen[before:] if one.whole or one.target != "/vector"]
    assert smuggled == []


@pytest.mark.parametrize("vector", [one for one in REFUSED if one.name in ("CONNECT", "HTTP/0.9", "no Host")], ids=str)
def test_a_refusal_tells_the_client_the_status_alone(vector: Vector, shared: PlainProxy) -> None:
    with shared.client() as client:
        answer = client.send(vector.data).response()
    assert answer.body.decode() == f"{vector.status} {answer.reason}\n"
    assert answer.header("server") is None


def test_a_refusal_is_one_clear_log_line(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address)
    with running.client() as client:
        client.send(b"GET /seen HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").response()
    until(lambda: running.events("request refused"), why="the refusal is logged", show=running.log)
    (line,) = running.events("request refused")
    assert line["status"] == 400
    assert line["reason"] == "more than one Host"
    assert line["peer"] == "127.0.0.1"
    assert line["request"] == "GET /seen HTTP/1.1"
    assert running.stderr() == ""


def test_repeated_refusals_do_not_flood_the_log(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address)
    for _ in range(50):
        with running.client() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n").response()
    assert running.metric("plain_proxy_requests_total", upstream="self", status="4xx") == 50
    assert len(running.events("request refused")) < 50


def test_control_characters_of_a_client_do_not_reach_the_log_raw(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, LOG_FORMAT="text")
    with running.client() as client:
        client.send(b"GET /\x1b[2Jx\x00 HTTP/1.1\r\nHost: x\r\n\r\n").response()
    running.until_logged("request refused")
    assert "\x1b" not in running.log()
    assert "\x00" not in running.log()


def test_a_head_beyond_the_limit_is_refused_with_431(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, HEAD_LIMIT="2k")
    with running.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2048 + b"\r\n\r\n")
        assert client.response().status == 431


def test_a_head_without_end_is_refused_at_the_limit(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, HEAD_LIMIT="2k")
    with running.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2100)
        assert client.response().status == 431


def test_empty_lines_without_end_are_refused_at_the_limit(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, HEAD_LIMIT="2k")
    with running.client() as client:
        client.send(b"\r\n" * 1500)
        assert client.response().status == 431


def test_a_target_beyond_the_limit_is_refused_with_414(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, TARGET_LIMIT="1k")
    with running.client() as client:
        assert client.send(b"GET /" + b"a" * 1100 + b" HTTP/1.1\r\nHost: x\r\n\r\n").response().status == 414


def test_more_fields_than_anybody_sends_are_refused_with_431(shared: PlainProxy) -> None:
    with shared.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n")
        assert client.response().status == 431


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_beyond_the_limit_is_refused_with_413(framing: str, proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, BODY_LIMIT="1k")
    head = b"POST / HTTP/1.1\r\nHost: x\r\n"
    sent = {
        "length": head + b"Content-Length: 1025\r\n\r\n",
        "chunked": head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100\r\n" + b"x" * 256 + b"\r\n") * 5,
    }[framing]
    with running.client() as client:
        assert client.send(sent).response().status == 413


def test_a_body_of_the_limit_passes(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, BODY_LIMIT="1k")
    with running.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024)
        assert client.response().body == b"x" * 1024


def test_a_client_that_sends_all_before_it_reads_gets_its_413(proxy: Start, echo_upstream: Upstream) -> None:
    running = proxy(echo_upstream.address, BODY_LIMIT="1k")
    size = 3 << 20
    with running.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"x" * size)
        assert client.response().status == 413
