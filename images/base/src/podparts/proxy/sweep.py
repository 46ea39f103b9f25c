"""The clock of the data plane: a few times a second every connection is asked whether it took too long.

One timer for all connections instead of one per request: setting and cancelling a timer would cost more than the
comparison (two per exchange, about 1 us on uvloop). It does not run while there is nothing to watch.
"""

import asyncio
from collections.abc import Callable, Iterable

from podparts.proxy.sides import Terms, now
from podparts.proxy.upstream import Pool


class Sweep:
    """Ticks all exchanges of some terms and parks old connections of the pools, every `interval` seconds."""

    def __init__(
        self, terms: Terms, pools: Callable[[], Iterable[Pool]], *, interval: float = 0.25, upstream_idle: float = 4.0
    ) -> None:
        self._terms = terms
        self._pools = pools
        self._interval = interval
        self._upstream_idle = upstream_idle
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """There is something to watch (again). Cheap when it already runs."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._run)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = None
        moment = now()
        for exchange in list(self._terms.exchanges):
            exchange.tick(moment)
        busy = bool(self._terms.exchanges)
        for pool in self._pools():
            pool.sweep(moment - self._upstream_idle)
            busy = busy or bool(pool.idle)
        if busy:
            self.wake()
