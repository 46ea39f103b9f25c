"""Files that change under a running process, noticed by looking at them every second.

Looking (`stat`) sees what inotify does not: files on NFS and FUSE, a mounted Secret whose `..data` link is swapped, a
mount that is replaced; and it needs no watch that another process on the node may have used up. It costs about 1 us per
file. What is in the files, and what a change means, is not known here.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping

Stamp = tuple[int, int, int, int]
"""What tells one state of a file from another: inode, size, and the times of the last change in nanoseconds."""

# The kernel's clock for files ticks every 4 ms at worst (HZ=250) and NFS servers have clocks of their own: a file that
# was changed this recently may change again within the same tick, so it is looked at once more.
SETTLED = 0.05


def stamp(path: str, now: float) -> Stamp | None:
    """The state of a file or directory behind all symbolic links; None when there is none, or it cannot be reached.

    `now` is Unix time in seconds. A file that was changed just now gets a stamp that no later look repeats.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    unsettled = 0 <= now - status.st_mtime < SETTLED
    return status.st_ino, -1 if unsettled else status.st_size, status.st_mtime_ns, status.st_ctime_ns


def changed(before: Mapping[str, Stamp | None], after: Mapping[str, Stamp | None]) -> frozenset[str]:
    """The paths whose state differs, those that are only in one of the two included."""
    return frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


class Watch:
    """Remembers the state of files between two looks. A path that was never seen counts as missing before."""

    def __init__(self) -> None:
        self._seen: dict[str, Stamp | None] = {}

    def look(self, paths: Iterable[str]) -> frozenset[str]:
        """Which of the paths changed, came or went since the last look."""
        now = time.time()
        found = {path: stamp(path, now) for path in paths}
        different = changed(self._seen, found)
        self._seen = found
        return different


async def watch(
    paths: Callable[[], Iterable[str]], on_change: Callable[[frozenset[str]], None], every: float = 1.0
) -> None:
    """Call `on_change` with the paths that changed, at most once in `every` seconds, for ever.

    The first call comes at once, with all paths that are there (perhaps none). `paths` is asked before each look, so
    that what a change brings to light is watched too.
    """
    seen = Watch()
    on_change(seen.look(paths()))
    while True:
        await asyncio.sleep(every)
        if different := seen.look(paths()):
            on_change(different)
