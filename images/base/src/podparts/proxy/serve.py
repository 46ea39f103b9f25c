"""A Site on a port: admin endpoints, pages and small APIs, served by the same data plane as proxied traffic."""

from collections.abc import Callable

from podparts.net.listen import Listener, listen
from podparts.proxy.client import ClientConnection
from podparts.proxy.exchange import Exchange
from podparts.proxy.sides import Collect, Terms
from podparts.proxy.sweep import Sweep
from podparts.values import Address
from podparts.web import Answer, Request, Site

MAX_CONNECTIONS = 256
MAX_BODY = 65536


def request_of(exchange: Exchange, body: bytes) -> Request:
    """The request of an exchange as a Site takes it."""
    head = exchange.head
    headers: dict[str, str] = {}
    for name, value in head.fields():
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return Request(
        method=head.method.decode("latin-1"),
        target=head.target.decode("latin-1"),
        path=_decoded(head.path.decode("latin-1")),
        query=_parsed(head.query.decode("latin-1")) if head.query else {},
        headers=headers,
        body=body,
        peer=exchange.peer,
    )


def _decoded(path: str) -> str:
    if "%" not in path:
        return path
    from urllib.parse import unquote  # with _parsed: 3 ms and 0.6 MB that probes and scrapes need not pay

    return unquote(path)


def _parsed(query: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(query, keep_blank_values=True))


class SiteServer:
    """A Site that is being served; `close` accepts no more and ends what is idle."""

    def __init__(self, site: Callable[[Request], Answer], max_body: int, max_connections: int) -> None:
        def answer(exchange: Exchange, body: bytes) -> Answer:
            return site(request_of(exchange, body))

        collect = Collect(answer, max_body)
        self.terms = Terms(lambda exchange: collect, lambda status, exchange, reason: None)
        self.terms.idle_timeout = 30.0
        self._max_connections = max_connections
        self._sweep = Sweep(self.terms, tuple)
        self.listener: Listener | None = None

    def connection(self) -> ClientConnection:
        """The Protocol of one accepted connection."""
        return ClientConnection(self.terms, b"http", self._opened)

    def _opened(self, connection: ClientConnection) -> None:
        peer = connection.transport.get_extra_info("peername")
        connection.peer = str(peer[0]) if isinstance(peer, tuple) else "unix"
        if len(self.terms.exchanges) >= self._max_connections:
            connection.transport.abort()
        self._sweep.wake()

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
        self.terms.draining = True
        for exchange in list(self.terms.exchanges):
            exchange.drain()
        self._sweep.stop()


async def serve_site(
    address: Address,
    site: Callable[[Request], Answer] | Site,
    *,
    max_body: int = MAX_BODY,
    max_connections: int = MAX_CONNECTIONS,
    reuse_port: bool = False,
) -> SiteServer:
    """Serve the site on the address; bodies beyond `max_body` bytes are refused. Raises CannotBind."""
    server = SiteServer(site, max_body, max_connections)
    server.listener = await listen(address, server.connection, reuse_port=reuse_port)
    return server
