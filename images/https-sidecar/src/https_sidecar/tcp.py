"""TLS in front of any protocol: bytes both ways."""

from https_sidecar.settings import Settings
from podparts.net.tls import TlsServer
from podparts.proxy.stream import TcpProxy
from podparts.service import Service


async def serve_tcp(settings: Settings, service: Service, tls: TlsServer) -> None:
    """Listen on LISTEN. Raises CannotBind."""
    proxy = TcpProxy(settings, service, settings.application, settings.proxy_protocol_out)
    await proxy.listen(settings.listen, wrap=tls.wrap, proxy_protocol=settings.proxy_protocol)
