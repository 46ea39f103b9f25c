"""A part as small as one can be, with what the contract's tests need to see: a secret, a book's name, work in flight.

Run it as a program. It serves its own process id on LISTEN, and stands for any part in the tests beside it. As in
every part nothing heavy is imported before `start`, so that --health answers at once.
"""

import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podparts.cli import run
from podparts.metrics import Metric
from podparts.part import Part, Port
from podparts.settings import Secret, WorkerSettings, setting
from podparts.values import Address, Duration
from podparts.web import Answer, Endpoint, Request, Site, text

if TYPE_CHECKING:
    from podparts.service import Service

HITS = Metric("counter", "hits_total", "Requests answered.")


@dataclass(frozen=True, kw_only=True)
class Settings(WorkerSettings):
    listen: Address = setting("127.0.0.1:8090", help="Where to answer.")
    proxy_port: int | None = setting(None, help="A name from the book.")
    token: Secret = setting(None, secret=True, help="What /token compares with.")
    busy: Duration = setting("0", help="How long an exchange stays in flight after draining began.")
    broken: str = setting("", help="Raised by start, to see how a crash looks.")
    hang: bool = setting("false", help="Leave a thread in a call that never returns.")
    waiting_for: str | None = setting(None, help="A condition that never comes true.")


async def start(settings: Settings, service: "Service") -> None:
    if settings.broken:
        raise RuntimeError(settings.broken)
    if settings.waiting_for:
        service.health.condition(settings.waiting_for).fail("still waiting")
    else:
        service.health.condition("all that it waits for").ok()
    if settings.hang:
        service.loop.run_in_executor(None, threading.Event().wait)
    drained_at: list[float] = []

    def hit(request: Request) -> Answer:
        service.metrics[HITS].inc()
        return text(str(os.getpid()))

    def drain() -> None:
        drained_at.append(service.loop.time())
        server.close()

    def in_flight() -> int:
        return int(bool(drained_at) and service.loop.time() < drained_at[0] + settings.busy)

    from podparts.proxy.serve import serve_site

    site = Site([Endpoint("GET", "/", "", hit), Endpoint("POST", "/crash", "", crash)])
    server = await serve_site(settings.listen, site, reuse_port=service.reuse_port)
    service.on_drain(drain)
    service.in_flight(in_flight)
    service.admin.add(
        Endpoint("GET", "/token", "Whether ?is= is the secret.", lambda request: token(settings, request)),
        Endpoint("GET", "/broken", "Raises.", broken),
    )


def token(settings: Settings, request: Request) -> Answer:
    return text("yes" if settings.token.matches(request.query.get("is", "")) else "no")


def broken(request: Request) -> Answer:
    raise RuntimeError("the inside of an endpoint")


def crash(request: Request) -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    return text("never sent")


PART = Part(
    name="toy",
    summary="A part for tests",
    settings=Settings,
    start=start,
    metrics=(HITS,),
    endpoints=(Endpoint("GET", "/token", "Whether ?is= is the secret."), Endpoint("GET", "/broken", "Raises.")),
    ports=(Port(8090, "HTTP"), Port(9100, "admin")),
)

if __name__ == "__main__":
    run(PART)
