"""Opening connections to an upstream: names resolved again and again, addresses tried in turn, restarts waited for.

A `Dialer` serves one pool. It resolves the upstream's name at most every `refresh` seconds and tells the pool when the
addresses changed; an upstream that refuses connections (it may be restarting) is tried again for `hold` seconds, by one
attempt at a time however many requests wait.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from podparts.values import Address

HOLD_PAUSE = 0.05  # seconds between attempts while an upstream refuses

# Makes the Protocol of a connection; Any, since the compiled ones do not inherit from asyncio's.
Make = Callable[[Any, object], Any]
Spawn = Callable[[str, Coroutine[Any, Any, None]], object]


class Lender(Protocol):
    """What a Dialer needs of a pool (`podparts.proxy.upstream.Pool`)."""

    name: str

    def opened(self, up: Any) -> None: ...
    def dial_failed(self, status: int, reason: str) -> None: ...
    def leave(self, addresses: object) -> None: ...


class Dialer:
    """Opens connections for a pool; the pool calls it. `make(pool, where)` makes the Protocol of a connection.

    `timeout` bounds one attempt, in seconds. `noticed(reason)` hears of each success (None) and failure.
    """

    def __init__(
        self,
        address: Address,
        make: Make,
        spawn: Spawn,
        *,
        timeout: float,
        hold: float = 0.0,
        refresh: float = 10.0,
        noticed: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        self.address = address
        self._make = make
        self._spawn = spawn
        self._timeout = timeout
        self._hold = hold
        self._refresh = refresh
        self._noticed = noticed
        self._holding = asyncio.Lock()
        self._known: list[tuple[str, int]] = []
        self._resolved_at = float("-inf")
        self._turn = 0

    def __call__(self, pool: Lender) -> None:
        self._spawn(f"dial {pool.name}", self._dial(pool))

    async def _dial(self, pool: Lender) -> None:
        try:
            up = await self._connect_or_hold(pool)
        except TimeoutError:
            self._failed(pool, 504, f"{self.address} did not accept a connection within {self._timeout:g} s")
        except OSError as error:
            self._failed(pool, 502, f"cannot connect to {self.address}: {error.strerror or error}")
        except asyncio.CancelledError:
            pool.dial_failed(503, "stopping")
            raise
        else:
            self._noticed(None)
            pool.opened(up)

    def _failed(self, pool: Lender, status: int, reason: str) -> None:
        self._noticed(reason)
        pool.dial_failed(status, reason)

    async def watch(self, pool: Any, every: float) -> None:
        """Try the upstream now and whenever `every` seconds passed without an exchange that proves it alive."""
        seen = -1
        while True:
            used = pool.opened_total + pool.reused_total
            if used == seen or seen < 0:
                await self._try(pool)
            seen = used
            await asyncio.sleep(every)

    async def _try(self, pool: Lender) -> None:
        """One connection, closed at once."""
        try:
            up = await self._connect(pool, lambda pool, where: Probe())
        except TimeoutError:
            self._noticed(f"{self.address} did not accept a connection within {self._timeout:g} s")
        except OSError as error:
            self._noticed(f"cannot connect to {self.address}: {error.strerror or error}")
        else:
            up.transport.close()
            self._noticed(None)

    async def _connect_or_hold(self, pool: Lender) -> object:
        """A connection; while the upstream refuses, try again until `hold` has passed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._hold
        try:
            return await self._connect(pool)
        except (ConnectionRefusedError, FileNotFoundError) as refused:
            last: OSError = refused
        while loop.time() < until:
            async with self._holding:
                if loop.time() >= until:  # others tried until then
                    break
                try:
                    return await self._connect(pool)
                except (ConnectionRefusedError, FileNotFoundError) as refused:
                    last = refused
                await asyncio.sleep(HOLD_PAUSE)
        raise last

    async def _connect(self, pool: Lender, make: Make | None = None) -> Any:
        """One attempt at each address in turn. Raises TimeoutError or the last OSError."""
        loop = asyncio.get_running_loop()
        make = make or self._make
        if self.address.path:
            async with asyncio.timeout(self._timeout):
                path = self.address.path
                return (await loop.create_unix_connection(lambda: make(pool, path), path))[1]
        last: OSError | None = None
        for where in await self._addresses(pool):
            try:
                async with asyncio.timeout(self._timeout):
                    return (await loop.create_connection(partial(make, pool, where), *where))[1]
            except OSError as error:  # TimeoutError is one
                last = error
        self._resolved_at = float("-inf")
        raise last or OSError(f"{self.address.host} has no address")

    async def _addresses(self, pool: Lender) -> list[tuple[str, int]]:
        """Where the upstream's name leads now, beginning with another address each time."""
        host, port = self.address.host, self.address.port
        loop = asyncio.get_running_loop()
        if is_ip(host):
            return [(host, port)]
        if loop.time() - self._resolved_at >= self._refresh:
            found = await self._resolve(host, port)
            if found and found != self._known:
                self._known = found
                pool.leave(frozenset(found))
            self._resolved_at = loop.time()
        self._turn += 1
        first = self._turn % max(1, len(self._known))
        return self._known[first:] + self._known[:first]

    async def _resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """Sorted addresses of the name; the known ones stay in use while the resolver fails: stale beats none."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: no host name at all, such as a label of 64 bytes
            if not self._known:
                raise OSError(f"cannot resolve {host}: {getattr(error, 'strerror', None) or error}") from None
            return []
        return sorted({(str(where[0]), port) for *_, where in answers})


class Probe(asyncio.Protocol):
    """A connection that is only there to see whether one can be had."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


def is_ip(host: str) -> bool:
    """Whether the host is an IP address rather than a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
