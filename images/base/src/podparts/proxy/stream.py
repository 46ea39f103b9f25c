"""A TCP proxy as a component uses it: listeners, upstream, metrics, logs, life. The bytes pass in `proxy.tcp`."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from podparts.net.dial import Dialer
from podparts.net.listen import Listener, listen
from podparts.net.proxy_header import ProxyHeader
from podparts.proxy.http import ip_of, peer_of
from podparts.proxy.settings import BYTES, CONNECTIONS, OPEN, ProxySettings
from podparts.proxy.sides import now
from podparts.proxy.tcp import TcpClient, TcpServer
from podparts.service import Service
from podparts.values import Address
from podparts.wire.proxy_header import version1, version2

SWEEP = 1.0  # seconds between looks for idle connections; TUNNEL_TIMEOUT is minutes


class TcpProxy:
    """Accepts connections and joins each with one to `upstream`; `announce` sends a PROXY header of that version."""

    def __init__(
        self,
        settings: ProxySettings,
        service: Service,
        upstream: Address,
        announce: Literal["none", "v1", "v2"] = "none",
    ) -> None:
        self.settings = settings
        self.service = service
        self.connections: set[TcpClient] = set()
        self._announce = announce
        self._condition = service.health.condition("upstream app", startup=False)
        self._listeners: list[Listener] = []
        self._dial = Dialer(
            upstream,
            lambda client, where: TcpServer(self._greeting(client)),
            service.tasks.start,
            timeout=settings.connect_timeout,
            hold=settings.upstream_wait,
            noticed=self._noticed,
        )
        service.in_flight(lambda: len(self.connections))
        service.on_drain(self.drain)
        service.on_stop(self.stop)
        service.metrics.before_collect(lambda: service.metrics[OPEN].set(len(self.connections)))
        service.tasks.start("sweep tcp", self._sweep())
        service.tasks.start("watch app", self._dial.watch(Unused(), settings.upstream_check))

    async def listen(
        self,
        address: Address,
        *,
        wrap: Callable[[Callable[[], Any]], Any] | None = None,
        proxy_protocol: bool = False,
    ) -> Listener:
        """Serve clients at the address; the arguments are those of `HttpProxy.listen`. Raises CannotBind."""

        def connection(peer: str | None = None) -> Any:
            make = partial(TcpClient, partial(self._opened, peer), self._closed)
            return wrap(make) if wrap else make()

        def behind_proxy() -> asyncio.BaseProtocol:
            return ProxyHeader(connection, self._trusts, self.settings.head_timeout, self._bad_header)

        factory = behind_proxy if proxy_protocol else connection
        listener = await listen(address, factory, reuse_port=self.service.reuse_port)
        self._listeners.append(listener)
        return listener

    def _noticed(self, reason: str | None) -> None:
        if reason is None:
            self._condition.ok()
        else:
            self._condition.fail(reason)

    def _opened(self, peer: str | None, client: TcpClient) -> None:
        client.peer = peer or peer_of(client.transport)
        if len(self.connections) >= self.settings.max_connections:
            client.end("MAX_CONNECTIONS clients are connected")
            return
        self.connections.add(client)
        self._dial(client)

    def _greeting(self, client: TcpClient) -> bytes:
        """The PROXY header for the upstream, if one is announced."""
        if self._announce == "none":
            return b""
        transport = client.transport
        if transport is None:  # it went away meanwhile, and `opened` will see that
            return b""
        name = transport.get_extra_info("peername")
        here = transport.get_extra_info("sockname")
        if not isinstance(name, tuple) or not isinstance(here, tuple):
            return b"PROXY UNKNOWN\r\n"
        port = name[1] if peer_of(transport) == client.peer else 0  # 0: a PROXY header named the client
        write = version1 if self._announce == "v1" else version2
        return write((client.peer, port), (ip_of(here), here[1]))

    def _closed(self, client: TcpClient, reason: str | None) -> None:
        self.connections.discard(client)
        metrics = self.service.metrics
        metrics[CONNECTIONS].inc(1, "failed" if reason else "closed")
        metrics[BYTES].inc(client.received, "up")
        metrics[BYTES].inc(client.sent, "down")
        if reason:
            self.service.log.limited(f"tcp {reason}", per=1.0).warning(
                "connection failed", reason=reason, peer=client.peer
            )

    def _trusts(self, peer: str) -> bool:
        return any(peer in network for network in self.settings.trusted_proxies)

    def _bad_header(self, peer: str, reason: str) -> None:
        self.service.metrics[CONNECTIONS].inc(1, "refused")
        self.service.log.limited(f"proxy header {reason}", per=1.0).info("connection refused", reason=reason, peer=peer)

    async def _sweep(self) -> None:
        """End connections on which nothing moved for TUNNEL_TIMEOUT."""
        while True:
            await asyncio.sleep(SWEEP)
            limit = self.settings.tunnel_timeout
            oldest = now() - limit
            for client in [one for one in self.connections if limit and one.idle_since() < oldest]:
                client.end("nothing moved for TUNNEL_TIMEOUT")

    def drain(self) -> None:
        """Accept no more."""
        for listener in self._listeners:
            listener.close()

    async def stop(self) -> None:
        """End whatever is left."""
        for client in list(self.connections):
            client.end("stopping")


class Unused:
    """What the checks of the upstream count as traffic: none, a TCP connection proves nothing between its ends."""

    name = "app"
    opened_total = reused_total = 0

    def opened(self, up: object) -> None: ...
    def dial_failed(self, status: int, reason: str) -> None: ...
    def leave(self, addresses: object) -> None: ...
