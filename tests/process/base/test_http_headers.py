"""What the upstream is told, what it is not, and what of its answer reaches the client."""

import socket
from collections.abc import Callable

import pytest

from kit.plain import PlainProxy, Start
from kit.raw import RawClient
from kit.upstream import Seen, Upstream, sends
from kit.wait import until

Make = Callable[..., Upstream]
TRUSTED = {"TRUSTED_PROXIES": "127.0.0.0/8,::1"}


def forwarded(
    running: PlainProxy, server: Upstream, *lines: bytes, head: bytes = b"GET / HTTP/1.1\r\nHost: a.example:8000\r\n"
) -> Seen:
    """What the upstream saw of a request with these fields."""
    with running.client() as client:
        assert client.send(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n").response().status == 200
    return server.seen[-1]


def test_fields_are_passed_on_in_order_and_as_they_are(proxy: Start, upstream: Make) -> None:
    server = upstream()
    lines = [b"X-B: c", b'x-a: \xe4 ;="', b"X-B: d", b"Cookie: a=b; c=d", b"Empty:", b"Accept:   */*\t"]
    seen = forwarded(proxy(server.address), server, *lines)
    assert seen.head.startswith(b"GET / HTTP/1.1\r\nHost: a.example:8000\r\n" + b"\r\n".join(lines) + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: keep-alive", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: trailers",
        b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"kEEP-aLIVE: x", b"Keep_Alive: x",
        b"Proxy_Connection: x", b"X_Forwarded_For: 6.6.6.6", b"FORWARDED: for=6.6.6.6",
    ],
)  # fmt: skip
def test_what_is_for_this_connection_alone_is_not_passed_on(
    line: bytes, shared: PlainProxy, echo_upstream: Upstream
) -> None:
    seen = forwarded(shared, echo_upstream, line)
    name, _, value = line.decode().partition(": ")
    assert value not in seen.all(name)
    assert seen.all("connection") == []


def test_fields_that_connection_names_are_not_passed_on(shared: PlainProxy, echo_upstream: Upstream) -> None:
    seen = forwarded(
        shared,
        echo_upstream,
        b"X-Hop: 1",
        b"Connection: close, x-hop ,, X-OTHER",
        b"X-Keep: 2",
        b"x-other: 3",
        b"X-Hop: 4",
    )
    assert (seen.all("x-hop"), seen.all("x-other"), seen.all("x-keep")) == ([], [], ["2"])


def test_connection_cannot_take_away_what_the_proxy_says(shared: PlainProxy, echo_upstream: Upstream) -> None:
    seen = forwarded(shared, echo_upstream, b"Connection: x-forwarded-for, x-forwarded-proto, close")
    assert (seen.header("x-forwarded-for"), seen.header("x-forwarded-proto")) == ("127.0.0.1", "http")


def test_hop_by_hop_fields_of_an_answer_are_not_passed_on(proxy: Start, upstream: Make) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-Keep: 2\r\n"
        b"Proxy-Connection: x\r\nContent-Length: 0\r\n\r\n"
    )
    running = proxy(upstream(default=sends(answer)).address)
    with running.client() as client:
        raw = client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").response().raw
    assert raw == b"HTTP/1.1 200 OK\r\nX-Keep: 2\r\nContent-Length: 0\r\n\r\n"


def test_an_http_1_0_upstream_is_passed_on_as_http_1_1(proxy: Start, upstream: Make) -> None:
    running = proxy(
        upstream(default=sends(b"HTTP/1.0 200 Fine\r\nContent-Length: 2\r\n\r\nok", then_close=True)).address
    )
    with running.client() as client:
        for _ in range(2):
            assert client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").response().raw == (
                b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok"
            )


def test_the_upstream_is_told_who_asked_for_what(shared: PlainProxy, echo_upstream: Upstream) -> None:
    seen = forwarded(shared, echo_upstream)
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-forwarded-proto") == "http"
    assert seen.header("x-forwarded-host") == "a.example:8000"
    assert seen.header("forwarded") is None


def test_the_host_that_is_told_is_that_of_each_request(shared: PlainProxy, echo_upstream: Upstream) -> None:
    with shared.client() as client:
        for host in ("one", "two:80", "one", "[::1]:8000"):
            client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).response()
            assert echo_upstream.seen[-1].header("x-forwarded-host") == host


def test_a_client_that_is_not_trusted_cannot_say_who_it_is(proxy: Start, upstream: Make) -> None:
    server = upstream()
    seen = forwarded(
        proxy(server.address, TRUSTED_PROXIES="10.0.0.0/8"),
        server,
        b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil", b"X-Forwarded-Port: 1",
        b"Forwarded: for=6.6.6.6",
    )  # fmt: skip
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-forwarded-proto") == "http"
    assert seen.header("x-forwarded-host") == "a.example:8000"
    assert seen.header("x-forwarded-port") is None
    assert seen.header("forwarded") is None


def test_what_a_trusted_proxy_says_is_continued(proxy: Start, upstream: Make) -> None:
    server = upstream()
    seen = forwarded(
        proxy(server.address, **TRUSTED),
        server,
        b"X-Forwarded-For: 192.0.2.1, 192.0.2.2", b"X-Forwarded-For: 192.0.2.3", b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: shop.example", b"X-Forwarded-Port: 443",
    )  # fmt: skip
    assert seen.header("x-forwarded-for") == "192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1"
    assert seen.header("x-forwarded-proto") == "https"
    assert seen.header("x-forwarded-host") == "shop.example"
    assert seen.header("x-forwarded-port") == "443"


def test_forwarded_by_rfc_7239(proxy: Start, upstream: Make) -> None:
    server = upstream()
    seen = forwarded(proxy(server.address, FORWARDED="rfc7239"), server, b"Forwarded: for=6.6.6.6")
    assert seen.header("forwarded") == 'for=127.0.0.1;proto=http;host="a.example:8000"'
    assert seen.header("x-forwarded-for") is None


def test_forwarded_of_a_trusted_proxy_is_continued(proxy: Start, upstream: Make) -> None:
    server = upstream()
    seen = forwarded(
        proxy(server.address, FORWARDED="both", **TRUSTED), server, b"Forwarded: for=192.0.2.1;proto=https"
    )
    assert (seen.header("forwarded") or "").startswith("for=192.0.2.1;proto=https, for=127.0.0.1;proto=")
    assert seen.header("x-forwarded-for") == "127.0.0.1"


def test_nothing_is_told_when_nothing_shall_be(proxy: Start, upstream: Make) -> None:
    server = upstream()
    seen = forwarded(proxy(server.address, FORWARDED="none"), server, b"X-Forwarded-For: 6.6.6.6")
    assert [name for name, _ in seen.headers if "orwarded" in name] == []


def test_a_client_over_ipv6_is_told_as_such(proxy: Start, upstream: Make, free_port: Callable[[], int]) -> None:
    server, port = upstream(), free_port()
    proxy(server.address, LISTEN=f"[::1]:{port}", FORWARDED="both")
    with RawClient(port, "::1") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").response()
    assert server.seen[-1].header("x-forwarded-for") == "::1"
    assert server.seen[-1].header("forwarded") == 'for="[::1]";proto=http;host="x"'


def test_a_client_over_ipv4_on_a_socket_for_both_is_told_as_ipv4(
    proxy: Start, upstream: Make, free_port: Callable[[], int]
) -> None:
    server, port = upstream(), free_port()
    proxy(server.address, LISTEN=f":{port}", **TRUSTED)
    with RawClient(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n").response()
    assert server.seen[-1].header("x-forwarded-for") == "192.0.2.1, 127.0.0.1"


def test_an_absolute_target_replaces_host(proxy: Start, upstream: Make) -> None:
    server = upstream()
    seen = forwarded(
        proxy(server.address), server, head=b"GET HTTP://real.example:81/a?b=c HTTP/1.1\r\nHost: other\r\n"
    )
    assert (seen.target, seen.header("host")) == ("/a?b=c", "real.example:81")
    assert seen.header("x-forwarded-host") == "real.example:81"


@pytest.mark.parametrize(
    ("target", "arrives"),
    [
        ("http://x", "/"),
        ("http://x?q", "/?q"),
        ("http://x/?a://b", "/?a://b"),
        ("/a%00b//../c?d?e", "/a%00b//../c?d?e"),
    ],
)
def test_targets_arrive_in_origin_form(target: str, arrives: str, shared: PlainProxy, echo_upstream: Upstream) -> None:
    seen = forwarded(shared, echo_upstream, head=f"GET {target} HTTP/1.1\r\nHost: x\r\n".encode())
    assert seen.target == arrives


@pytest.mark.parametrize("target", ["*", "http://x"])
def test_options_of_the_server_itself_stays_so(target: str, shared: PlainProxy, echo_upstream: Upstream) -> None:
    seen = forwarded(shared, echo_upstream, head=f"OPTIONS {target} HTTP/1.1\r\nHost: x\r\n".encode())
    assert (seen.method, seen.target) == ("OPTIONS", "*")


# ---- PROXY protocol

V2 = b"\r\n\r\n\x00\r\nQUIT\n"
IPV4 = (
    socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + (4711).to_bytes(2, "big") + (80).to_bytes(2, "big")
)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + (4711).to_bytes(2, "big") * 2
HEADERS = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n", "192.0.2.7"),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n", "2001:db8::7"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "v2 IPv4": (V2 + b"\x21\x11\x00\x0c" + IPV4, "192.0.2.7"),
    "v2 IPv6": (V2 + b"\x21\x21\x00\x24" + IPV6, "2001:db8::7"),
    "v2 LOCAL": (V2 + b"\x20\x00\x00\x00", "127.0.0.1"),
    "v2 with TLVs": (V2 + b"\x21\x11\x00\x11" + IPV4 + b"\x04\x00\x02ab", "192.0.2.7"),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("piece", [1, 1000])
def test_a_proxy_header_says_who_the_client_is(
    piece: int, header: tuple[bytes, str], proxy: Start, upstream: Make
) -> None:
    server = upstream()
    running = proxy(server.address, PROXY_PROTOCOL="true", **TRUSTED)
    with running.client() as client:
        client.send_in_pieces(header[0] + b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n", piece)
        assert client.response().status == 200
        assert client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").response().status == 200
    trusted = header[1] == "127.0.0.1"
    assert server.seen[0].header("x-forwarded-for") == ("6.6.6.6, 127.0.0.1" if trusted else header[1])
    assert server.seen[1].header("x-forwarded-for") == header[1]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY " + b"x" * 110,
        V2 + b"\x31\x11\x00\x0c" + IPV4,
        V2 + b"\x21\x11\x00\x04abcd",
        V2 + b"\x21\x11\xff\xff",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    ],
    ids=["none", "family", "port", "short", "long", "v2 version", "v2 short", "v2 long", "lower case"],
)
def test_a_connection_without_a_proper_proxy_header_is_closed(data: bytes, proxy: Start, upstream: Make) -> None:
    server = upstream()
    running = proxy(server.address, PROXY_PROTOCOL="true", **TRUSTED)
    with running.client() as client:
        assert client.send(data).rest() == b""
    until(lambda: running.events("connection refused", peer="127.0.0.1"), why="it is logged", show=running.log)
    assert server.seen == []


def test_a_peer_that_is_not_trusted_may_not_send_a_proxy_header(proxy: Start, upstream: Make) -> None:
    server = upstream()
    running = proxy(server.address, PROXY_PROTOCOL="true", TRUSTED_PROXIES="10.0.0.0/8")
    with running.client() as client:
        assert client.rest() == b""
    until(lambda: running.events("connection refused"), why="it is logged", show=running.log)


def test_a_proxy_header_that_does_not_come_is_not_waited_for(proxy: Start, upstream: Make) -> None:
    running = proxy(upstream().address, PROXY_PROTOCOL="true", HEAD_TIMEOUT="200ms", **TRUSTED)
    with running.client() as client:
        assert client.send(b"PROXY TCP4").rest() == b""
