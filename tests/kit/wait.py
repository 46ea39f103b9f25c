"""Waits for a condition with a deadline: the only place of the tests where time passes on purpose.

A condition is a callable. A true result ends the wait and is returned; a false one, an OSError (nobody listens yet)
or a failed assertion means "not yet". When the time is up the wait fails with what was last seen and with whatever
`show` can tell, which is usually the log of the child that was waited for. It knows nothing of what is waited for.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Show = Callable[[], str]

SHORTEST_PAUSE = 0.002  # a part is ready after some 100 ms: a coarse first pause would blur what is measured
LONGEST_PAUSE = 0.05


class TimedOut(AssertionError):
    """The condition did not come true in time."""


def _message(why: str, timeout: float, last: str, show: Show | None) -> str:
    told = f"\n--- log\n{show()}" if show is not None else ""
    return f"gave up after {timeout:g} s waiting until {why}; last seen: {last}{told}"


def until(
    condition: Callable[[], T],
    *,
    timeout: float = 10.0,
    why: str,
    show: Show | None = None,
    longest_pause: float = LONGEST_PAUSE,
) -> T:
    """Return the first true result of `condition`, asked again and again for `timeout` seconds.

    `why` completes the sentence "waiting until …". A short `longest_pause` (seconds) is for what is being timed.
    Raises TimedOut.
    """
    deadline = time.monotonic() + timeout
    pause = SHORTEST_PAUSE
    while True:
        try:
            result = condition()
            if result:
                return result
            last = repr(result)
        except (OSError, AssertionError) as problem:
            last = repr(problem)
        if time.monotonic() >= deadline:
            raise TimedOut(_message(why, timeout, last, show))
        time.sleep(min(pause, longest_pause))
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def until_async(
    condition: Callable[[], Any], *, timeout: float = 10.0, why: str, show: Show | None = None
) -> Any:
    """The same for a test that runs in an event loop; `condition` may be a coroutine function."""
    deadline = time.monotonic() + timeout
    pause = SHORTEST_PAUSE
    while True:
        try:
            result = condition()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            last = repr(result)
        except (OSError, AssertionError) as problem:
            last = repr(problem)
        if time.monotonic() >= deadline:
            raise TimedOut(_message(why, timeout, last, show))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
