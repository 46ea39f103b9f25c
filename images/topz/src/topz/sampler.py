"""When to look, and what is remembered: the newest sample, the recording, and the counters of the metrics.

While somebody looks (the page, the text, the API), a look is taken every REFRESH; otherwise only every RECORD_EVERY.
What is recorded are rates from one record to the next, so that nothing falls between them.
"""

from __future__ import annotations

import asyncio
import time

from topz.namegroups import NameGroups
from topz.reader import Reader
from topz.recorder import Recorder
from topz.sample import Sample, sample
from topz.snapshot import Snapshot

# A reader counts as gone this long after the last request.
_ATTENTION = 30.0
# Looking never takes more than this share of one core; with very many processes the looks become rarer instead.
_LARGEST_SHARE = 0.05


class Sampler:
    """Looks at the processes again and again."""

    def __init__(
        self, reader: Reader, recorder: Recorder, groups: NameGroups, refresh: float, record_every: float
    ) -> None:
        """`refresh` and `record_every` in seconds."""
        self.recorder = recorder
        self.groups = groups
        self.looks = 0
        self.cost = 0.0
        """CPU seconds that the last look took."""
        self.total_cost = 0.0
        self._reader = reader
        self._refresh = refresh
        self._record_every = record_every
        self._asked = -_ATTENTION
        self._last: Snapshot | None = None
        self._recorded: Snapshot | None = None
        self.sample = self.look()

    def look(self) -> Sample:
        """Takes a look now, and records it when that is due."""
        started = time.process_time()
        before, now = self._last, self._reader.look()
        self.sample = sample(before, now)
        self._last = now
        if self._recorded is None or now.clock - self._recorded.clock >= self._record_every * 0.95:
            due = self.sample if self._recorded is before else sample(self._recorded, now)
            self.recorder.record(due)
            self.groups.count(due)
            self._recorded = now
        self.looks += 1
        self.cost = time.process_time() - started
        self.total_cost += self.cost
        return self.sample

    def wanted(self) -> Sample:
        """The newest sample for somebody who asks; taken now if the newest is older than REFRESH."""
        self._asked = time.monotonic()
        if self._age() > self.pause():
            self.look()
        return self.sample

    def _age(self) -> float:
        return time.monotonic() - self._last.clock if self._last is not None else 0.0

    def pause(self) -> float:
        """Seconds from one look to the next while somebody looks."""
        return max(self._refresh, self.cost / _LARGEST_SHARE)

    async def run(self) -> None:
        """Looks for ever."""
        await asyncio.sleep(min(0.5, self._refresh))  # the first rates need a second look
        while True:
            # Not right after one that a request took: rates over a moment are noise, the kernel counts CPU in 10 ms.
            if self.looks == 1 or self._age() >= self.pause() / 2:
                self.look()
            await self._until_due()

    async def _until_due(self) -> None:
        """Waits for the next look; somebody who begins to ask makes it come sooner."""
        step = self.pause()
        waited = 0.0
        while waited < max(self._record_every, step) - 0.001:
            await asyncio.sleep(step)
            waited += step
            if time.monotonic() - self._asked < _ATTENTION:
                return
