"""Bodies both ways: every framing, every size, every way to end too soon."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

import pytest

from kit.plain import PlainProxy, Start
from kit.raw import BadAnswer, RawClient
from kit.upstream import Exchange, Upstream, continue_then_echo, echo_stream, sends
from kit.wait import until

SIZES = [0, 1, 100, 16_384, 16_385, 65_536, 262_144, 1_000_003, 3 << 20]
Make = Callable[..., Upstream]


def pattern(size: int) -> bytes:
    """That many bytes, no two stretches alike."""
    return b"".join(b"%08x" % i for i in range(size // 8 + 1))[:size]


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def ask(client: RawClient, path: bytes = b"/", method: bytes = b"GET", *lines: bytes) -> RawClient:
    return client.send(b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: x", *lines]) + b"\r\n\r\n")


@pytest.mark.parametrize("size", SIZES)
def test_a_body_with_a_length_passes_both_ways(size: int, shared: PlainProxy) -> None:
    body = pattern(size)
    with shared.client() as client:
        sender = threading.Thread(
            target=client.send, args=(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (size, body),)
        )
        sender.start()
        assert client.response().body == body
        sender.join()


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_body_passes_both_ways(size: int, proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=echo_stream).address)
    body = pattern(size)
    with running.client() as client:
        data = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(body, 10_007)
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        answer = client.response()
        sender.join()
    assert answer.chunked
    assert answer.body == body


def test_chunks_keep_their_edges(proxy: Start, upstream: Make) -> None:
    """A stream of events arrives as it was sent: nothing is held back to fill a buffer."""
    gate = threading.Event()

    async def first_then_wait(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await until_set(gate)
        await exchange.send(b"3\r\ntwo\r\n0\r\n\r\n")

    running = proxy(upstream(default=first_then_wait).address)
    with running.client() as client:
        ask(client)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert client.read(len(head) + 8) == head + b"3\r\none\r\n"
        gate.set()
        assert client.read(13) == b"3\r\ntwo\r\n0\r\n\r\n"


async def until_set(gate: threading.Event) -> None:
    await asyncio.get_running_loop().run_in_executor(None, gate.wait, 10)


def test_chunk_extensions_are_not_passed_on(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=sends(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n3;x\r\nyou\r\n0;last\r\n\r\n"
    )).address)  # fmt: skip
    with running.client() as client:
        assert ask(client).response().raw.endswith(b"\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n")


def test_chunk_extensions_of_a_request_are_not_passed_on(shared: PlainProxy, echo_upstream: Upstream) -> None:
    data = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;z\r\n\r\n"
    with shared.client() as client:
        assert client.send_in_pieces(data).response().body == b"hello"
    assert echo_upstream.problems == []


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
def test_the_next_answer_follows_whatever_the_status_and_method(
    status: int, method: bytes, proxy: Start, upstream: Make
) -> None:
    """HEAD, 204 and 304 have no body whatever their head announces."""
    empty = status in (204, 304) or method == b"HEAD"

    async def announces_five(exchange: Exchange) -> None:
        head = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status
        await exchange.send(head if empty else head + b"hello")

    running = proxy(upstream(default=announces_five).address)
    with running.client() as client:
        for _ in range(3):
            answer = ask(client, b"/", method).response(head=empty)
            assert (answer.status, answer.header("content-length")) == (status, "5")
        assert client.buffer == b""


def test_a_body_behind_an_answer_to_head_does_not_become_the_next_answer(proxy: Start, upstream: Make) -> None:
    wrong = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n")
    running = proxy(upstream({"/wrong": wrong}).address)
    with running.client() as client:
        assert ask(client, b"/wrong", b"HEAD").response(head=True).status == 200
        assert ask(client, b"/right").response().header("x") is None


def test_bytes_behind_an_answer_do_not_become_the_next_answer(proxy: Start, upstream: Make) -> None:
    wrong = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n")
    running = proxy(upstream({"/wrong": wrong}).address)
    with running.client() as client:
        assert ask(client, b"/wrong").response().body == b"ok"
        assert ask(client, b"/right").response().header("x") is None


def test_a_body_that_ends_with_the_connection_is_passed_on_and_ends_with_it(proxy: Start, upstream: Make) -> None:
    body = pattern(300_000)
    behaviour = sends(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n", body, then_close=True)
    running = proxy(upstream(default=behaviour).address)
    with running.client() as client:
        answer = ask(client).response()
        assert answer.body == body
        assert answer.header("connection") == "close"


@pytest.mark.parametrize(
    "beginning",
    [
        b"Content-Length: 1000\r\n\r\n" + b"x" * 999,
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
    ids=["length", "between chunks", "before the last line", "within trailers", "within a chunk"],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_that_ends_too_soon_never_looks_complete(
    version: bytes, beginning: bytes, proxy: Start, upstream: Make
) -> None:
    running = proxy(upstream(default=sends(b"HTTP/1.1 200 OK\r\n" + beginning, then_close=True)).address)
    with running.client() as client:
        client.send(b"GET / HTTP/" + version + b"\r\nHost: x\r\n\r\n")
        with pytest.raises((BadAnswer, ConnectionResetError)):
            client.response()
    until(lambda: running.events("request failed", status=502), why="it is logged", show=running.log)


def test_a_malformed_chunk_in_an_answer_cuts_it_off(proxy: Start, upstream: Make) -> None:
    gate = threading.Event()

    async def behaviour(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until_set(gate)
        await exchange.send(b"zz\r\n")

    running = proxy(upstream(default=behaviour).address)
    with running.client() as client:
        ask(client)
        until(lambda: b"hello" in _peek(client), why="the answer has begun")
        gate.set()
        with pytest.raises((BadAnswer, ConnectionResetError)):
            client.response()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\x00\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
    ids=[
        "two lengths", "length and chunked", "gzip, chunked", "chunked in HTTP/1.0", "bare LF", "folded line",
        "space before colon", "NUL", "HTTP/2.0", "two digits", "four digits", "unasked 101", "SSH", "40 KB head",
    ],
)  # fmt: skip
def test_an_answer_that_two_readers_could_understand_differently_becomes_502(
    answer: bytes, proxy: Start, upstream: Make
) -> None:
    running = proxy(upstream(default=sends(answer)).address)
    with running.client() as client:
        refused = ask(client).response()
        assert refused.status == 502
        assert refused.body == b"502 Bad Gateway\n"
    (line,) = running.events("request failed")
    assert line["upstream"] == "app"


def test_trailers_pass_both_ways(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=echo_stream).address)
    with running.client() as client:
        client.send_in_pieces(
            b"POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: 42\r\nX-B: c\r\n\r\n"
        )
        answer = client.response()
    assert answer.body == b"hello"
    assert answer.trailers == [("X-Sum", "42"), ("X-B", "c")]


def test_the_twin_of_a_framing_field_is_not_passed_on(shared: PlainProxy, echo_upstream: Upstream) -> None:
    with shared.client() as client:
        lines = (b"Content-Length: 0", b"Content_Length: 5", b"Transfer_Encoding: chunked", b"X_Forwarded_For: 6.6.6.6")
        ask(client, b"/twins", b"POST", *lines).response()
    seen = next(one for one in echo_upstream.seen if one.target == "/twins")
    assert [name for name, _ in seen.headers if "_" in name] == []
    assert seen.header("content-length") == "0"


def test_100_continue_is_asked_of_the_upstream(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream(default=continue_then_echo).address)
    with running.client() as client:
        ask(client, b"/", b"POST", b"Content-Length: 5", b"Expect: 100-continue")
        assert client.response().status == 100
        assert client.send(b"hello").response().body == b"hello"
        assert ask(client, b"/").response().status == 100
        assert client.response().status == 200


def test_an_upstream_that_does_not_want_the_body_is_heard_before_it_is_sent(proxy: Start, upstream: Make) -> None:
    async def no(exchange: Exchange) -> None:
        await exchange.answer(403, b"no", {"Connection": "close"})
        exchange.close()

    running = proxy(upstream(default=no).address)
    with running.client() as client:
        ask(client, b"/", b"POST", b"Content-Length: 5", b"Expect: 100-continue")
        answer = client.response()
        assert (answer.status, answer.body) == (403, b"no")
        assert answer.header("connection") == "close"
        assert client.rest() == b""


def test_early_hints_are_passed_on_before_the_answer(proxy: Start, upstream: Make) -> None:
    behaviour = sends(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    running = proxy(upstream(default=behaviour).address)
    with running.client() as client:
        ask(client)
        assert client.response().header("link") == "</a.css>; rel=preload"
        assert client.response().header("link") == "</b>"
        assert client.response().body == b"ok"


def test_interim_answers_are_not_for_http_1_0(proxy: Start, upstream: Make) -> None:
    behaviour = sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    running = proxy(upstream(default=behaviour).address)
    with running.client() as client:
        assert client.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").response().status == 200


def test_an_answer_before_the_end_of_the_body_reaches_a_client_that_still_sends(proxy: Start, upstream: Make) -> None:
    async def too_large(exchange: Exchange) -> None:
        await exchange.answer(413, b"too large")

    running = proxy(upstream(default=too_large).address)
    with running.client() as client:
        ask(client, b"/", b"POST", b"Content-Length: 30000000")
        for _ in range(3):
            with contextlib.suppress(ConnectionError):
                client.send(bytes(1_000_000))
        answer = client.response()
    assert (answer.status, answer.body) == (413, b"too large")
    assert answer.header("connection") == "close"


def test_an_answer_that_streams_while_the_body_still_comes(proxy: Start, upstream: Make) -> None:
    """Both directions at once, as gRPC-like protocols over HTTP/1.1 do."""
    running = proxy(upstream(default=echo_stream).address)
    with running.client() as client:
        ask(client, b"/", b"POST", b"Transfer-Encoding: chunked")
        client.send(b"3\r\none\r\n")
        until(lambda: b"one" in _peek(client), why="the first piece is back")
        client.send(b"3\r\ntwo\r\n0\r\n\r\n")
        assert client.response().body == b"onetwo"


def _peek(client: RawClient) -> bytes:
    client._more()
    return client.buffer


def test_a_request_whose_body_ends_too_soon_does_not_look_complete_to_the_upstream(
    proxy: Start, upstream: Make
) -> None:
    server = upstream()
    running = proxy(server.address)
    with running.client() as client:
        ask(client, b"/", b"POST", b"Content-Length: 10")
        client.send(b"hello")
        until(lambda: server.seen and server.seen[0].body == b"hello", why="the upstream has the first half")
    until(lambda: server.connections == 0, why="the upstream's connection is closed")
    assert not server.seen[0].whole


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_a_client_that_sends_a_few_bytes_at_a_time_is_understood(
    piece: int, shared: PlainProxy, echo_upstream: Upstream
) -> None:
    data = (
        b"\r\nPOST /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Pad: " + b"p" * 50 + b"\r\n\r\nhello"
        b"POST /bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyou\r\n0\r\n\r\n"
    )
    with shared.client() as client:
        client.send_in_pieces(data, piece)
        assert client.response().body == b"hello"
        assert client.response().body == b"you"
    assert echo_upstream.problems == []


@pytest.mark.parametrize(
    "answer", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"]
)
def test_an_upstream_that_sends_a_byte_at_a_time_is_understood(answer: bytes, proxy: Start, upstream: Make) -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + answer

    async def bytewise(exchange: Exchange) -> None:
        await exchange.body()
        for i in range(len(data)):
            await exchange.send(data[i : i + 1])
            await asyncio.sleep(0)

    running = proxy(upstream(default=bytewise).address)
    with running.client() as client:
        for _ in range(2):
            assert ask(client).response().status == 100
            assert client.response().body == b"hello"


def test_the_ranges_of_an_earlier_body_do_not_show_in_a_later_one(proxy: Start, upstream: Make) -> None:
    """HTTP/1.0 clients get chunked answers decoded; two of them over one upstream connection, heads in own segments."""

    async def slowly(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Long: " + b"x" * 100 + b"\r\n\r\n")
        await asyncio.sleep(0.02)
        await exchange.send(b"5\r\nhello\r\n0\r\n\r\n")

    server = upstream(default=slowly)
    running = proxy(server.address)
    for _ in range(3):
        with running.client() as client:
            assert client.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").response().body == b"hello"
    assert {one.connection for one in server.seen} == {server.seen[0].connection}


def test_odd_answers_pass_as_they_are(proxy: Start, upstream: Make) -> None:
    running = proxy(
        upstream({"/odd": sends(b"HTTP/1.1 299 \xe4 b\r\nX-O:  \x80 d \r\nContent-Length: 0\r\n\r\n")}).address
    )
    with running.client() as client:
        answer = ask(client, b"/odd").response()
    assert (answer.status, answer.reason, answer.header("x-o")) == (299, "\xe4 b", "\x80 d")
