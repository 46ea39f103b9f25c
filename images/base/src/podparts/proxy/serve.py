"""A Site on a port: admin endpoints, pages and small APIs, served by the same data plane as proxied traffic."""

from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

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
        path=unquote(head.path.decode("latin-1")),
        query=dict(parse_qsl(head.query.decode("latin-1"), keep_blank_values=True)),
        headers=headers,
        body=body,
        peer=exchange.peer,
    )


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
