"""The upstream's side: gone, dead, slow, too few connections, restarted; what is sent again and what never is."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from kit.need import need, program
from kit.plain import Start
from kit.servers import Nginx
from kit.upstream import Behaviour, Exchange, Upstream, close_unanswered, echo, reset_unanswered, says, sends
from kit.wait import until

Make = Callable[..., Upstream]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def request(method: str, body: bytes = b"") -> bytes:
    return f"{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def until_set(gate: threading.Event) -> None:
    await asyncio.get_running_loop().run_in_executor(None, gate.wait, 20)


def dies_when_reused() -> Behaviour:
    """The first request of a connection is answered, the second finds the connection dead."""
    served: set[int] = set()

    async def behaviour(exchange: Exchange) -> None:
        if exchange.request.connection in served:
            await exchange.body()
            exchange.close()
            return
        served.add(exchange.request.connection)
        await echo(exchange)

    return behaviour


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])
def test_an_idempotent_request_that_met_a_dead_connection_is_sent_again(
    method: str, proxy: Start, upstream: Make
) -> None:
    server = upstream(default=dies_when_reused())
    running = proxy(server.address)
    with running.client() as client:
        assert client.send(GET).response().status == 200
        answer = client.send(request(method, b"abc")).response(head=method == "HEAD")
    assert answer.status == 200
    assert [one.method for one in server.seen] == ["GET", method, method]
    assert running.metric("plain_proxy_retries_total") == 1
    assert running.events("request failed") == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
def test_a_request_that_may_have_had_an_effect_is_never_sent_again(method: str, proxy: Start, upstream: Make) -> None:
    server = upstream(default=dies_when_reused())
    running = proxy(server.address)
    with running.client() as client:
        assert client.send(GET).response().status == 200
        assert client.send(request(method, b"abc")).response().status == 502
    assert [one.method for one in server.seen] == ["GET", method]


def test_a_request_is_sent_again_only_once(proxy: Start, upstream: Make) -> None:
    first = threading.Event()

    async def dead_but_once(exchange: Exchange) -> None:
        if first.is_set():
            exchange.close()
        else:
            first.set()
            await exchange.answer()

    server = upstream(default=dead_but_once)
    running = proxy(server.address)
    with running.client() as client:
        assert client.send(GET).response().status == 200
        assert client.send(GET).response().status == 502
    assert len(server.seen) == 3


@pytest.mark.parametrize("behaviour", [close_unanswered, reset_unanswered], ids=["closes", "resets"])
def test_a_fresh_connection_that_dies_is_not_tried_again(behaviour: object, proxy: Start, upstream: Make) -> None:
    server = upstream(default=behaviour)
    with proxy(server.address).client() as client:
        answer = client.send(GET).response()
    assert (answer.status, answer.body) == (502, b"502 Bad Gateway\n")
    assert len(server.seen) == 1


def test_a_request_whose_answer_had_begun_is_not_sent_again(proxy: Start, upstream: Make) -> None:
    served: set[int] = set()

    async def half_an_answer(exchange: Exchange) -> None:
        if exchange.request.connection in served:
            await exchange.send(b"HTTP/1.1 20")
            exchange.close()
        else:
            served.add(exchange.request.connection)
            await exchange.answer()

    server = upstream(default=half_an_answer)
    with proxy(server.address).client() as client:
        assert client.send(GET).response().status == 200
        assert client.send(GET).response().status == 502
    assert len(server.seen) == 2


def test_an_upstream_that_closes_every_connection_at_once_is_502(proxy: Start, stack: contextlib.ExitStack) -> None:
    """As a port forwarder does whose own target is gone."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def slam() -> None:
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    thread = threading.Thread(target=slam)
    thread.start()
    try:
        running = proxy(f"127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(30):
            with running.client() as client:
                assert client.send(GET).response().status == 502
        assert running.metric("plain_proxy_upstream_waiting") == 0
        assert running.metric("plain_proxy_upstream_connections") == 0
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_upstream_is_502_and_one_clear_line(proxy: Start, free_port: Callable[[], int]) -> None:
    port = free_port()
    running = proxy(f"127.0.0.1:{port}", ready=False)
    with running.client() as client:
        answer = client.send(GET).response()
    assert (answer.status, answer.body) == (502, b"502 Bad Gateway\n")
    (line,) = running.events("request failed")
    assert f"cannot connect to 127.0.0.1:{port}: Connection refused" in line["reason"]


def test_it_is_not_ready_without_its_upstream_says_why_and_heals(
    proxy: Start, free_port: Callable[[], int], stack: contextlib.ExitStack
) -> None:
    port = free_port()
    running = proxy(f"127.0.0.1:{port}", ready=False, UPSTREAM_CHECK="100ms")
    status, text = running.admin("/readyz")
    assert status == 503
    assert f"127.0.0.1:{port}" in text
    stack.enter_context(_listening(Upstream(), port))
    running.until_ready()


@contextlib.contextmanager
def _listening(server: Upstream, port: int) -> Iterator[Upstream]:
    """The upstream on a port that was chosen before."""
    with server.in_thread() as running:
        relay = subprocess.Popen([*_relay(), str(port), str(running.port)])
        try:
            yield running
        finally:
            relay.kill()
            relay.wait()


def _relay() -> list[str]:
    return [sys.executable, "-c", RELAY]


RELAY = """
import asyncio, sys
async def pump(reader, writer):
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    far, near = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(pump(reader, near), pump(far, writer))
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""


def test_requests_wait_while_the_upstream_restarts(
    proxy: Start, upstream: Make, free_port: Callable[[], int], stack: contextlib.ExitStack
) -> None:
    port = free_port()
    running = proxy(f"127.0.0.1:{port}", ready=False, UPSTREAM_WAIT="20s")
    clients = [stack.enter_context(running.client(timeout=20)) for _ in range(20)]
    for client in clients:
        client.send(GET)
    until(lambda: running.metric("plain_proxy_upstream_waiting") == 20, why="all wait")
    stack.enter_context(_listening(Upstream(default=says(b"back")), port))
    assert [client.response().body for client in clients] == [b"back"] * 20


def test_the_wait_for_an_upstream_ends_for_all_at_the_same_time(
    proxy: Start, free_port: Callable[[], int], stack: contextlib.ExitStack
) -> None:
    """However many wait: not one after the other. Sixty of them would take three seconds more."""
    running = proxy(f"127.0.0.1:{free_port()}", ready=False, UPSTREAM_WAIT="300ms", UPSTREAM_CHECK="1h")
    clients = [stack.enter_context(running.client(timeout=10)) for _ in range(60)]
    for client in clients:
        client.send(GET)
    assert [client.response().status for client in clients] == [502] * 60
    slow = running.admin("/metrics")[1]
    beyond_a_second = running.metric("plain_proxy_request_duration_seconds_bucket", le="2.5")
    assert beyond_a_second == 60, slow


def test_an_upstream_that_answers_nothing_in_time_is_504(proxy: Start, upstream: Make) -> None:
    gate = threading.Event()

    async def silent(exchange: Exchange) -> None:
        await until_set(gate)

    running = proxy(upstream(default=silent).address, RESPONSE_TIMEOUT="200ms")
    with running.client() as client:
        assert client.send(GET).response().status == 504
    gate.set()
    assert len(running.events("request failed", status=504)) == 1


def test_an_upstream_that_stops_within_an_answer_is_cut_off(proxy: Start, upstream: Make) -> None:
    gate = threading.Event()

    async def stops(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await until_set(gate)

    running = proxy(upstream(default=stops).address, RESPONSE_TIMEOUT="200ms")
    with running.client() as client:
        assert client.send(GET).rest().endswith(b"hello")
    gate.set()
    assert len(running.events("request failed", status=504)) == 1


def test_an_answer_that_drips_is_not_cut_off_by_silence_but_by_the_whole_time(proxy: Start, upstream: Make) -> None:
    async def drips(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            await asyncio.sleep(0.02)
            await exchange.send(b"x")

    running = proxy(upstream(default=drips).address, RESPONSE_TIMEOUT="300ms", REQUEST_TIMEOUT="1s")
    with running.client() as client:
        assert client.send(GET).rest().count(b"x") > 20
    (line,) = running.events("request failed", status=504)
    assert line["reason"] == "the whole exchange took too long"


def test_an_upstream_that_does_not_accept_is_504(proxy: Start, stack: contextlib.ExitStack) -> None:
    """A full accept queue: connection attempts go unanswered."""
    full = stack.enter_context(socket.socket())
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for _ in range(4):
        one = stack.enter_context(socket.socket())
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    running = proxy(f"127.0.0.1:{full.getsockname()[1]}", ready=False, CONNECT_TIMEOUT="300ms")
    with running.client() as client:
        assert client.send(GET).response().status == 504
    (line,) = running.events("request failed")
    assert "did not accept a connection within 0.3 s" in line["reason"]


def test_connections_to_the_upstream_are_bounded_and_requests_wait_for_them(
    proxy: Start, upstream: Make, stack: contextlib.ExitStack
) -> None:
    gate = threading.Event()

    async def gated(exchange: Exchange) -> None:
        await until_set(gate)
        await exchange.answer(body=b"ok")

    server = upstream(default=gated)
    running = proxy(server.address, UPSTREAM_CONNECTIONS=2, UPSTREAM_QUEUE=3, UPSTREAM_CHECK="1h")
    clients = [stack.enter_context(running.client()) for _ in range(5)]
    for client in clients:
        client.send(GET)
    until(lambda: len(server.seen) == 2, why="two are served")
    until(lambda: running.metric("plain_proxy_upstream_waiting") == 3, why="three wait")
    with running.client() as refused:
        assert refused.send(GET).response().status == 503
    assert len(server.seen) == 2
    gate.set()
    assert [client.response().body for client in clients] == [b"ok"] * 5
    assert running.metric("plain_proxy_upstream_queue_refused_total") == 1
    assert {one.connection for one in server.seen} <= {one.connection for one in server.seen[:2]}


def test_without_a_queue_requests_are_served_while_there_is_room(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, UPSTREAM_QUEUE=0)
    with running.client() as one, running.client() as two:
        assert [client.send(GET).response().status for client in (one, two, one)] == [200] * 3


def test_a_client_that_gave_up_waiting_is_not_given_a_connection(
    proxy: Start, upstream: Make, stack: contextlib.ExitStack
) -> None:
    gate = threading.Event()

    async def gated(exchange: Exchange) -> None:
        await until_set(gate)
        await exchange.answer(body=exchange.request.target.encode())

    server = upstream(default=gated)
    running = proxy(server.address, UPSTREAM_CONNECTIONS=1, UPSTREAM_CHECK="1h")
    first = stack.enter_context(running.client())
    first.send(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: server.seen, why="the only connection is taken")
    gone = running.client()
    gone.send(b"POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")
    until(lambda: running.metric("plain_proxy_upstream_waiting") == 1, why="it waits")
    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    gone.close()
    # Its body is not read while it waits, so what tells is the reset.
    last = stack.enter_context(running.client())
    last.send(b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: running.metric("plain_proxy_upstream_waiting") >= 1, why="the last one waits")
    gate.set()
    assert first.response().body == b"/first"
    assert last.response().body == b"/last"
    assert [one for one in server.seen if one.target == "/gone" and one.whole] == []


def test_a_waiting_body_is_passed_on_when_the_connection_comes(proxy: Start, upstream: Make) -> None:
    gate = threading.Event()

    async def gated(exchange: Exchange) -> None:
        await until_set(gate)
        await exchange.answer(body=await exchange.body())

    server = upstream(default=gated)
    running = proxy(server.address, UPSTREAM_CONNECTIONS=1, UPSTREAM_CHECK="1h")
    body = bytes(range(256)) * 4000
    with running.client() as first, running.client() as second:
        first.send(GET)
        until(lambda: server.seen, why="the only connection is taken")
        sender = threading.Thread(target=second.send, args=(request("POST", body),))
        sender.start()
        until(lambda: running.metric("plain_proxy_upstream_waiting") == 1, why="the second waits")
        gate.set()
        assert first.response().status == 200
        assert second.response().body == body
        sender.join()


def test_an_unused_connection_to_the_upstream_is_closed_in_time(proxy: Start, upstream: Make) -> None:
    server = upstream()
    running = proxy(server.address, UPSTREAM_IDLE_TIMEOUT="200ms", UPSTREAM_CHECK="1h")
    with running.client() as client:
        client.send(GET).response()
        until(lambda: server.connections == 0, why="the connection is closed")
        assert client.send(GET).response().status == 200


def test_a_name_leads_to_whichever_family_answers(proxy: Start, upstream: Make) -> None:
    """localhost is ::1 and 127.0.0.1; the upstream listens on one of them."""
    server = upstream(default=says(b"here"))
    running = proxy(f"localhost:{server.port}")
    for _ in range(4):
        with running.client() as client:
            assert client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response().body == b"here"


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 64 + ".invalid"])
def test_a_name_that_leads_nowhere_is_502_and_no_crash(name: str, proxy: Start) -> None:
    running = proxy(f"{name}:80", ready=False)
    with running.client() as client:
        assert client.send(GET).response().status == 502
    assert running.admin("/readyz")[0] == 503
    assert f"cannot resolve {name}" in running.log()
    assert running.code is None


def test_an_upstream_on_a_unix_socket(proxy: Start, tmp_path: Path, nginx: Callable[[str], Nginx]) -> None:
    path = tmp_path / "app.sock"
    nginx(f"server {{ listen 127.0.0.1:PORT; listen unix:{path}; location / {{ return 200 $http_x_forwarded_for; }} }}")
    running = proxy(f"unix:{path}")
    with running.client() as client:
        for _ in range(3):
            assert client.send(GET).response().body == b"127.0.0.1"
        assert client.send(b"GET / HTTP/1.0\r\n\r\n").response().status == 200


def test_a_listener_on_a_unix_socket(proxy: Start, upstream: Make, tmp_path: Path) -> None:
    need("curl")
    server = upstream(default=says(b"hello"))
    path = tmp_path / "proxy.sock"
    running = proxy(server.address, LISTEN=f"unix:{path}", FORWARDED="both")
    answer = subprocess.run(
        [program("curl"), "-s", "--unix-socket", str(path), "http://x/"], capture_output=True, timeout=10, check=True
    )
    assert answer.stdout == b"hello"
    assert server.seen[-1].header("forwarded") == 'for=unknown;proto=http;host="x"'
    assert running.stop() == 0
    assert not path.exists()


@pytest.fixture
def site(nginx: Callable[[str], Nginx], tmp_path: Path) -> Nginx:
    """A real nginx: files, an echo of nothing, and an upload."""
    (tmp_path / "big").write_bytes(bytes(range(256)) * 12_288)
    (tmp_path / "small").write_text("small\n")
    return nginx(
        "server { listen 127.0.0.1:PORT; keepalive_requests 3; client_max_body_size 10m; "
        f"location / {{ root {tmp_path}; }} location = /up {{ proxy_pass http://127.0.0.1:PORT/sink; }} "
        "location = /sink { return 200 $content_length; } gzip on; gzip_types *; gzip_min_length 1; }"
    )


def curl(*arguments: str) -> str:
    need("curl")
    done = subprocess.run([program("curl"), "-sS", *arguments], capture_output=True, timeout=30, check=True)
    return done.stdout.decode("latin-1")


def test_curl_through_the_proxy_gets_nginxs_files(proxy: Start, site: Nginx, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{proxy(site.address).port}"
    target = tmp_path / "fetched"
    curl("-o", str(target), f"{url}/big")
    assert target.read_bytes() == (tmp_path / "big").read_bytes()
    assert curl(f"{url}/small") == "small\n"
    assert curl("-H", "Range: bytes=2-3", f"{url}/small") == "al"
    assert curl("--compressed", f"{url}/small") == "small\n"
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-I", f"{url}/big") == "200"
    assert curl("-o", "/dev/null", "-w", "%{http_code}", f"{url}/none") == "404"


def test_curl_reuses_its_connection_while_nginx_closes_its_own(proxy: Start, site: Nginx) -> None:
    """keepalive_requests 3: every third answer of nginx is its connection's last, and nobody notices."""
    running = proxy(site.address)
    url = f"http://127.0.0.1:{running.port}/small"
    assert curl(*[url] * 20, "-w", "%{num_connects} ").count("small") == 20
    assert running.metric("plain_proxy_client_connections_total") == 1
    assert running.metric("plain_proxy_upstream_connections_opened_total") >= 6


def test_curl_uploads_with_expect_through_the_proxy(proxy: Start, site: Nginx, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{proxy(site.address).port}/up"
    sent = curl("-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path / 'big'}", url)
    assert sent == str(256 * 12_288)
    chunked = curl("-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", f"@{tmp_path / 'big'}", url)
    assert chunked == str(256 * 12_288)


def _beyond(results: list[int], count: int) -> bool:
    return len(results) >= count


def test_nginx_restarted_under_load_costs_no_request(
    proxy: Start, site: Nginx, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    """SIGHUP replaces nginx's workers, which close their idle connections while requests arrive."""
    running = proxy(site.address, UPSTREAM_WAIT="5s")
    stop, results = threading.Event(), []

    def load() -> None:
        with running.client() as client:
            while not stop.is_set():
                results.append(client.send(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n").response().status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for round_ in range(5):
        enough = len(results) + 300
        site.signal(signal.SIGHUP)
        until(partial(_beyond, results, enough), why=f"requests pass after reload {round_}")
    stop.set()
    for thread in threads:
        thread.join()
    assert set(results) == {200}


def test_an_answer_to_a_request_nobody_finished_closes_that_connection(proxy: Start, upstream: Make) -> None:
    """The upstream answers before the body ended; what remains of the body must not reach it as a request."""
    server = upstream({"/early": sends(b"")}, default=says(b"fine"))

    async def early(exchange: Exchange) -> None:
        await exchange.answer(body=b"early")

    server.routes["/early"] = early
    running = proxy(server.address)
    with running.client() as client:
        client.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nGET /smuggled HTTP/1.1\r\n")
        assert client.response().body == b"early"
    with running.client() as client:
        assert client.send(GET).response().body == b"fine"
    assert [one.target for one in server.seen] == ["/early", "/"]
