"""The life of a process: start, ready, serve, drain, stop, exit code.

    SIGTERM -> not ready -> go on serving for SHUTDOWN_DELAY -> drain, at most SHUTDOWN_GRACE -> exit 0

A second signal exits at once. SIGINT, a person at a terminal, skips the delay. What is started and how it is drained
is the business of those who live it: a `Service` serves traffic itself, a `Supervisor` watches workers that do.
"""

import asyncio
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from podparts import errors
from podparts.admin import build_admin
from podparts.health import Condition, Health
from podparts.log import Log
from podparts.metrics import Metric, Registry
from podparts.part import Part
from podparts.process import watch_process
from podparts.settings import CommonSettings, SettingsError, secrets
from podparts.values import Address
from podparts.web import Site

BUILD: Final = Metric("info", "build_info", "What is running.", ("version", "python"))
READY: Final = Metric("gauge", "ready", "1 when ready for traffic, else 0.", merge="min")
LOGGED: Final = Metric("counter", "log_events_total", "Events by level, also those below LOG_LEVEL.", ("level",))
CRASHES: Final = Metric("counter", "task_crashes_total", "Background tasks that crashed.")

LIFE_METRICS: Final = (BUILD, READY, LOGGED, CRASHES)
"""What every part tells, besides its process's own metrics."""

_HEARTBEAT = 1.0


class Server(Protocol):
    """Something that listens and can be told to stop."""

    def close(self) -> None: ...


Serve = Callable[[Address, Site], Awaitable[Server]]
"""Listens on an address and answers from a site."""


async def serve_on_data_plane(address: Address, site: Site) -> Server:
    """Answers from a site with the project's own HTTP server."""
    from podparts.proxy.serve import serve_site

    return await serve_site(address, site)


class Life(ABC):
    """One process from start to exit code. `serve` serves the admin port; None in a worker, whose parent has it."""

    def __init__(self, part: Part[Any], settings: CommonSettings, log: Log, serve: Serve | None) -> None:
        self.part = part
        self.settings = settings
        self.log = log
        self.health = Health(self._note)
        self.metrics = Registry(part.prefix, (*part.metrics, *LIFE_METRICS))
        self.admin = build_admin(
            part.name,
            settings,
            self.health,
            self.render_metrics,
            self.stop,
            lambda request, error: log.crash("endpoint crashed", error, path=request.path),
        )
        self.loop: asyncio.AbstractEventLoop
        self._serve = serve
        self._secrets = secrets(settings)
        self._stop_asked = asyncio.Event()
        self._code = errors.STOPPED
        self._delay: float = settings.shutdown_delay
        self.up = False
        self._was_ready = self._ready_once = False
        self._on_stopping: list[Callable[[], None]] = []
        watch_process(self.metrics)
        self.metrics[BUILD].set(1, part.version, python_version())
        self.metrics.before_collect(self._collect)

    # --- what differs ---

    @abstractmethod
    async def _begin(self) -> None:
        """Starts the work; once it returns, the process is up. Raises StartError, OSError or SettingsError."""

    @abstractmethod
    async def _end(self) -> None:
        """Takes no more work, and finishes or aborts what there is."""

    @abstractmethod
    def _stop_at_once(self) -> None:
        """Called before the process exits on a second signal."""

    def render_metrics(self, openmetrics: bool) -> bytes:
        return self.metrics.render(openmetrics)

    # --- the same for all ---

    def stop(self, reason: str, code: int = errors.STOPPED, *, delay: bool = True) -> None:
        """Begins to stop; only the first call counts. With `delay` False, SHUTDOWN_DELAY is skipped.

        It is skipped too when the process was never ready or has failed: then no load balancer sends anything.
        """
        if self._stop_asked.is_set():
            return
        self._code = code
        if not (delay and self._ready_once and code == errors.STOPPED):
            self._delay = 0.0
        self.log.info("stopping", reason=reason, delay=self._delay, grace=self.settings.shutdown_grace)
        self._stop_asked.set()
        self.stopping()

    def on_stopping(self, callback: Callable[[], None]) -> None:
        """Called as soon as stopping is asked for, before SHUTDOWN_DELAY: what is new may go elsewhere."""
        self._on_stopping.append(callback)

    def stopping(self) -> None:
        """From now on not ready; what there is goes on."""
        self.health.stopping("stopping")
        self._note_ready()
        callbacks, self._on_stopping = self._on_stopping, []
        for callback in callbacks:
            self.survive("stopping callback crashed", callback)

    def survive(self, event: str, callback: Callable[[], None]) -> None:
        """Calls back; a crash is logged as `event`, and the rest of the way down goes on."""
        try:
            callback()
        except Exception as error:
            self.log.crash(event, error)

    def failed(self, reason: str) -> None:
        """Stops because something is broken that cannot heal; exit code 1."""
        self.log.error("failed", reason=reason)
        self.stop(reason, errors.FAILED)

    async def live(self) -> int:
        """From nothing to the exit code."""
        self.loop = asyncio.get_running_loop()
        self._listen_to_signals()
        self._heartbeat()
        try:
            begun = self.health.condition("start")  # until then nothing listens, whatever the part has reported
            admin = await self._serve(self.settings.admin_listen, self.admin) if self._serve else None
            await self._begin_unless_stopped()
            begun.ok()
        except SettingsError as error:
            for problem in error.problems:
                self.log.error("bad setting", variable=problem.variable, value=problem.value, expected=problem.expected)
            return errors.BAD_SETTINGS
        except errors.StartError as error:
            self.log.error("cannot start", reason=str(error))
            return error.code
        except OSError as error:
            self.log.error("cannot start", reason=error.strerror or str(error))
            return errors.FAILED
        except Exception as error:
            self.log.crash("start crashed", error)
            return errors.FAILED
        self.up = True
        self.health.on_change()
        self._note_ready()
        await self._stop_asked.wait()
        await asyncio.sleep(self._delay)
        await self._end()
        if admin is not None:
            admin.close()
        self.log.info("stopped", code=self._code)
        return self._code

    async def _begin_unless_stopped(self) -> None:
        """A stop that is asked for meanwhile cancels the start."""
        starting = asyncio.ensure_future(self._begin())
        stopping = asyncio.ensure_future(self._stop_asked.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
        if not starting.cancelled():
            starting.result()

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop_asked.is_set():
            self.log.warning("stopping at once", reason=f"a second signal, {number.name}")
            self._stop_at_once()
            os._exit(errors.STOPPED)
        self.stop(number.name, delay=number != signal.SIGINT)

    def _heartbeat(self) -> None:
        self.health.turn()
        for variable, secret in self._secrets.items():
            if secret.text() and secret.problem:
                log = self.log.limited(f"secret {variable}", per=60)
                log.warning(
                    "secret file cannot be used, the last good value stays", variable=variable, reason=secret.problem
                )
        self.loop.call_later(_HEARTBEAT, self._heartbeat)

    def _note(self, condition: Condition) -> None:
        if condition.met:
            self.log.info("condition met", condition=condition.name)
        else:
            self.log.warning("condition not met", condition=condition.name, reason=condition.reason)
        self._note_ready()

    def _note_ready(self) -> None:
        if self.health.ready != self._was_ready:
            self._was_ready = not self._was_ready
            self._ready_once = True
            self.log.info("ready" if self._was_ready else "not ready")

    def _collect(self) -> None:
        self.metrics[READY].set(self.health.ready)
        for level, count in self.log.counts.items():
            self.metrics[LOGGED].set(count, level)


def python_version() -> str:
    """As platform.python_version() but for pre-releases, without the import of platform (2 ms)."""
    return ".".join(str(number) for number in sys.version_info[:3])
