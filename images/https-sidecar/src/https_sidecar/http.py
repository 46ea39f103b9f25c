"""HTTP over TLS: who gets to the application, what it is told, and what plain HTTP is answered."""

from collections.abc import Callable
from functools import partial
from typing import Any

from https_sidecar.clients import Client
from https_sidecar.identity import FIELDS
from https_sidecar.metrics import DENIED
from https_sidecar.redirect import is_excepted, redirect
from https_sidecar.settings import Settings
from podparts.net.tls import TlsServer
from podparts.proxy.client import ClientConnection
from podparts.proxy.exchange import Exchange
from podparts.proxy.http import Decision, HttpProxy
from podparts.proxy.sides import Forward, Terms
from podparts.service import Service
from podparts.web import Answer

Note = Callable[[str, str, str, str], None]

FORBIDDEN = Answer(403, b"The client certificate is not allowed here.\n")
NOT_HTTPS = Answer(400, b"This port speaks HTTPS, and the request came as plain HTTP.\n")

REDIRECTED = "redirected"  # the `info` of connections to REDIRECT_LISTEN; those over TLS have a Client, others nothing


async def serve_http(settings: Settings, service: Service, tls: TlsServer, note: Note | None) -> None:
    """Listen on LISTEN and REDIRECT_LISTEN. Raises CannotBind."""
    routes = Routes(settings, service, note)
    hide = (b"strict-transport-security",) if settings.hsts else ()
    proxy = HttpProxy(settings, service, routes, drop=FIELDS, hide=hide)
    pool = proxy.pool("app", settings.application)
    hsts = b"Strict-Transport-Security: " + settings.hsts.encode() + b"\r\n" if settings.hsts else b""
    routes.secure = proxy.forward(pool, response_add=hsts)
    routes.plain = proxy.forward(pool, "app-plain")
    tls.plain = lambda make: make(_plain)
    if "h2" in settings.protocols:
        tls.protocols["h2"] = partial(_h2, settings.h2_streams)
    await proxy.listen(
        settings.listen, scheme=b"https", wrap=tls.wrap, opened=_opened, proxy_protocol=settings.proxy_protocol
    )
    if settings.redirect_listen:
        await proxy.listen(settings.redirect_listen, opened=_opened_redirect)


def _opened(connection: Any) -> None:
    """A connection to LISTEN, in HTTP/1.1 or h2; without TLS when the client spoke plain HTTP to it."""
    info = connection.transport.get_extra_info("tls")
    if info is not None:
        connection.info = info.client
        connection.identity = info.client.header


def _opened_redirect(connection: Any) -> None:
    connection.info = REDIRECTED


def _h2(most_streams: int, make: Callable[..., Any]) -> Any:
    """What LISTEN makes for a client that chose HTTP/2. Imported for the first of them: it is 2 MB and 40 ms."""
    from https_sidecar.h2 import H2Connection

    return make(partial(H2Connection, most_streams=most_streams))


def _plain(terms: Terms, _: bytes, opened: Callable[[Any], None]) -> ClientConnection:
    """What LISTEN makes for a client that does not speak TLS."""
    return ClientConnection(terms, b"http", opened)


class Routes:
    """The decision on each request. `secure` and `plain` are set before the first one."""

    secure: Forward
    plain: Forward

    def __init__(self, settings: Settings, service: Service, note: Note | None) -> None:
        self._note = note
        self._port = settings.redirect_port
        self._status = int(settings.redirect_status)
        self._except = tuple(path.encode() for path in settings.redirect_except)
        self._denied = service.metrics[DENIED]

    def __call__(self, exchange: Exchange) -> Decision:
        client: Any = exchange.info
        if isinstance(client, Client):
            if client.refused is None:
                return self.secure
            self._denied.inc()
            return FORBIDDEN
        return self._without_tls(exchange)

    def _without_tls(self, exchange: Exchange) -> Decision:
        head = exchange.head
        if self._note:
            self._note("plain_http", exchange.peer, exchange.peer, head.method.decode("latin-1"))
            return self.plain
        info: Any = exchange.info
        if info != REDIRECTED:
            return NOT_HTTPS
        if is_excepted(head.path, self._except):
            return self.plain
        return redirect(head.host, head.target, self._port, self._status)
