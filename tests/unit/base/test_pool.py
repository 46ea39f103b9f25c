"""The pool's policy, with a dial that the test answers and exchanges that only remember what they were told."""

from functools import partial
from typing import Any

import pytest

from kit.builds import Build


class Dial:
    """Counts what it is asked for; the test opens or fails."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, pool: Any) -> None:
        self.asked += 1


class Transport:
    """As little of a transport as a connection touches."""

    def __init__(self) -> None:
        self.ended = False
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes) -> None:
        """Sent into nothing."""

    def abort(self) -> None:
        self.ended = True


class Wired:
    """A pool of one build with everything around it."""

    def __init__(self, build: Build, limit: int = 0, queue: int = 100) -> None:
        self.build = build
        self.dial = Dial()
        terms = build.sides.Terms(None, None)
        self.pool = build.upstream.Pool("app", terms, self.dial, limit, queue)
        told: list[tuple[Any, Any]] = []
        self.told = told

        class Waiting(build.exchange.Exchange):  # type: ignore[name-defined,misc]
            def connected(self, up: Any) -> None:
                told.append((self, up))

            def respond(self, up: Any, start: int, end: int) -> None:
                """Taken, and no more for now."""
                up.pause_reading()

            def pause_reading(self) -> None:
                """The server takes no more for now."""

            def finish(self) -> None:
                told.append((self, "finished"))

            def unavailable(self, status: int, reason: str) -> None:
                told.append((self, status))

        self.exchange: Any = partial(Waiting, terms, b"http")

    def connection(self, where: object = "here") -> Any:
        up = self.build.upstream.UpstreamConnection(self.pool, where)
        self.transport = Transport()
        up.connection_made(self.transport)
        return up

    def open(self, where: object = "here") -> Any:
        """One dial succeeds."""
        up = self.connection(where)
        self.pool.opened(up)
        return up

    def ask(self, fresh: bool = False) -> Any:
        """A new exchange asks for a connection; returns the exchange and what it got at once."""
        exchange = self.exchange()
        return exchange, self.pool.acquire(exchange, fresh)


@pytest.fixture
def wired(wire: Build) -> Wired:
    return Wired(wire)


def test_a_request_waits_for_the_connection_that_is_opened_for_it(wired: Wired) -> None:
    exchange, up = wired.ask()
    assert (up, wired.dial.asked) == (None, 1)
    opened = wired.open()
    assert wired.told == [(exchange, opened)]


def test_the_connection_used_last_is_lent_first(wired: Wired) -> None:
    wired.ask(), wired.ask()
    first, second = wired.open(), wired.open()
    wired.pool.release(first)
    wired.pool.release(second)
    assert wired.ask()[1] is second
    assert wired.ask()[1] is first


def test_a_connection_that_is_released_serves_who_waits_longest(wired: Wired) -> None:
    wired.ask()
    up = wired.open()
    second, third = wired.ask()[0], wired.ask()[0]
    wired.pool.release(up)
    wired.pool.release(up)
    assert wired.told[1:] == [(second, up), (third, up)]


def test_a_retry_gets_a_connection_that_never_served(wired: Wired) -> None:
    wired.ask()
    wired.pool.release(wired.open())
    _, up = wired.ask(fresh=True)
    assert (up, wired.dial.asked) == (None, 2)


def test_connections_are_bounded(wire: Build) -> None:
    wired = Wired(wire, limit=2)
    for _ in range(5):
        wired.ask()
    assert (wired.dial.asked, len(wired.pool.waiting)) == (2, 5)
    up = wired.open()
    assert wired.dial.asked == 2
    up.close()
    assert wired.dial.asked == 3, "the place of one that is gone is free"


def test_those_who_wait_are_bounded(wire: Build) -> None:
    wired = Wired(wire, limit=1, queue=2)
    wired.ask(), wired.ask(), wired.ask()
    exchange, up = wired.ask()
    assert up is None
    assert wired.told == [(exchange, 503)]
    assert wired.pool.refused_total == 1


def test_a_failed_dial_is_told_to_who_waits_longest(wired: Wired) -> None:
    first, second = wired.ask()[0], wired.ask()[0]
    wired.pool.dial_failed(502, "refused")
    assert wired.told == [(first, 502)]
    wired.pool.dial_failed(504, "late")
    assert wired.told == [(first, 502), (second, 504)]


def test_a_failed_dial_that_nobody_needs_any_more_is_told_to_nobody(wired: Wired) -> None:
    wired.ask()
    up = wired.open()
    second = wired.ask()[0]
    wired.pool.release(up)
    wired.pool.dial_failed(502, "refused")
    assert [told[1] for told in wired.told if told[0] is second] == [up]
    assert len(wired.told) == 2


def test_a_connection_that_closed_before_it_was_used_is_not_lent(wired: Wired) -> None:
    exchange = wired.ask()[0]
    up = wired.connection()
    up.connection_lost(None)
    wired.pool.opened(up)
    assert wired.told == [(exchange, 502)]
    assert (wired.pool.open, wired.pool.opening, wired.pool.idle) == (0, 0, [])


def answered(wired: Wired, full: bool = False) -> Any:
    """A connection whose exchange was answered while its client took no more."""
    exchange = wired.ask()[0]
    up = wired.open()
    up.begin(exchange, b"GET / HTTP/1.1\r\n\r\n")
    if full:
        up.pause_writing()
    up.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return up


def test_a_connection_that_was_paused_reads_again_when_it_comes_back(wired: Wired) -> None:
    up = answered(wired)
    assert wired.pool.idle == [up]
    assert wired.transport.reading


def test_a_connection_that_still_sends_its_request_is_not_lent_again(wired: Wired) -> None:
    answered(wired, full=True)
    assert wired.transport.ended
    assert (wired.pool.open, wired.pool.idle) == (0, [])


def test_who_went_away_is_not_served(wired: Wired) -> None:
    gone, stays = wired.ask()[0], wired.ask()[0]
    wired.pool.forget(gone)
    up = wired.open()
    assert wired.told == [(stays, up)]


def test_an_idle_connection_that_closes_is_forgotten(wired: Wired) -> None:
    wired.ask()
    up = wired.open()
    wired.pool.release(up)
    up.connection_lost(None)
    assert (wired.pool.open, wired.pool.idle) == (0, [])
    assert wired.ask()[1] is None


def test_what_arrives_on_an_idle_connection_closes_it(wired: Wired) -> None:
    wired.ask()
    up = wired.open()
    wired.pool.release(up)
    up.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert wired.pool.idle == []


def test_connections_to_where_the_name_no_longer_leads_are_closed(wired: Wired) -> None:
    wired.ask(), wired.ask()
    old, new = wired.open("10.0.0.1"), wired.open("10.0.0.2")
    wired.pool.release(old)
    wired.pool.release(new)
    wired.pool.leave(frozenset(["10.0.0.2"]))
    assert wired.pool.idle == [new]


def test_old_connections_are_closed_and_new_ones_kept(wired: Wired) -> None:
    wired.ask(), wired.ask()
    old, new = wired.open(), wired.open()
    wired.pool.release(old)
    wired.pool.release(new)
    old.parked, new.parked = 10.0, 20.0
    wired.pool.sweep(15.0)
    assert wired.pool.idle == [new]


def test_a_closed_pool_keeps_nothing(wired: Wired) -> None:
    wired.ask(), wired.ask()
    idle, lent = wired.open(), wired.open()
    wired.pool.release(idle)
    wired.pool.close()
    wired.pool.release(lent)
    assert (wired.pool.open, wired.pool.idle) == (0, [])
