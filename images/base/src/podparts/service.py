"""The life of one process of a part: start, ready, serve, drain, stop; and what a part's `start` is handed.

    SIGTERM -> not ready -> go on serving for SHUTDOWN_DELAY -> on_drain -> wait for what is in flight, at most
    SHUTDOWN_GRACE -> on_stop -> tasks cancelled -> exit 0

A second signal exits at once. SIGINT, a person at a terminal, skips the delay. What the part serves is not known here,
nor how: it says how many exchanges are in flight and is told when to take no more.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from podparts import errors
from podparts.admin import build_admin
from podparts.cli import run
from podparts.health import Condition, Health
from podparts.log import Log
from podparts.metrics import Metric, Registry
from podparts.part import Part, Port
from podparts.process import watch_process
from podparts.settings import CommonSettings, SettingsError
from podparts.tasks import Tasks
from podparts.values import Address
from podparts.web import Site

__all__ = ["CONTRACT_METRICS", "Part", "Port", "Service", "run"]

BUILD: Final = Metric("info", "build_info", "What is running.", ("version", "python"))
READY: Final = Metric("gauge", "ready", "1 when ready for traffic, else 0.", merge="min")
LOGGED: Final = Metric("counter", "log_events_total", "Events by level, also those below LOG_LEVEL.", ("level",))
CRASHES: Final = Metric("counter", "task_crashes_total", "Background tasks that crashed.")

CONTRACT_METRICS: Final = (BUILD, READY, LOGGED, CRASHES)
"""What every part counts, besides its process's own."""

_HEARTBEAT = 1.0
_LOOK_AGAIN = 0.02  # while draining; an event per finished exchange would cost every exchange of the service's life
_STOP_WITHIN = 5.0  # for one on_stop callback


class Server(Protocol):
    """Something that listens and can be told to stop."""

    def close(self) -> None: ...


Serve = Callable[[Address, Site], Awaitable[Server]]
"""Listens on an address and answers from a site."""


class Service:
    """What a part's `start` is given: its settings, log, health, metrics, admin endpoints, tasks, and its life."""

    def __init__(self, part: Part[Any], settings: CommonSettings, log: Log, serve: Serve) -> None:
        self.part = part
        self.settings = settings
        self.log = log
        self.health = Health(self._note)
        self.metrics = Registry(part.prefix, (*CONTRACT_METRICS, *part.metrics))
        self.tasks = Tasks(log, lambda name, error: self.failed(f"task {name} crashed"))
        self.admin = build_admin(
            part.name,
            settings,
            self.health,
            self.metrics.render,
            self.stop,
            lambda request, error: log.crash("endpoint crashed", error, path=request.path),
        )
        self.draining = False
        self.loop: asyncio.AbstractEventLoop
        self._serve = serve
        self._on_stopping: list[Callable[[], None]] = []
        self._on_drain: list[Callable[[], None]] = []
        self._on_stop: list[Callable[[], Awaitable[None]]] = []
        self._in_flight: list[Callable[[], int]] = []
        self._stop_asked = asyncio.Event()
        self._code = errors.STOPPED
        self._delay: float = settings.shutdown_delay
        self._was_ready = False
        watch_process(self.metrics)
        self.metrics[BUILD].set(1, part.version, python_version())
        self.metrics.before_collect(self._collect)

    # --- what a part says in its start ---

    @property
    def workers(self) -> int:
        """How many processes share the listening ports."""
        return int(getattr(self.settings, "workers", 1))

    @property
    def reuse_port(self) -> bool:
        """Whether listeners must set SO_REUSEPORT."""
        return self.workers > 1

    def on_stopping(self, callback: Callable[[], None]) -> None:
        """Called as soon as stopping is asked for, before SHUTDOWN_DELAY: what is new may go elsewhere."""
        self._on_stopping.append(callback)

    def on_drain(self, callback: Callable[[], None]) -> None:
        """Called once: stop accepting, close what is idle, let the rest finish."""
        self._on_drain.append(callback)

    def in_flight(self, count: Callable[[], int]) -> None:
        """`count()` says how many exchanges are left; the process waits for zero."""
        self._in_flight.append(count)

    def on_stop(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Called at the very end: abort what is left, close what is open."""
        self._on_stop.append(callback)

    def stop(self, reason: str, code: int = errors.STOPPED, *, delay: bool = True) -> None:
        """Begins to stop; only the first call counts. With `delay` False, SHUTDOWN_DELAY is skipped."""
        if self._stop_asked.is_set():
            return
        self._code = code
        if not delay or code != errors.STOPPED:
            self._delay = 0.0
        self.log.info("stopping", reason=reason, delay=self._delay, grace=self.settings.shutdown_grace)
        self.health.stopping("stopping")
        self._note_ready()
        self._stop_asked.set()
        for callback in self._on_stopping:
            self._survive("stopping callback crashed", callback)

    def failed(self, reason: str) -> None:
        """Stops because something is broken that cannot heal; exit code 1."""
        self.log.error("failed", reason=reason)
        self.stop(reason, errors.FAILED)

    # --- its life ---

    async def live(self) -> int:
        """From nothing to the exit code."""
        self.loop = asyncio.get_running_loop()
        self._listen_to_signals()
        self._heartbeat()
        try:
            admin = await self._open_admin()
            await self._start()
        except (errors.StartError, OSError) as error:
            self.log.error("cannot start", reason=str(error))
            return errors.FAILED
        except SettingsError as error:
            for problem in error.problems:
                self.log.error("bad setting", variable=problem.variable, value=problem.value, expected=problem.expected)
            return errors.BAD_SETTINGS
        except Exception as error:
            self.log.crash("start crashed", error)
            return errors.FAILED
        self._note_ready()
        gc.freeze()  # what start built lives as long as the process: full collections need not look at it again
        await self._stop_asked.wait()
        await self._drain()
        admin.close() if hasattr(admin, "close") else None
        self.log.info("stopped", code=self._code)
        return self._code

    async def _open_admin(self) -> Server:
        address = self.settings.admin_listen
        try:
            return await self._serve(address, self.admin)
        except OSError as error:
            raise errors.StartError(f"cannot listen on ADMIN_LISTEN={address}: {error.strerror or error}") from error

    async def _start(self) -> None:
        """Runs the part's start; a stop that is asked for meanwhile cancels it."""
        start = self.part.starter()
        starting = asyncio.ensure_future(start(self.settings, self))
        stopping = asyncio.ensure_future(self._stop_asked.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
        if not starting.cancelled():
            starting.result()

    async def _drain(self) -> None:
        await asyncio.sleep(self._delay)
        self.draining = True
        for drain in self._on_drain:
            self._survive("drain callback crashed", drain)
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

    def exchanges(self) -> int:
        """How many exchanges are in flight."""
        return sum(count() for count in self._in_flight)

    def _survive(self, event: str, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:
            self.log.crash(event, error)

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop_asked.is_set():
            self.log.warning("second signal, stopping at once", signal=number.name, in_flight=self.exchanges())
            os._exit(errors.STOPPED)
        self.stop(number.name, delay=number != signal.SIGINT)

    def _heartbeat(self) -> None:
        self.health.turn()
        self.loop.call_later(_HEARTBEAT, self._heartbeat)

    # --- what it tells ---

    def _note(self, condition: Condition) -> None:
        if condition.met:
            self.log.info("condition met", condition=condition.name)
        else:
            self.log.warning("condition not met", condition=condition.name, reason=condition.reason)
        self._note_ready()

    def _note_ready(self) -> None:
        if self.health.ready != self._was_ready:
            self._was_ready = self.health.ready
            self.log.info("ready" if self._was_ready else "not ready")

    def _collect(self) -> None:
        self.metrics[READY].set(self.health.ready)
        self.metrics[CRASHES].set(self.tasks.crashes)
        for level, count in self.log.counts.items():
            self.metrics[LOGGED].set(count, level)


def python_version() -> str:
    from platform import python_version as version

    return version()


def serve_forever(part: Part[Any], settings: CommonSettings, serve: Serve | None = None) -> int:
    """Runs the part on uvloop until it has stopped; returns the exit code."""
    import uvloop

    log = Log(part.name, settings.log_level, settings.log_format)
    log.info("starting", version=part.version, admin=settings.admin_listen)

    async def live() -> int:
        return await Service(part, settings, log, serve or serve_on_data_plane).live()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(live())
    except BaseException as error:
        log.crash("crashed", error)
        return errors.FAILED


async def serve_on_data_plane(address: Address, site: Site) -> Server:
    """Answers from a site with the project's own HTTP server."""
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec("podparts.proxy.serve") is None:  # until the data plane has landed
        return asyncio.get_running_loop().call_later(0, bool)  # type: ignore[return-value]
    server: Server = await import_module("podparts.proxy.serve").serve_site(address, site)
    return server
