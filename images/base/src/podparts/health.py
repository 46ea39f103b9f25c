"""Health: named conditions that a part reports, and the three questions that an orchestrator asks.

started  every condition that matters to it was met once; it never becomes false again
ready    started, not draining, and every condition that matters to it is met now
live     the event loop turns; never depends on anything outside the container

Conditions are told, not asked: a part says ok or fail when it learns of it, so a probe costs nothing.
"""

import time
from collections.abc import Callable, Iterator

NOT_YET = "not reported yet"
LOOP_STUCK_AFTER = 30.0
"""Seconds without a turn of the event loop after which the process counts as dead."""

Note = Callable[["Condition"], None]


class Condition:
    """One thing that must hold, such as "certificate". It does not hold until `ok()` was said."""

    __slots__ = ("_note", "name", "ready", "reason", "startup")

    def __init__(
        self, name: str, *, ready: bool = True, startup: bool = True, note: Note = lambda condition: None
    ) -> None:
        self.name = name
        self.ready = ready
        self.startup = startup
        self.reason: str | None = NOT_YET
        self._note = note

    def ok(self) -> None:
        self._become(None)

    def fail(self, reason: str) -> None:
        """`reason` is one sentence for the operator; each change of it is noted once."""
        self._become(reason)

    @property
    def met(self) -> bool:
        return self.reason is None

    def _become(self, reason: str | None) -> None:
        if reason != self.reason:
            self.reason = reason
            self._note(self)


class Health:
    """The conditions of one process. `note` learns of each change, for the log."""

    def __init__(self, note: Note = lambda condition: None, clock: Callable[[], float] = time.monotonic) -> None:
        self._note = note
        self._clock = clock
        self._conditions: dict[str, Condition] = {}
        self._started = False
        self._stopping: str | None = None
        self._last_turn = clock()
        self.on_change: Callable[[], None] = lambda: None

    def condition(self, name: str, *, ready: bool = True, startup: bool = True) -> Condition:
        """Adds a condition. `ready`: it must hold for traffic; `startup`: it must have held once to be started."""
        if name in self._conditions:
            raise ValueError(f"there is a condition {name} already")
        found = Condition(name, ready=ready, startup=startup, note=self._noted)
        self._conditions[name] = found
        return found

    def forget(self, name: str) -> None:
        """Takes a condition away, for example that of an upstream that is no longer configured."""
        self._conditions.pop(name, None)

    def __iter__(self) -> Iterator[Condition]:
        return iter(self._conditions.values())

    def _noted(self, condition: Condition) -> None:
        self._note(condition)
        self.on_change()

    def turn(self) -> None:
        """The event loop went round."""
        self._last_turn = self._clock()

    def stopping(self, reason: str) -> None:
        """From now on not ready, whatever the conditions say."""
        self._stopping = reason
        self.on_change()

    @property
    def started(self) -> bool:
        if not self._started:
            self._started = all(one.met for one in self._conditions.values() if one.startup)
        return self._started

    @property
    def ready(self) -> bool:
        return self._stopping is None and self.started and not self.reasons()

    @property
    def live(self) -> bool:
        return self._clock() - self._last_turn < LOOP_STUCK_AFTER

    def reasons(self) -> list[str]:
        """Why it is not ready, a sentence each; empty when it is."""
        draining = [] if self._stopping is None else [self._stopping]
        return draining + [
            f"{one.name}: {one.reason}" for one in self._conditions.values() if one.ready and not one.met
        ]

    def reasons_not_started(self) -> list[str]:
        """Why it has not started; empty when it has."""
        if self.started:
            return []
        return [f"{one.name}: {one.reason}" for one in self._conditions.values() if one.startup and not one.met]
