"""An HTTP/1.1 reverse proxy as a component uses it: settings, listeners, pools, metrics, logs and life in one place.

    proxy = HttpProxy(settings, service, route)
    app = proxy.pool("app", settings.upstream)
    await proxy.listen(settings.listen)

`route(exchange)` decides on each request (`podparts.proxy.decision`). What happens to bytes is the business of the
compiled modules beside this one; here is what happens once per connection, per failure and per scrape.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from podparts.net.dial import Dialer
from podparts.net.listen import Listener, listen
from podparts.net.proxy_header import ProxyHeader
from podparts.proxy.client import ClientConnection
from podparts.proxy.exchange import Exchange
from podparts.proxy.settings import (
    ACCEPTED,
    CLIENTS,
    DURATION,
    FAILED,
    IN_FLIGHT,
    OPENED,
    PROXY_METRICS,
    REFUSED,
    REQUESTS,
    RETRIES,
    SENT,
    UPSTREAMS,
    WAITING,
    ProxySettings,
)
from podparts.proxy.sides import Collect, Forward, Stats, Terms
from podparts.proxy.sweep import Sweep
from podparts.proxy.upstream import Pool, UpstreamConnection
from podparts.service import Service
from podparts.values import Address
from podparts.web import Answer

__all__ = ["PROXY_METRICS", "Decision", "HttpProxy", "ProxySettings"]

Decision = Forward | Collect | Answer
Make = Callable[..., Any]  # makes a Protocol; the compiled ones do not inherit from asyncio's


class HttpProxy:
    """One component's proxy. `drop` names request fields that clients must not set, `hide` response fields that the
    component sets itself (lower case)."""

    def __init__(
        self,
        settings: ProxySettings,
        service: Service,
        route: Callable[[Exchange], Decision],
        *,
        drop: tuple[bytes, ...] = (),
        hide: tuple[bytes, ...] = (),
    ) -> None:
        self.settings = settings
        self.service = service
        self.terms = terms_of(settings, route, self._report, drop, hide)
        self.pools: dict[str, Pool] = {}
        self.stats: dict[str, Stats] = {"self": self.terms.own}
        self._listeners: list[Listener] = []
        self._accepted = 0
        self._sweep = Sweep(
            self.terms,
            self.pools.values,
            interval=sweep_interval(settings),
            upstream_idle=settings.upstream_idle_timeout or float("inf"),
        )
        service.metrics.before_collect(self._collect)
        service.in_flight(self._in_flight)
        service.on_stopping(self._say_goodbye)
        service.on_drain(self.drain)
        service.on_stop(self.stop)

    # ---- what a component says

    def pool(self, name: str, address: Address) -> Pool:
        """Connections to an upstream; whether it can be reached becomes the condition `upstream NAME` of readiness."""
        settings = self.settings
        condition = self.service.health.condition(f"upstream {name}", startup=False)

        def noticed(reason: str | None) -> None:
            condition.ok() if reason is None else condition.fail(reason)

        dialer = Dialer(
            address,
            UpstreamConnection,
            self.service.tasks.start,
            timeout=settings.connect_timeout,
            hold=settings.upstream_wait,
            noticed=noticed,
        )
        pool = Pool(name, self.terms, dialer, settings.upstream_connections, settings.upstream_queue)
        if not address.path:
            pool.host = str(address).encode()
        self.pools[name] = pool
        self.service.tasks.start(f"watch {name}", dialer.watch(pool, settings.upstream_check))
        return pool

    def forward(self, pool: Pool, label: str = "", **edits: bytes) -> Forward:
        """The decision to forward to a pool, counted under `label` (the pool's name unless given)."""
        label = label or pool.name
        stats = self.stats.setdefault(label, Stats(label))
        return Forward(pool, label, stats=stats, **edits)

    async def listen(
        self,
        address: Address,
        *,
        scheme: bytes = b"http",
        wrap: Callable[[Make], Any] | None = None,
        opened: Callable[[ClientConnection], None] = lambda connection: None,
        proxy_protocol: bool = False,
    ) -> Listener:
        """Serve clients at the address.

        `wrap(make)` puts a protocol (TLS) around the one that `make()` makes, or `make(kind)` for another class than
        ClientConnection that is made with the same arguments; `opened(connection)` may set `identity` and `info`;
        `proxy_protocol` expects a PROXY header (v1 or v2) from a trusted proxy first. Raises CannotBind.
        """

        def connection(peer: str | None = None) -> Any:
            def make(kind: Make = ClientConnection) -> Any:
                return kind(self.terms, scheme, partial(self._opened, peer, opened))

            return wrap(make) if wrap else make()

        def behind_proxy() -> asyncio.BaseProtocol:
            return ProxyHeader(connection, self.trusts, self.settings.head_timeout, self._bad_header)

        factory = behind_proxy if proxy_protocol else connection
        listener = await listen(address, factory, reuse_port=self.service.reuse_port)
        self._listeners.append(listener)
        return listener

    def trusts(self, peer: str) -> bool:
        """Whether what this peer says about the client is believed."""
        return any(peer in network for network in self.settings.trusted_proxies)

    # ---- life

    def _opened(
        self, peer: str | None, opened: Callable[[ClientConnection], None], connection: ClientConnection
    ) -> None:
        connection.peer = peer or peer_of(connection.transport)
        connection.trusts_peer = bool(self.settings.trusted_proxies) and self.trusts(connection.peer)
        self._accepted += 1
        opened(connection)
        self._sweep.wake()
        if len(self.terms.exchanges) >= self.settings.max_connections:
            log = self.service.log.limited("MAX_CONNECTIONS", per=1.0)
            log.warning("connection refused", reason="MAX_CONNECTIONS clients are connected", peer=connection.peer)
            self.terms.own.count(503, 0.0)
            connection.send_refusal(503)

    def _say_goodbye(self) -> None:
        """Stopping: every answer from now on is its connection's last, so that clients go elsewhere."""
        self.terms.draining = True

    def _in_flight(self) -> int:
        """Exchanges under way; when there are none, connections that are still owed something."""
        return self.terms.in_flight or sum(exchange.unfinished() for exchange in self.terms.exchanges)

    def drain(self) -> None:
        """Accept no more, close what is idle."""
        self.terms.draining = True
        for listener in self._listeners:
            listener.close()
        for exchange in list(self.terms.exchanges):
            exchange.drain()

    async def stop(self) -> None:
        """End whatever is left."""
        self._sweep.stop()
        for exchange in list(self.terms.exchanges):
            exchange.abort()
        for pool in self.pools.values():
            pool.close()

    # ---- observing

    def _report(self, status: int, exchange: Exchange, reason: str) -> None:
        """One line per refusal or failure, at most one a second of a kind; the client learns the status alone."""
        log = self.service.log.limited(f"{status} {reason}", per=1.0)
        head = exchange.head
        failed = status >= 500 and status not in (501, 505)  # those two are about what the client sent
        say = log.warning if failed else log.info
        say(
            "request failed" if failed else "request refused",
            status=status,
            reason=reason,
            peer=exchange.peer,
            request=head.data[head.start : head.start + 120].partition(b"\r\n")[0].decode("latin-1"),
            upstream=exchange.forward.label if exchange.forward else "self",
        )

    def _bad_header(self, peer: str, reason: str) -> None:
        self.service.log.limited(f"proxy header {reason}", per=1.0).info("connection refused", reason=reason, peer=peer)
        self.terms.own.count(400, 0.0)

    def _collect(self) -> None:
        """Copy the data plane's counters into the registry, before each scrape."""
        metrics = self.service.metrics
        for label, stats in self.stats.items():
            for name, count in stats.classes().items():
                if count:
                    metrics[REQUESTS].set(count, label, name)
            metrics[DURATION].load(stats.latencies(), stats.total_seconds, label)
            metrics[SENT].set(stats.sent, label)
            metrics[RETRIES].set(stats.retried, label)
        metrics[IN_FLIGHT].set(self.terms.in_flight)
        metrics[CLIENTS].set(len(self.terms.exchanges))
        metrics[ACCEPTED].set(self._accepted)
        for name, pool in self.pools.items():
            metrics[UPSTREAMS].set(len(pool.idle), name, "idle")
            metrics[UPSTREAMS].set(pool.open - len(pool.idle), name, "active")
            metrics[OPENED].set(pool.opened_total, name)
            metrics[FAILED].set(pool.failed_total, name)
            metrics[WAITING].set(len(pool.waiting), name)
            metrics[REFUSED].set(pool.refused_total, name)


def terms_of(
    settings: ProxySettings,
    route: Callable[[Exchange], Decision],
    report: Callable[[int, Exchange, str], None],
    drop: tuple[bytes, ...],
    hide: tuple[bytes, ...],
) -> Terms:
    """The settings as the compiled modules take them."""
    terms = Terms(route, report, drop, hide)
    for name in (
        "head_limit", "target_limit", "body_limit", "head_timeout", "idle_timeout", "stall_timeout",
        "response_timeout", "request_timeout", "tunnel_timeout",
    ):  # fmt: skip
        setattr(terms, name, getattr(settings, name))
    terms.x_forwarded = settings.forwarded in ("x", "both")
    terms.forwarded = settings.forwarded in ("rfc7239", "both")
    return terms


def sweep_interval(settings: ProxySettings) -> float:
    """Seconds between looks at all connections: a tenth of the shortest timeout, at most a quarter of a second."""
    timeouts = (
        settings.head_timeout,
        settings.idle_timeout,
        settings.stall_timeout,
        settings.response_timeout,
        settings.request_timeout,
        settings.upstream_idle_timeout,
    )
    return max(0.02, min([0.25, *(timeout / 10 for timeout in timeouts if timeout)]))


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The client's IP address as the transport knows it; `unix` for a local socket."""
    name = transport.get_extra_info("peername")
    return ip_of(name) if isinstance(name, tuple) else "unix"


def ip_of(name: tuple[Any, ...]) -> str:
    """The IP address of a socket name."""
    ip = str(name[0])
    return ip.removeprefix("::ffff:") if "." in ip else ip  # how a dual-stack socket says IPv4
