"""HTTP/2 in front of an HTTP/1.1 application, spoken by the h2 package's own client side."""

import asyncio
import contextlib
import signal
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from kit.certs import Authority
from kit.raw import RawClient
from kit.upstream import Upstream, chunked, close_unanswered, echo, echo_stream, says
from kit.wait import until

from .conftest import Sidecar

Headers = list[tuple[str, str]]

GOAWAY = 7  # RFC 9113 6.8


class Client:
    """One h2 connection. `status`, `body`, `trailers`, `resets` by stream; `goodbye` once the server has said it."""

    def __init__(self, it: Sidecar, **options: Any) -> None:
        context = it.context(**options)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.raw = RawClient(it.port, tls=context)
        # Nothing is checked on the way out, so that a test can send what must be refused.
        config = H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.frames = H2Connection(config)
        self.frames.initiate_connection()
        self.status: dict[int, int] = {}
        self.fields: dict[int, dict[str, str]] = {}
        self.body: dict[int, bytes] = defaultdict(bytes)
        self.trailers: dict[int, Headers] = {}
        self.resets: dict[int, int] = {}
        self.ended: set[int] = set()
        self.goodbye: ConnectionTerminated | None = None
        self.closed = False
        self.leaving = False
        self.partial = b""
        self.flush()

    def flush(self) -> None:
        self.raw.send(self.frames.data_to_send())

    def request(self, *more: tuple[str, str], body: bytes | None = None, method: str = "GET", path: str = "/") -> int:
        number: int = self.frames.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        self.frames.send_headers(number, [*pseudo, *more], end_stream=body is None)
        if body is not None:
            self.frames.send_data(number, body, end_stream=True)
        self.flush()
        return number

    def receive(self) -> None:
        """Take in what comes next."""
        data = self.raw.socket.recv(1 << 16)
        self.closed = not data
        for event in self.frames.receive_data(self._without_farewell(data)):
            self._on(event)
        self.flush()

    def _without_farewell(self, data: bytes) -> bytes:
        """Whole frames, less a GOAWAY without an error: the h2 package takes no frame after one (RFC 9113 6.8 does)."""
        self.partial += data
        kept = b""
        while len(self.partial) >= 9 and len(self.partial) >= (end := 9 + int.from_bytes(self.partial[:3], "big")):
            frame, self.partial = self.partial[:end], self.partial[end:]
            if frame[3] == GOAWAY and frame[13:17] == bytes(4):
                self.leaving = True
            else:
                kept += frame
        return kept

    def _on(self, event: object) -> None:
        match event:
            case ResponseReceived():
                self.fields[event.stream_id] = {str(name): str(value) for name, value in event.headers}
                self.status[event.stream_id] = int(self.fields[event.stream_id][":status"])
            case DataReceived():
                self.body[event.stream_id] += event.data
                self.frames.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case TrailersReceived():
                self.trailers[event.stream_id] = [(str(name), str(value)) for name, value in event.headers]
            case StreamEnded():
                self.ended.add(event.stream_id)
            case StreamReset():
                self.resets[event.stream_id] = event.error_code
            case ConnectionTerminated():
                self.goodbye = event

    def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            assert not self.closed, "the connection ended first"
            self.receive()

    def answer(self, number: int) -> tuple[int, bytes]:
        self.until(lambda: number in self.ended or number in self.resets)
        return self.status[number], self.body[number]


@pytest.fixture
def speak(stack: contextlib.ExitStack) -> Callable[..., Client]:
    """`speak(sidecar())`: a connection that is closed with the test."""

    def maker(it: Sidecar, **options: Any) -> Client:
        made = Client(it, **options)
        stack.enter_context(made.raw)
        return made

    return maker


@pytest.fixture
def client(sidecar: Callable[..., Sidecar], speak: Callable[..., Client]) -> Client:
    return speak(sidecar())


def test_curl_speaks_h2_to_it(sidecar: Callable[..., Sidecar], app: Upstream) -> None:
    it = sidecar()
    url = f"https://localhost:{it.port}/"
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--cacert", it.authority.certificate, "-w", "%{http_version}", url],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert done.stdout.endswith("2")
    assert app.seen[0].version == "HTTP/1.1"


def test_the_application_sees_an_ordinary_request(client: Client, app: Upstream) -> None:
    assert client.answer(client.request(("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2")))[0] == 200
    (seen,) = app.seen
    assert (seen.method, seen.target, seen.header("host"), seen.header("x-one")) == ("GET", "/", "localhost", "1")
    assert seen.header("cookie") == "a=1; b=2"
    assert seen.header("x-forwarded-proto") == "https"


def test_many_requests_share_a_connection(client: Client, app: Upstream) -> None:
    app.default = echo
    numbers = [client.request(method="POST", body=b"%d" % number) for number in range(50)]
    assert [client.answer(number) for number in numbers] == [(200, b"%d" % number) for number in range(50)]


def test_a_large_answer_waits_for_the_clients_window(client: Client, app: Upstream) -> None:
    body = bytes(range(256)) * 8192
    app.default = says(body)
    assert client.answer(client.request()) == (200, body)


def test_a_large_body_reaches_the_application(client: Client, app: Upstream) -> None:
    app.default = echo
    body = bytes(range(256)) * 4096
    number = client.frames.get_next_available_stream_id()
    head = [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/")]
    client.frames.send_headers(number, [*head, ("content-length", str(len(body)))])
    sent = 0
    while sent < len(body):
        room = min(client.frames.local_flow_control_window(number), client.frames.max_outbound_frame_size)
        if room == 0:
            client.receive()
            continue
        client.frames.send_data(number, body[sent : sent + room])
        client.flush()
        sent += room
    client.frames.end_stream(number)
    client.flush()
    assert client.answer(number) == (200, body)


def test_trailers_pass_both_ways(client: Client, app: Upstream) -> None:
    app.default = echo_stream
    number = client.frames.get_next_available_stream_id()
    head = [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/"), ("te", "trailers")]
    client.frames.send_headers(number, head)
    client.frames.send_data(number, b"body")
    client.frames.send_headers(number, [("x-sum", "1")], end_stream=True)
    client.flush()
    assert client.answer(number) == (200, b"body")
    assert client.trailers[number] == [("x-sum", "1")]


def test_chunked_coding_stays_on_the_applications_side(client: Client, app: Upstream) -> None:
    app.default = chunked(b"one ", b"two")
    number = client.request()
    assert client.answer(number) == (200, b"one two")
    assert "transfer-encoding" not in client.fields[number]


def test_an_answer_to_head_has_no_body(client: Client, app: Upstream) -> None:
    async def head(exchange: Any) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    app.default = head
    number = client.request(method="HEAD")
    assert client.answer(number) == (200, b"")
    assert client.fields[number]["content-length"] == "5"


@pytest.mark.parametrize(
    "field",
    [
        ("transfer-encoding", "chunked"), ("connection", "close"), ("X-Upper", "1"), ("x bad", "1"),
        ("x", "a\r\nGET /evil HTTP/1.1"), ("x", "a\nb"), ("x", "a\0b"), ("content-length", "5"), (":path", "/two"),
        ("host", "other"),
    ],
    ids=str,
)  # fmt: skip
def test_what_would_smuggle_never_reaches_the_application(
    client: Client, app: Upstream, field: tuple[str, str]
) -> None:
    number = client.request(field, method="POST", body=b"x")
    client.until(lambda: number in client.ended or number in client.resets or client.goodbye)
    assert client.status.get(number, 400) >= 400
    assert [one for one in app.seen if one.whole] == []


def test_a_target_with_a_space_is_refused(client: Client, app: Upstream) -> None:
    number = client.request(path="/ HTTP/1.1\r\nx: y")
    client.until(lambda: number in client.ended or number in client.resets or client.goodbye)
    assert app.seen == []


def test_streams_that_are_opened_and_reset_at_once_end_the_connection(client: Client) -> None:
    """CVE-2023-44487."""
    for _ in range(1000):
        number = client.frames.get_next_available_stream_id()
        client.frames.send_headers(
            number, [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")], end_stream=True
        )
        client.frames.reset_stream(number)
    client.flush()
    client.until(lambda: client.goodbye)
    assert client.goodbye
    assert client.goodbye.error_code == ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("frame", ["ping", "settings"])
def test_a_flood_of_frames_that_carry_nothing_ends_the_connection(client: Client, frame: str) -> None:
    empty = {"ping": b"\0\0\x08\x06\0\0\0\0\0" + bytes(8), "settings": b"\0\0\0\x04\0\0\0\0\0"}[frame]
    client.raw.send(empty * 2000)
    client.until(lambda: client.goodbye or client.closed)
    assert client.goodbye


def test_a_flood_of_continuation_frames_ends_the_connection(client: Client) -> None:
    """CVE-2024-27316 and its kin."""
    headers = b"\0\0\x01\x01\x01\0\0\0\x01\x82"  # without END_HEADERS
    client.raw.send(headers + 70 * (b"\0\x01\0\x09\0\0\0\0\x01" + b"\0" * 256))
    client.until(lambda: client.goodbye or client.closed)


def test_a_head_beyond_the_limit_is_refused(
    sidecar: Callable[..., Sidecar], speak: Callable[..., Client], app: Upstream
) -> None:
    client = speak(sidecar(HEAD_LIMIT="4KiB"))
    number = client.request(("x", "y" * 8000))
    client.until(lambda: number in client.ended or number in client.resets or client.goodbye)
    assert app.seen == []


def test_no_more_streams_than_allowed_are_open(sidecar: Callable[..., Sidecar], speak: Callable[..., Client]) -> None:
    client = speak(sidecar(H2_STREAMS="7"))
    client.answer(client.request())
    assert client.frames.remote_settings.max_concurrent_streams == 7


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"\xff" * 100, b"\0\0\x01\x01\x04\0\0\0\x01\xff"], ids=["nul", "ff", "hpack"]
)
def test_garbage_ends_the_connection_and_the_next_is_served(
    sidecar: Callable[..., Sidecar], speak: Callable[..., Client], garbage: bytes
) -> None:
    it = sidecar()
    client = speak(it)
    client.raw.send(garbage)
    client.raw.rest()
    assert it.get().status == 200
    assert "Traceback" not in it.part.log()


def test_the_client_certificate_reaches_the_application_in_h2_too(
    sidecar: Callable[..., Sidecar], speak: Callable[..., Client], authority: Authority, app: Upstream
) -> None:
    it = sidecar(CLIENT_CA_PATH=authority.certificate, CLIENT_ALLOW="cn=web")
    for name, status in (("web", 200), ("other", 403)):
        client = speak(it, client=authority.client(name))
        assert client.answer(client.request(("x-client-cert-cn", "forged")))[0] == status
    assert [one.all("x-client-cert-cn") for one in app.seen] == [["web"]]


def test_a_broken_application_is_a_502(
    sidecar: Callable[..., Sidecar], speak: Callable[..., Client], app: Upstream
) -> None:
    app.default = close_unanswered
    client = speak(sidecar())
    assert client.answer(client.request(method="POST", body=b"x"))[0] == 502


def test_stopping_finishes_the_streams_under_way(
    sidecar: Callable[..., Sidecar], speak: Callable[..., Client], app: Upstream
) -> None:
    release = threading.Event()

    async def late(exchange: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 10)
        await exchange.answer(body=b"late")

    app.default = late
    it = sidecar()
    client = speak(it)
    number = client.request()
    until(lambda: app.seen, why="the application has the request")
    it.part.signal(signal.SIGTERM)
    it.part.until_logged("stopping")
    release.set()
    assert client.answer(number) == (200, b"late")
    client.until(lambda: client.leaving)
    assert it.part.wait() == 0
