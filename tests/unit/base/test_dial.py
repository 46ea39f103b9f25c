"""Opening connections: names that move, addresses in turn, an upstream that refuses for a while.

The resolver is a function of the test (a Dialer whose `_resolve` is replaced): a name server of our own would need
root and a network namespace. The connections are real ones to 127.0.0.1 and its neighbours.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from kit.wait import until_async
from podparts.net.dial import Dialer, is_ip
from podparts.values import Address


class Pool:
    """Remembers what it is told."""

    name = "app"

    def __init__(self) -> None:
        self.up: list[Any] = []
        self.failures: list[tuple[int, str]] = []
        self.left: list[object] = []

    def opened(self, up: Any) -> None:
        self.up.append(up)

    def dial_failed(self, status: int, reason: str) -> None:
        self.failures.append((status, reason))

    def leave(self, addresses: object) -> None:
        self.left.append(addresses)


class Connection(asyncio.Protocol):
    def __init__(self, pool: object, where: object) -> None:
        self.where = where

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class Scene:
    """A Dialer, its tasks, and a resolver."""

    def __init__(self, address: str, **options: Any) -> None:
        self.pool = Pool()
        self.tasks: set[asyncio.Task[None]] = set()
        self.noticed: list[str | None] = []
        self.answers: list[str] | OSError = ["127.0.0.1"]
        self.resolved = 0
        settings = {"timeout": 2.0, "refresh": 0.0} | options
        self.dialer = Dialer(Address.parse(address), Connection, self._spawn, noticed=self.noticed.append, **settings)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        return task

    def with_resolver(self) -> "Scene":
        async def resolve(host: str, port: int) -> list[tuple[str, int]]:
            self.resolved += 1
            if isinstance(self.answers, OSError):
                return []
            return [(ip, port) for ip in self.answers]

        self.dialer._resolve = resolve  # type: ignore[method-assign]
        return self

    async def dial(self, count: int = 1) -> None:
        for _ in range(count):
            self.dialer(self.pool)
        await asyncio.gather(*self.tasks)

    def end(self) -> None:
        for up in self.pool.up:
            up.transport.abort()


@contextlib.asynccontextmanager
async def listening(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), host, port)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_addresses_of_a_name_are_used_in_turn() -> None:
    async with listening("0.0.0.0") as port:
        scene = Scene(f"app.test:{port}").with_resolver()
        scene.answers = ["127.0.0.1", "127.0.0.2"]
        await scene.dial(4)
        assert sorted(up.where[0] for up in scene.pool.up) == ["127.0.0.1"] * 2 + ["127.0.0.2"] * 2
        scene.end()


async def test_an_address_that_refuses_is_passed_over() -> None:
    async with listening("127.0.0.3") as port:
        scene = Scene(f"app.test:{port}").with_resolver()
        scene.answers = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        await scene.dial(3)
        assert [up.where[0] for up in scene.pool.up] == ["127.0.0.3"] * 3
        assert scene.pool.failures == []
        scene.end()


async def test_a_name_that_moved_is_noticed_and_old_connections_are_left() -> None:
    async with listening("0.0.0.0") as port:
        scene = Scene(f"app.test:{port}").with_resolver()
        await scene.dial()
        scene.answers = ["127.0.0.9"]
        await scene.dial()
        assert [up.where[0] for up in scene.pool.up] == ["127.0.0.1", "127.0.0.9"]
        assert scene.pool.left[-1] == frozenset([("127.0.0.9", port)])
        scene.end()


async def test_a_name_is_not_asked_for_at_each_connection() -> None:
    async with listening() as port:
        scene = Scene(f"app.test:{port}", refresh=60.0).with_resolver()
        await scene.dial()
        await scene.dial(5)
        assert scene.resolved == 1
        scene.end()


async def test_a_name_is_asked_for_again_when_nothing_there_answers() -> None:
    async with listening("127.0.0.2") as port:
        scene = Scene(f"app.test:{port}", refresh=60.0).with_resolver()
        await scene.dial()
        assert scene.pool.failures[0][0] == 502
        scene.answers = ["127.0.0.2"]
        await scene.dial()
        assert len(scene.pool.up) == 1
        scene.end()


async def test_known_addresses_serve_while_the_resolver_fails() -> None:
    async with listening() as port:
        scene = Scene(f"app.test:{port}").with_resolver()
        await scene.dial()
        scene.answers = OSError("no answer")
        await scene.dial()
        assert len(scene.pool.up) == 2
        scene.end()


async def test_a_name_of_both_families_reaches_the_one_that_listens() -> None:
    async with listening("127.0.0.1") as port:
        scene = Scene(f"localhost:{port}")
        await scene.dial(2)
        assert [up.where[0] for up in scene.pool.up] == ["127.0.0.1"] * 2
        scene.end()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".test"])
async def test_a_name_that_cannot_be_resolved_is_502(host: str) -> None:
    scene = Scene(f"{host}:80")
    await scene.dial()
    ((status, reason),) = scene.pool.failures
    assert status == 502
    assert f"cannot resolve {host}" in reason
    assert scene.noticed == [reason]


async def test_an_upstream_that_comes_back_is_reached_by_all_who_waited(free_port: Callable[[], int]) -> None:
    port = free_port()
    scene = Scene(f"127.0.0.1:{port}", hold=20.0)
    for _ in range(10):
        scene.dialer(scene.pool)
    await until_async(scene.dialer._holding.locked, why="they wait")
    async with listening(port=port):
        await asyncio.gather(*scene.tasks)
    assert (len(scene.pool.up), scene.pool.failures) == (10, [])
    scene.end()


async def test_the_wait_ends_once_for_all(free_port: Callable[[], int]) -> None:
    """A hundred who wait, one attempt at a time with a pause each: five seconds if each took its turn to the end."""
    scene = Scene(f"127.0.0.1:{free_port()}", hold=0.2)
    async with asyncio.timeout(3):
        await scene.dial(100)
    assert len(scene.pool.failures) == 100


async def test_a_socket_that_nobody_accepts_on_is_504() -> None:
    with socket.socket() as full, contextlib.ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            one = others.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        scene = Scene(f"127.0.0.1:{full.getsockname()[1]}", timeout=0.2)
        await scene.dial()
    ((status, reason),) = scene.pool.failures
    assert (status, "did not accept a connection within 0.2 s" in reason) == (504, True)


async def test_stopping_tells_who_waits(free_port: Callable[[], int]) -> None:
    scene = Scene(f"127.0.0.1:{free_port()}", hold=20.0)
    scene.dialer(scene.pool)
    await until_async(scene.dialer._holding.locked, why="it waits")
    for task in scene.tasks:
        task.cancel()
    await asyncio.gather(*scene.tasks, return_exceptions=True)
    assert scene.pool.failures == [(503, "stopping")]


@pytest.mark.parametrize(
    ("host", "answer"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("1.2.3", False), ("", False)]
)
def test_an_address_is_told_from_a_name(host: str, answer: bool) -> None:
    assert is_ip(host) == answer
