"""A part that is nothing but the library's TCP proxy, for the tests: LISTEN, UPSTREAM, ANNOUNCE, PROXY_PROTOCOL."""

from dataclasses import dataclass
from typing import Literal

from podparts.proxy.settings import STREAM_METRICS, ProxySettings
from podparts.proxy.stream import TcpProxy
from podparts.service import Part, Service, run
from podparts.settings import setting
from podparts.values import Address


@dataclass(frozen=True, kw_only=True)
class Settings(ProxySettings):
    """Where it listens and what it stands before."""

    listen: Address = setting("127.0.0.1:8000", help="Where clients connect.")
    upstream: Address = setting("127.0.0.1:8080", help="Where connections go.")
    announce: Literal["none", "v1", "v2"] = setting("none", help="Send a PROXY header of this version.")
    proxy_protocol: bool = setting("false", help="Expect a PROXY header from trusted proxies.")


async def start(settings: Settings, service: Service) -> None:
    proxy = TcpProxy(settings, service, settings.upstream, settings.announce)
    await proxy.listen(settings.listen, proxy_protocol=settings.proxy_protocol)


PART = Part(
    name="plain-tcp", summary="The library's TCP proxy.", settings=Settings, start=start, metrics=STREAM_METRICS
)

if __name__ == "__main__":
    run(PART)
