"""The clock of a client connection, with the time in the test's hand."""

from typing import Any

import pytest

from kit.builds import Build
from podparts.web import Answer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Transport:
    """Remembers what was done to it; `unsent` is what its reader has not taken."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0
        self.done: list[str] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return lambda: self.done.append(name)


class Scene:
    """A connection whose route answers everything itself."""

    def __init__(self, wire: Build) -> None:
        self.refused: list[int] = []
        self.now = wire.sides.now
        self.terms = wire.sides.Terms(
            lambda exchange: Answer(200, b"ok"), lambda status, exchange, reason: self.refused.append(status)
        )
        self.transport = Transport()
        self.connection = wire.client.ClientConnection(self.terms, b"http", lambda connection: None)
        self.connection.connection_made(self.transport)

    def later(self, seconds: float) -> None:
        self.connection.tick(self.now() + seconds)


@pytest.fixture
def scene(wire: Build) -> Scene:
    return Scene(wire)


def test_a_slow_reader_is_given_time_for_what_is_unsent(scene: Scene) -> None:
    """A lingering close is for what the client still sends, not for what it still reads."""
    scene.connection.data_received(LAST)
    assert scene.transport.done == ["close"]
    scene.transport.unsent = 1000
    for seconds, unsent in ((1, 1000), (50, 900), (100, 800), (150, 800)):
        scene.transport.unsent = unsent
        scene.later(seconds)
    assert "abort" not in scene.transport.done
    scene.later(170)
    assert "abort" in scene.transport.done, "60 s without a byte taken"


def test_a_client_that_neither_reads_nor_closes_is_let_go(scene: Scene) -> None:
    scene.connection.data_received(LAST)
    scene.later(1)
    assert "abort" not in scene.transport.done
    scene.later(3)
    assert "abort" in scene.transport.done


def test_the_clock_of_the_first_head_runs_from_the_connection(scene: Scene) -> None:
    for _ in range(5):
        scene.connection.data_received(b"\r\n")
    scene.connection.data_received(b"GET")
    scene.later(14)
    assert scene.refused == []
    scene.later(16)
    assert scene.refused == [408]


def test_an_idle_connection_is_closed_without_an_answer(scene: Scene) -> None:
    scene.connection.data_received(GET)
    written = scene.transport.written
    scene.later(74)
    assert scene.transport.done == []
    scene.later(76)
    assert (scene.transport.done, scene.transport.written) == (["close"], written)


def test_an_empty_line_behind_a_request_does_not_begin_a_head(scene: Scene) -> None:
    """Some clients send one behind a body. A 408 then would be taken for the answer to their next request."""
    scene.connection.data_received(GET)
    written = scene.transport.written
    scene.connection.data_received(b"\r\n\r\n")
    scene.later(20)
    assert (scene.refused, scene.transport.written) == ([], written)
    scene.connection.data_received(b"\r\n" + GET)
    assert scene.transport.written.count(b"HTTP/1.1 200") == 2


def test_requests_sent_ahead_of_a_blocked_answer_are_not_late_heads(scene: Scene) -> None:
    """They wait because the client does not read: that is its stall, not a slow head."""
    scene.connection.data_received(GET)
    scene.connection.pause_writing()
    scene.connection.data_received(GET)
    scene.later(30)
    assert (scene.refused, scene.transport.done) == ([], [])
    scene.connection.resume_writing()
    assert scene.transport.written.count(b"HTTP/1.1 200") == 2


def test_a_timeout_of_zero_is_none(scene: Scene) -> None:
    scene.terms.head_timeout = scene.terms.idle_timeout = 0.0
    scene.connection.data_received(b"GET / HT")
    scene.later(1e6)
    scene.connection.data_received(GET[8:])
    scene.later(1e6)
    assert (scene.refused, scene.transport.done) == ([], [])


def test_a_route_that_fails_costs_its_request_alone(scene: Scene) -> None:
    scene.terms.route = lambda exchange: 1 / 0
    scene.connection.data_received(GET)
    assert scene.transport.written.startswith(b"HTTP/1.1 500 ")
    assert b"division" not in scene.transport.written
    assert (scene.refused, scene.terms.in_flight) == ([500], 0)


@pytest.mark.parametrize(
    "answer", [None, "text", Answer(headers=(("X", "a\r\nb"),))], ids=["None", "text", "line break"]
)
def test_an_answer_that_is_none_is_a_500(answer: object, scene: Scene) -> None:
    scene.terms.route = lambda exchange: answer
    scene.connection.data_received(GET)
    assert scene.transport.written.startswith(b"HTTP/1.1 500 ")
    assert (scene.refused, scene.terms.in_flight) == ([500], 0)
