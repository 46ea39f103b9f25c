"""What topz can be told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podparts.settings import CommonSettings, Problem, Secret, setting
from podparts.values import Address, Duration, Size


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """The settings of topz."""

    admin_listen: Address = setting("0.0.0.0:9103", help="Where health, metrics and the other admin endpoints listen.")
    listen: Address = setting("0.0.0.0:8080", help="Where the page and the API listen.")
    token: Secret = setting(
        None, secret=True, help="What one must present to look; without it everybody may who reaches LISTEN."
    )
    refresh: Duration = setting("2s", help="How often the processes are read while somebody looks.")
    record_every: Duration = setting(
        "5s", help="How often a moment is recorded, and the processes are read while nobody looks."
    )
    keep: Duration = setting("30m", help="How far back the recording goes.")
    keep_memory: Size = setting("16MiB", help="The most memory that the recording takes; the oldest moments go first.")
    redact: bool = setting("true", help="Hide passwords, tokens and keys in command lines.")
    # Not GROUPS: bash has a variable of that name and ignores what is assigned to it.
    metric_groups: int = setting(
        "30", help="How many groups of processes have metrics of their own; the rest is `other`."
    )
    proc_path: str = setting("/proc", help="The proc file system to read, when that of the host is mounted elsewhere.")

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        for name, value, least, most in (
            ("REFRESH", self.refresh, 0.25, 3600),
            ("RECORD_EVERY", self.record_every, 1, 3600),
            ("KEEP", self.keep, 10, 7 * 86400),
        ):
            if not least <= value <= most:
                yield Problem(name, str(value), f"expected a duration from {Duration(least)} to {Duration(most)}")
        if not 1 << 18 <= self.keep_memory <= 1 << 30:
            yield Problem("KEEP_MEMORY", str(self.keep_memory), "expected a size from 256KiB to 1GiB")
        if not 1 <= self.metric_groups <= 200:
            yield Problem("METRIC_GROUPS", str(self.metric_groups), "expected a number from 1 to 200")
        if not self.proc_path.startswith("/"):
            yield Problem("PROC_PATH", self.proc_path, "expected an absolute path")
