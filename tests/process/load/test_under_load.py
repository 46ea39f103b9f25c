"""Under load nothing that the proxy could have served fails, nothing is lost and nothing is served twice.

Every request carries a number that the upstream writes down and answers with (kit.traffic).
"""

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kit.ports import free_port
from kit.process import Part
from kit.traffic import Journal, Traffic, account, under
from kit.wait import until_async

MakePart = Callable[..., Part]
PLAIN = str(Path(__file__).parents[2] / "bench" / "plain.py")
RESTARTS = 10
ROTATIONS = 100


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    upstream = Journal()
    await upstream.listen()
    yield upstream
    await upstream.stop()


async def _more(traffic: Traffic, count: int) -> None:
    """Wait until so many more requests have been answered."""
    goal = len(traffic.answered) + count
    await until_async(lambda: len(traffic.answered) >= goal, timeout=60, why=f"{count} more requests are answered")


async def _stopped(part: Part) -> None:
    """SIGTERM, and wait until it has ended in order."""
    part.signal(signal.SIGTERM)
    await until_async(lambda: part.code is not None, timeout=20, why="the part ends", show=part.log)
    assert part.code == 0, part.log()


async def test_an_upstream_that_restarts_costs_no_request_that_can_be_repeated(
    part: MakePart, journal: Journal
) -> None:
    """The upstream closes all its connections and its port, and is gone until every client waits for it.

    A POST that was on its way to a connection which was just being closed is the one that may fail: whether it was
    acted upon nobody can know, so it must not be sent again. It is answered with 502.
    """
    port = free_port()
    part(PLAIN, LISTEN=f"127.0.0.1:{port}", UPSTREAM=journal.address, UPSTREAM_WAIT="30s")
    async with under(Traffic(lambda: port)) as traffic:
        for _ in range(RESTARTS):
            await _more(traffic, 300)
            await journal.stop()
            await until_async(lambda: traffic.waiting == traffic.clients, why="every client waits")
            await journal.listen()
        await _more(traffic, 300)
    result = account(traffic, journal)
    assert (result.lost, result.doubled) == (0, 0)
    assert [failure for failure in traffic.failures if failure.method != "POST" or "502" not in failure.why] == []
    assert result.failed <= RESTARTS * traffic.clients


async def test_a_part_that_is_told_to_stop_loses_nothing(part: MakePart, journal: Journal) -> None:
    """Two instances take turns, as in a rollout: new connections go to the other one from the moment of SIGTERM."""
    ports = [free_port(), free_port()]

    def start(which: int) -> Part:
        return part(
            PLAIN,
            LISTEN=f"127.0.0.1:{ports[which]}",
            UPSTREAM=journal.address,
            SHUTDOWN_DELAY="500ms",
            SHUTDOWN_GRACE="10s",
        )

    current, running = 0, start(0)
    async with under(Traffic(lambda: ports[current])) as traffic:
        for _ in range(RESTARTS):
            await _more(traffic, 300)
            following = start(1 - current)
            current = 1 - current
            await _stopped(running)
            running = following
        await _more(traffic, 300)
    result = account(traffic, journal)
    assert result.clean, result
    assert traffic.closed_by_server > 0, "clients were never told to go elsewhere"
