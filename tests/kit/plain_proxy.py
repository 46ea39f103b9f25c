"""A part that is nothing but the library's HTTP proxy: what the data plane's tests and benchmarks run.

python -m kit.plain_proxy        LISTEN, UPSTREAM, PROXY_PROTOCOL and all of ProxySettings in the environment
"""

from dataclasses import dataclass

from podparts.proxy.http import PROXY_METRICS, HttpProxy, ProxySettings
from podparts.service import Part, Service, run
from podparts.settings import setting
from podparts.values import Address


@dataclass(frozen=True, kw_only=True)
class Settings(ProxySettings):
    """Where it listens and what it stands before."""

    listen: Address = setting("127.0.0.1:8000", help="Where clients connect.")
    upstream: Address = setting("127.0.0.1:8080", help="Where requests go.")
    proxy_protocol: bool = setting("false", help="Expect a PROXY header from trusted proxies.")


async def start(settings: Settings, service: Service) -> None:
    proxy = HttpProxy(settings, service, lambda exchange: forward)
    forward = proxy.forward(proxy.pool("app", settings.upstream))
    await proxy.listen(settings.listen, proxy_protocol=settings.proxy_protocol)


PART = Part(
    name="plain-proxy", summary="The library's HTTP proxy.", settings=Settings, start=start, metrics=PROXY_METRICS
)

if __name__ == "__main__":
    run(PART)
