"""What a part's `start` is handed: settings, log, health, metrics, admin endpoints and tasks, and a say in its life.

    async def start(settings: Settings, service: Service) -> None:
        server = await listen(settings.listen, …)
        service.on_drain(server.close)
        service.in_flight(lambda: len(server.exchanges))

What the part serves is not known here, nor how: it says how many exchanges are in flight, and is told when to take
no more. See `life` for the order of things.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from podparts import errors, memory
from podparts.cli import run
from podparts.life import CRASHES, Life, Serve, serve_on_data_plane
from podparts.log import Log
from podparts.part import Part, Port
from podparts.settings import CommonSettings
from podparts.tasks import Tasks
from podparts.workers import Channel, Supervisor, WorkerSeat

__all__ = ["Part", "Port", "Service", "run", "serve_forever"]

_LOOK_AGAIN = 0.02  # while draining; an event per finished exchange would cost every exchange of the service's life
_STOP_WITHIN = 5.0  # for one on_stop callback


class Service(Life):
    """The process that serves. `seat` is its place among several workers, None when it is the only one."""

    def __init__(
        self,
        part: Part[Any],
        settings: CommonSettings,
        log: Log,
        serve: Serve | None = serve_on_data_plane,
        seat: WorkerSeat | None = None,
    ) -> None:
        super().__init__(part, settings, log, None if seat else serve)
        self.seat = seat
        self.draining = False
        self.tasks = Tasks(log, lambda name, error: self.failed(f"task {name} crashed"))
        self._on_drain: list[Callable[[], None]] = []
        self._on_stop: list[Callable[[], Awaitable[None]]] = []
        self._in_flight: list[Callable[[], int]] = []
        self.metrics.before_collect(lambda: self.metrics[CRASHES].set(self.tasks.crashes))

    @property
    def reuse_port(self) -> bool:
        """Whether listeners must set SO_REUSEPORT, because other workers listen on the same address."""
        return self.seat is not None

    def on_drain(self, callback: Callable[[], None]) -> None:
        """Called once: stop accepting, close what is idle, let the rest finish."""
        self._on_drain.append(callback)

    def in_flight(self, count: Callable[[], int]) -> None:
        """`count()` says how many exchanges are left; the process waits for zero."""
        self._in_flight.append(count)

    def on_stop(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Called at the very end: abort what is left, close what is open."""
        self._on_stop.append(callback)

    def exchanges(self) -> int:
        """How many exchanges are in flight."""
        return sum(count() for count in self._in_flight)

    async def _begin(self) -> None:
        if self.seat is not None:
            await Channel(self, self.seat).open()
        await self.part.starter()(self.settings, self)
        gc.collect()
        memory.trim()
        memory.tune()
        gc.freeze()  # what start built lives as long as the process: full collections need not look at it again

    async def _end(self) -> None:
        self.draining = True
        for drain in self._on_drain:
            self.survive("drain callback crashed", drain)
        left = await self._wait_until_idle(self.settings.shutdown_grace)
        if left:
            self.log.warning("aborted what was still in flight", count=left, grace=self.settings.shutdown_grace)
        for stop in self._on_stop:
            try:
                await asyncio.wait_for(stop(), _STOP_WITHIN)
            except Exception as error:
                self.log.crash("stop callback crashed", error)
        await self.tasks.stop()

    async def _wait_until_idle(self, grace: float) -> int:
        """Waits for what is in flight; returns how much was left when the time was up."""
        deadline = self.loop.time() + grace
        while (left := self.exchanges()) and self.loop.time() < deadline:  # noqa: ASYNC110 - see _LOOK_AGAIN
            await asyncio.sleep(_LOOK_AGAIN)
        return left

    def _stop_at_once(self) -> None:
        if left := self.exchanges():
            self.log.warning("aborted what was still in flight", count=left)

    def _listen_to_signals(self) -> None:
        if self.seat is None:
            super()._listen_to_signals()
            return
        # A terminal and systemd signal the whole group, but the parent alone decides when a worker drains.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def serve_forever(part: Part[Any], settings: CommonSettings, seat: WorkerSeat | None = None) -> int:
    """Runs the part, or its supervisor when there are several workers, on uvloop; returns the exit code."""
    import uvloop

    log = Log(part.name, settings.log_level, settings.log_format)
    if seat is not None:
        log = log.bind(worker=seat.index)
    log.info("starting", version=part.version, admin=settings.admin_listen)

    async def live() -> int:
        workers: int = getattr(settings, "workers", 1)
        if workers > 1 and seat is None:
            return await Supervisor(part, settings, log, workers, serve_on_data_plane).live()
        return await Service(part, settings, log, seat=seat).live()

    try:
        # Not asyncio.Runner: it would wait for threads, and one that resolves a name may hang for a minute.
        return uvloop.new_event_loop().run_until_complete(live())
    except (SystemExit, KeyboardInterrupt):  # a signal, before the loop listens to them
        return errors.STOPPED
    except BaseException as error:
        log.crash("crashed", error)
        return errors.FAILED
