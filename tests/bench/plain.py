"""The smallest part there can be: the library's HTTP proxy on a port, every feature at its default, nothing decided.

It exists to be measured and tested, as `python -m bench.plain` with LISTEN and UPSTREAM; no image is made of it.
"""

from dataclasses import dataclass

from podparts.proxy.http import PROXY_METRICS, HttpProxy, ProxySettings
from podparts.service import Part, Service, run
from podparts.settings import setting
from podparts.values import Address


@dataclass(frozen=True, kw_only=True)
class Settings(ProxySettings):
    """What a proxy needs to know."""

    listen: Address = setting("127.0.0.1:8080", help="Where clients connect.")
    upstream: Address = setting("127.0.0.1:9000", help="Where requests go.")


async def start(settings: Settings, service: Service) -> None:
    """Forward everything to the one upstream."""
    proxy = HttpProxy(settings, service, lambda exchange: forward)
    forward = proxy.forward(proxy.pool("app", settings.upstream))
    await proxy.listen(settings.listen)


PART = Part(
    name="bench-plain", summary="The library's proxy, bare.", settings=Settings, start=start, metrics=PROXY_METRICS
)

if __name__ == "__main__":
    run(PART)
