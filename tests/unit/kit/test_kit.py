"""The test kit keeps its own promises: waiting, ports, children, strict reading, certificates, scripted upstreams."""

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable

import pytest

from kit import need, raw
from kit.certs import Authority
from kit.chaos import Chaos
from kit.ports import free_port, listening
from kit.process import Child, EndedEarly
from kit.raw import AsyncRawClient, BadAnswer, RawClient
from kit.servers import Haproxy, Nginx, Redis
from kit.upstream import Upstream, chunked, echo_stream, reset_unanswered, sends, websocket_echo
from kit.wait import TimedOut, until, until_async

Start = Callable[..., Child]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_waiting_ends_with_the_first_true_result() -> None:
    results = iter([0, "", "there"])
    assert until(lambda: next(results), why="something is there") == "there"


def test_a_wait_that_fails_says_what_was_last_seen_and_shows_the_log() -> None:
    with pytest.raises(TimedOut, match=r"(?s)until it is found; last seen: 0.*a line of the log"):
        until(lambda: 0, timeout=0.01, why="it is found", show=lambda: "a line of the log")


async def test_the_asynchronous_wait_takes_coroutines_and_lets_the_loop_run() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)

    async def is_set() -> bool:
        return event.is_set()

    assert await until_async(is_set, why="the event is set")


async def test_asynchronous_tests_run_on_uvloop() -> None:
    assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")


def test_a_reserved_port_can_be_listened_on_and_is_not_given_out_twice() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", ports[0]))
        listener.listen()
        assert listening(ports[0])
    assert not listening(ports[0])


def test_a_child_has_only_the_environment_that_it_was_given(start: Start) -> None:
    child = start([sys.executable, "-c", "import os; print(sorted(os.environ))"], ONE="1")
    assert child.wait() == 0
    assert "'ONE'" in child.stdout()
    assert "HOME" not in child.stdout()


def test_a_killed_child_takes_what_it_started_with_it(start: Start) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); p.wait()"
    child = start([sys.executable, "-c", code])
    grandchild = int(until(lambda: child.stdout().strip(), why="the grandchild runs"))
    child.kill()

    def gone() -> bool:
        try:
            with open(f"/proc/{grandchild}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(gone, why="the grandchild is gone")


def test_waiting_for_output_of_a_child_that_has_ended_fails_at_once(start: Start) -> None:
    child = start([sys.executable, "-c", "print('bye')"])
    with pytest.raises(EndedEarly, match="bye"):
        child.until_logged("hello", timeout=60)


def test_a_signal_reaches_the_child(start: Start) -> None:
    code = "import signal; signal.signal(signal.SIGUSR1, lambda *_: exit(7)); print('set', flush=True); signal.pause()"
    child = start([sys.executable, "-c", code])
    child.until_logged("set")
    child.signal(signal.SIGUSR1)
    assert child.wait() == 7


def test_nginx_runs_and_logs_requests(nginx: Callable[[str], Nginx]) -> None:
    server = nginx("server { listen 127.0.0.1:PORT; location / { return 200 hello; } }")
    with RawClient(server.port) as client:
        assert client.send(GET).response().body == b"hello"
    until(server.access_log, why="the request is logged")


def test_redis_runs(redis: Callable[..., Redis]) -> None:
    with RawClient(redis().port) as client:
        assert client.send(b"PING\r\n").read(7) == b"+PONG\r\n"


def test_haproxy_runs(haproxy: Callable[[str], Haproxy]) -> None:
    server = haproxy(
        "frontend f\n  bind 127.0.0.1:PORT\n  http-request return status 200 string hello content-type text/plain"
    )
    with RawClient(server.port) as client:
        assert client.send(GET).response().body == b"hello"


def test_a_certificate_of_the_authority_is_trusted_by_name(authority: Authority) -> None:
    pair = authority.server("a.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    client = ssl.create_default_context(cafile=pair.ca)
    _handshake(server, client, "a.example")
    assert authority.server("a.example") == pair
    assert authority.server("a.example", fresh=True).serial != pair.serial


def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    pair = authority.expired("a.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        _handshake(server, ssl.create_default_context(cafile=pair.ca), "a.example")


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Shake hands in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
    ],
)
def test_the_strict_reader_refuses_a_malformed_answer(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        raw.parse(data, ended=True)


def test_the_strict_reader_gives_the_same_answer_at_every_split() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
    for end in range(len(data)):
        assert raw.parse(data[:end]) is None
    found = raw.parse(data + b"next")
    assert found is not None
    assert (found[0].body, found[0].trailers, found[1]) == (b"abcde", [("T", "v")], len(data))


def test_an_upstream_in_a_thread_serves_a_blocking_test() -> None:
    with Upstream().in_thread() as upstream, RawClient(upstream.port) as client:
        client.send(b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert client.response().body == b"abc"
        assert (upstream.seen[0].target, upstream.seen[0].body) == ("/a?b", b"abc")


async def test_an_upstream_answers_as_scripted() -> None:
    routes = {
        "/c": chunked(b"a", b"bc", trailers={"T": "v"}),
        "/p": sends(b"HTTP/1.1 200 OK\r\n", b"Content-Length: 0\r\n\r\n"),
    }
    async with Upstream(routes) as upstream, AsyncRawClient(upstream.port) as client:
        await client.send(GET.replace(b"/", b"/c", 1))
        answer = await client.response()
        assert (answer.body, answer.trailers) == (b"abc", [("T", "v")])
        await client.send(GET.replace(b"/", b"/p", 1))
        assert (await client.response()).status == 200


async def test_an_upstream_keeps_what_was_wrong_with_a_request() -> None:
    async with Upstream() as upstream, AsyncRawClient(upstream.port) as client:
        await client.send(b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n")
        assert await client.rest() == b""
        assert "bad header" in upstream.problems[0]


async def test_a_reset_reaches_the_client() -> None:
    async with Upstream({"/": reset_unanswered}) as upstream, AsyncRawClient(upstream.port) as client:
        await client.send(GET)
        with pytest.raises(ConnectionResetError):
            await client.response()


async def test_an_upstream_echoes_websocket_bytes() -> None:
    async with Upstream({"/": websocket_echo}) as upstream, AsyncRawClient(upstream.port) as client:
        await client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: a\r\n\r\n"
        )
        assert (await client.response()).status == 101
        await client.send(b"\x81\x85abcdefghi")
        assert await client.read(11) == b"\x81\x85abcdefghi"


async def test_a_stopped_upstream_comes_back_on_the_same_port() -> None:
    async with Upstream() as upstream:
        port = upstream.port
        await upstream.stop()
        assert not listening(port)
        await upstream.listen(port)
        async with AsyncRawClient(port) as client:
            await client.send(GET)
            assert (await client.response()).status == 200


async def test_chaos_stalls_and_flows_again() -> None:
    async with (
        Upstream({"/": echo_stream}) as upstream,
        Chaos(upstream.port) as link,
        AsyncRawClient(link.port) as client,
    ):
        await client.send(GET)
        await client.response()
        link.stall()
        await client.send(GET)
        assert len(upstream.seen) == 1
        link.flow()
        assert (await client.response()).status == 200


async def test_chaos_cuts_and_refuses_and_accepts_again() -> None:
    async with Upstream() as upstream, Chaos(upstream.port) as link:
        async with AsyncRawClient(link.port) as client:
            await client.send(GET)
            await client.response()
            link.refuse()
            link.cut()
            assert await client.rest() == b""
        await until_async(lambda: not listening(link.port), why="the port is closed")
        await link.accept()
        async with AsyncRawClient(link.port) as client:
            await client.send(GET)
            assert (await client.response()).status == 200


def test_the_test_process_leaves_no_child_when_it_is_killed(tmp_path: object) -> None:
    code = "from kit.process import Child; c = Child(['sleep', '1000']); print(c.pid, flush=True); c.wait(1000)"
    tests = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    with Child([sys.executable, "-c", code], {"PYTHONPATH": tests}) as parent:
        grandchild = int(until(lambda: parent.stdout().strip(), why="the child runs", show=parent.log))
        os.kill(parent.pid, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{grandchild}/fd/0"), why="the orphan is gone")


def test_a_need_that_is_not_met_skips_with_the_command_that_would_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(need.NEEDS, "rocket", need.Need(lambda: "no rocket", "apt-get install rocket"))
    monkeypatch.delenv("REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"needs rocket: no rocket\. To run it: apt-get install rocket"):
        need.need("rocket")


@pytest.mark.parametrize("require", ["all", "nginx, rocket"])
def test_a_need_that_is_required_fails_instead(monkeypatch: pytest.MonkeyPatch, require: str) -> None:
    monkeypatch.setitem(need.NEEDS, "rocket", need.Need(lambda: "no rocket", "apt-get install rocket"))
    monkeypatch.setenv("REQUIRE", require)
    with pytest.raises(pytest.fail.Exception, match="apt-get install rocket"):
        need.need("rocket")
