"""Client connections: kept, pipelined, half-closed, slow, too many, garbled."""

import asyncio
import contextlib
import os
import random
import resource
import socket
import threading
from collections.abc import Callable

import pytest

from kit.plain import PlainProxy, Start
from kit.raw import RawClient
from kit.upstream import Exchange, Upstream, chunked, held, says, sends
from kit.wait import until

Make = Callable[..., Upstream]
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


def test_requests_sent_ahead_are_answered_in_order(shared: PlainProxy, echo_upstream: Upstream) -> None:
    bodies = [b"%d" % i * (i % 7) for i in range(50)]
    with shared.client() as client:
        for i, body in enumerate(bodies):
            framing = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            if i % 3 == 0 and body:
                framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            client.send(b"POST /ahead HTTP/1.1\r\nHost: x\r\n" + framing)
        assert [client.response().body for _ in bodies] == bodies


def test_fifty_requests_in_one_segment_are_answered_in_order(proxy: Start, upstream: Make) -> None:
    async def path(exchange: Exchange) -> None:
        await exchange.answer(body=exchange.request.target.encode())

    running = proxy(upstream(default=path).address)
    with running.client() as client:
        client.send(b"".join(GET % (b"/%d" % i) for i in range(50)))
        assert [client.response().body for _ in range(50)] == [b"/%d" % i for i in range(50)]


def test_a_refused_request_ends_a_pipeline_after_the_answers_before_it(shared: PlainProxy) -> None:
    with shared.client() as client:
        client.send(GET % b"/a" + GET % b"/b" + b"GET / HTTP/1.1\r\n\r\n" + GET % b"/c")
        assert [client.response().status for _ in range(3)] == [200, 200, 400]
        assert client.rest() == b""


def test_a_megabyte_of_requests_sent_ahead_is_served_whole(shared: PlainProxy) -> None:
    """More than is held: the client is paused meanwhile."""
    request = b"POST /mb HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + b"x" * 10_000
    with shared.client() as client:
        sender = threading.Thread(target=client.send, args=(request * 100,))
        sender.start()
        assert all(client.response().body == b"x" * 10_000 for _ in range(100))
        sender.join()


def test_a_connection_to_the_upstream_is_used_again(proxy: Start, upstream: Make) -> None:
    server = upstream()
    running = proxy(server.address)
    for _ in range(5):
        with running.client() as client:
            for _ in range(5):
                client.send(GET % b"/").response()
    assert {one.connection for one in server.seen} == {server.seen[0].connection}


def test_http_1_0_is_answered_and_closed(shared: PlainProxy, echo_upstream: Upstream) -> None:
    with shared.client() as client:
        answer = client.send(b"GET /old HTTP/1.0\r\nHost: x\r\n\r\n").response()
        assert answer.header("connection") == "close"
        assert client.rest() == b""
    assert next(one for one in echo_upstream.seen if one.target == "/old").version == "HTTP/1.1"


def test_http_1_0_with_keep_alive_is_kept(shared: PlainProxy) -> None:
    with shared.client() as client:
        for _ in range(3):
            answer = client.send(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n").response()
            assert answer.header("connection") == "keep-alive"


def test_http_1_0_without_a_host_reaches_the_upstream_with_one(shared: PlainProxy, echo_upstream: Upstream) -> None:
    with shared.client() as client:
        assert client.send(b"GET /nohost HTTP/1.0\r\n\r\n").response().status == 200
    seen = next(one for one in echo_upstream.seen if one.target == "/nohost")
    assert seen.header("host") == echo_upstream.address


def test_http_1_0_gets_a_chunked_answer_without_chunks(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=chunked(b"one", b"two" * 30_000, trailers={"X-A": "b"})).address)
    with running.client() as client:
        answer = client.send(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n").response()
    assert answer.body == b"one" + b"two" * 30_000
    assert answer.all("transfer-encoding") == []
    assert answer.header("connection") == "close"


def test_a_client_that_asks_to_close_is_closed(shared: PlainProxy, echo_upstream: Upstream) -> None:
    with shared.client() as client:
        answer = client.send(b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET % b"/unheard").response()
        assert answer.header("connection") == "close"
        assert client.rest() == b""
    assert [one for one in echo_upstream.seen if one.target == "/unheard"] == []


def test_a_client_that_has_said_all_still_gets_every_answer(shared: PlainProxy) -> None:
    """As `printf … | nc -N` does: several requests, then a half-close."""
    with shared.client() as client:
        client.send((GET % b"/") * 5).half_close()
        assert [client.response().status for _ in range(5)] == [200] * 5
        assert client.rest() == b""


def test_a_half_close_within_a_request_sent_ahead_gets_no_answer_for_it(shared: PlainProxy) -> None:
    with shared.client() as client:
        client.send((GET % b"/") * 2 + b"GET /par").half_close()
        assert [client.response().status for _ in range(2)] == [200] * 2
        assert client.rest() == b""


def test_a_half_close_within_a_body_sent_ahead_is_refused(proxy: Start, upstream: Make) -> None:
    server = upstream()
    running = proxy(server.address)
    with running.client() as client:
        client.send(GET % b"/" + b"POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhal").half_close()
        assert client.response().status == 200
        assert b" 200 " not in client.rest()
    assert [one for one in server.seen if one.target == "/half" and one.whole] == []


def test_a_client_that_went_away_frees_its_upstream(proxy: Start, upstream: Make) -> None:
    server = upstream(default=held(asyncio.Event()))
    running = proxy(server.address)
    client = running.client()
    client.send(GET % b"/")
    until(lambda: server.seen, why="the request arrived")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
    until(lambda: running.metric("plain_proxy_upstream_connections") == 0, why="the upstream's connection is closed")
    until(lambda: running.metric("plain_proxy_requests_in_flight") == 0, why="nothing is in flight")
    assert running.metric("plain_proxy_requests_total", status="4xx") == 1


def test_a_head_that_does_not_arrive_in_time_is_refused(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, HEAD_TIMEOUT="200ms")
    with running.client() as client:
        assert client.send(b"GET / HTTP/1.1\r\nHost").response().status == 408


def test_a_client_that_sends_nothing_is_closed_without_an_answer(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, HEAD_TIMEOUT="200ms")
    with running.client() as client:
        assert client.rest() == b""


@pytest.mark.parametrize("served", [False, True], ids=["first request", "a later one"])
def test_a_head_that_drips_does_not_extend_its_time(served: bool, proxy: Start, upstream: Make) -> None:
    """Slowloris: the clock of a head does not start again with each byte."""
    running = proxy(upstream().address, HEAD_TIMEOUT="300ms")
    with running.client() as client:
        if served:
            client.send(GET % b"/").response()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        stop = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not stop.wait(0.03):
                    client.send(b"X: y\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert client.response().status == 408
        finally:
            stop.set()
            dripping.join()


def test_a_body_that_stops_coming_is_refused(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, STALL_TIMEOUT="200ms")
    with running.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhell")
        assert client.response().status == 408


def test_an_idle_connection_is_closed_after_its_time(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, IDLE_TIMEOUT="200ms")
    with running.client() as client:
        assert client.send(GET % b"/").response().status == 200
        assert client.rest() == b""
    assert running.events("request refused") == []


def test_clients_beyond_the_most_get_503_and_the_others_are_served(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, MAX_CONNECTIONS=3)
    with contextlib.ExitStack() as held_open:
        kept = [held_open.enter_context(running.client()) for _ in range(3)]
        assert [one.send(GET % b"/").response().status for one in kept] == [200] * 3
        with running.client() as late:
            assert late.response().status == 503
        assert [one.send(GET % b"/").response().status for one in kept] == [200] * 3
        kept[0].close()
        until(lambda: running.metric("plain_proxy_client_connections") == 2, why="the places are free")
        with running.client() as next_one:
            assert next_one.send(GET % b"/").response().status == 200


def test_a_thousand_connections_at_once_are_served(proxy: Start, upstream: Make) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        running = proxy(upstream(default=says(b"x" * 100)).address)
        with contextlib.ExitStack() as all_open:
            clients = [all_open.enter_context(running.client()) for _ in range(1000)]
            for client in clients:
                client.send(GET % b"/")
            assert sum(client.response().body == b"x" * 100 for client in clients) == 1000
            assert running.metric("plain_proxy_client_connections") == 1000
            opened = running.metric("plain_proxy_upstream_connections_opened_total")
            assert opened <= 512, "UPSTREAM_CONNECTIONS"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_file_descriptors_do_no_lasting_harm(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address)
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (60, 60))
    with contextlib.ExitStack() as all_open:
        for _ in range(100):
            all_open.enter_context(running.client()).send(GET % b"/")

    def served() -> bool:
        with running.client(timeout=2) as client:
            return client.send(GET % b"/").response().status == 200

    until(served, why="it serves again", show=running.log)
    assert "Traceback" not in running.log()


@pytest.mark.parametrize("seed", range(4))
def test_garbage_never_crashes_nor_tells_anything(seed: int, proxy: Start, upstream: Make) -> None:
    """Random bytes, mutated requests, at random moments cut off: the process lives, its memory is bounded."""
    chance = random.Random(seed)
    running = proxy(upstream().address, HEAD_TIMEOUT="1s")
    before = running.memory()
    for _ in range(250):
        with running.client() as client:
            _molest(client, chance)
    with running.client() as client:
        assert client.send(GET % b"/").response().status == 200
    assert running.memory() < before + (16 << 20)
    assert running.stderr() == ""
    assert "Traceback" not in running.stdout()
    until(lambda: running.metric("plain_proxy_requests_in_flight") == 0, why="nothing is in flight")


VALID = (
    b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: keep-alive, X-B\r\nX-B: c\r\n\r\nhello"
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    b"5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n"
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)


def _molest(client: RawClient, chance: random.Random) -> None:
    data = bytearray(VALID if chance.random() < 0.8 else chance.randbytes(chance.randrange(1, 3000)))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    with contextlib.suppress(OSError):
        client.send_in_pieces(bytes(data), chance.choice([1 << 20, 7, 50, 400]))
        if chance.random() < 0.5:
            client.half_close()
            said = client.rest()
            assert b"Traceback" not in said
            assert os.fsencode("podparts") not in said


def test_an_answer_of_the_upstream_that_comes_unasked_is_not_given_to_the_next_client(
    proxy: Start, upstream: Make
) -> None:
    """What the upstream sends on an idle connection closes it."""
    gate = threading.Event()

    async def twice(exchange: Exchange) -> None:
        await exchange.answer(body=b"first")
        await asyncio.get_running_loop().run_in_executor(None, gate.wait, 10)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")

    server = upstream({"/twice": twice}, default=says(b"right"))
    running = proxy(server.address)
    with running.client() as client:
        assert client.send(GET % b"/twice").response().body == b"first"
        gate.set()
        until(lambda: running.metric("plain_proxy_upstream_connections", state="idle") == 0, why="it is closed")
        assert client.send(GET % b"/").response().body == b"right"


def test_a_head_sent_in_two_segments_with_a_body_behind_it(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).address)
    with running.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le").send(b"ngth: 3\r\n\r\nabc")
        assert client.response().status == 200
