"""A connection that begins with a PROXY header: read it, check who sent it, hand the rest on.

Stands outside TLS, because the header comes before the handshake. Once the header is read it is out of the way: the
transport talks to the inner protocol directly.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from podparts.wire.proxy_header import BadHeader, parse


class ProxyHeader(asyncio.Protocol):
    """Reads the header, then `make(client_ip)` makes the protocol that gets the connection.

    Only peers that `trusts(ip)` accepts may send one; others are closed and reported to `bad(peer, reason)`, as is a
    header that is malformed or does not arrive within `timeout` seconds.
    """

    def __init__(
        self,
        make: Callable[[str | None], Any],
        trusts: Callable[[str], bool],
        timeout: float,
        bad: Callable[[str, str], None],
    ) -> None:
        self._make = make
        self._trusts = trusts
        self._timeout = timeout
        self._bad = bad
        self._data = b""
        self._peer = "unix"
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._peer = str(peer[0])
            if not self._trusts(self._peer):
                self._refuse("a PROXY header is expected, but the peer is not among TRUSTED_PROXIES")
                return
        if self._timeout:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._timeout, self._refuse, "the PROXY header did not arrive in time")

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            header = parse(self._data)
        except BadHeader as error:
            self._refuse(str(error))
            return
        if header is None:
            return
        self._cancel()
        inner = self._make(header.client[0] if header.client else None)
        rest, self._data = self._data[header.size :], b""
        self._transport.set_protocol(inner)
        inner.connection_made(self._transport)
        if rest:
            inner.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, reason: str) -> None:
        self._cancel()
        self._bad(self._peer, reason)
        self._transport.abort()
