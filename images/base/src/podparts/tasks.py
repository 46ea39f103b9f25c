"""Tasks that cannot be lost: the only place that creates them. Each has a name, is kept, and its crash is told.

Knows nothing of what the tasks do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from podparts.log import Log

OnCrash = Callable[[str, BaseException], None]


class Tasks:
    """The background work of a service. `on_crash(name, error)` is called for a crash that is fatal."""

    def __init__(self, log: Log, on_crash: OnCrash) -> None:
        self._log = log
        self._on_crash = on_crash
        self._running: set[asyncio.Task[None]] = set()
        self.crashes = 0

    def start(
        self, name: str, work: Coroutine[Any, Any, None], *, crash: Literal["fatal", "log"] = "fatal"
    ) -> asyncio.Task[None]:
        """Runs `work` in the background. When it raises, the service fails ("fatal") or goes on without it ("log")."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, fatal=crash == "fatal"))
        return task

    def _ended(self, task: asyncio.Task[None], *, fatal: bool) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self.crashes += 1
        self._log.crash("task crashed", error, task=task.get_name(), fatal=fatal)
        if fatal:
            self._on_crash(task.get_name(), error)

    def __len__(self) -> int:
        return len(self._running)

    async def stop(self) -> None:
        """Cancels what is left and waits until it has ended."""
        left = list(self._running)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
