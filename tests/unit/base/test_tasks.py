"""Tasks: none is lost, none fails unseen."""

import asyncio

from kit.wait import until_async
from podparts.log import Log
from podparts.tasks import Tasks


def quiet() -> tuple[Log, list[bytes]]:
    lines: list[bytes] = []
    return Log("toy", write=lines.append), lines


async def crash() -> None:
    raise RuntimeError("broken")


async def test_a_fatal_crash_is_logged_and_told() -> None:
    log, lines = quiet()
    told: list[str] = []
    tasks = Tasks(log, lambda name, error: told.append(f"{name}: {error}"))
    tasks.start("poll", crash())
    await until_async(lambda: told, why="the crash was told")
    assert told == ["poll: broken"]
    assert b'"event":"task crashed"' in lines[0]


async def test_a_crash_that_is_not_fatal_is_logged_and_counted() -> None:
    log, lines = quiet()
    told: list[str] = []
    tasks = Tasks(log, lambda name, error: told.append(name))
    tasks.start("poll", crash(), crash="log")
    await until_async(lambda: tasks.crashes, why="the crash was counted")
    assert (told, len(lines), len(tasks)) == ([], 1, 0)


async def test_stop_cancels_what_is_left_and_waits_for_it() -> None:
    log, _ = quiet()
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks = Tasks(log, lambda name, error: None)
    started = tasks.start("wait", work())
    await asyncio.wait((started,), timeout=0)
    await tasks.stop()
    assert ended.is_set()
    assert len(tasks) == 0
