"""Every part starts, stops and fails in the same way."""

import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.contract import TOY, on_free_ports
from kit.process import Part, command, run
from kit.wait import until


def events(part: Part) -> list[str]:
    return [json.loads(line)["event"] for line in part.stdout().splitlines()]


def test_sigterm_ends_it_with_exit_code_0(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    assert part.stop() == 0
    assert events(part)[-1] == "stopped"


def test_every_log_line_is_json_with_time_level_part_and_event(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    part.stop()
    for line in part.stdout().splitlines():
        assert list(json.loads(line))[:4] == ["ts", "level", "part", "event"]
        assert json.loads(line)["part"] == Path(name).stem
    assert part.stderr() == ""


def test_log_lines_are_for_people_when_asked_for(name: str, live: Callable[..., Part]) -> None:
    part = live(name, LOG_FORMAT="text")
    part.stop()
    assert " INFO starting version=" in part.stdout()


def test_quitquitquit_ends_it_with_exit_code_0(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    assert part.admin("/quitquitquit", "POST") == (200, "stopping\n")
    assert part.wait() == 0


def test_an_admin_port_that_is_taken_is_exit_code_1_and_one_clear_line(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(command(name), on_free_ports(name) | {"ADMIN_LISTEN": address})
    assert done.returncode == 1
    (line,) = [one for one in map(json.loads, done.stdout.splitlines()) if one["level"] == "error"]
    assert line["event"] == "cannot start"
    assert address in line["reason"]
    assert "traceback" not in line


def test_a_port_of_its_own_that_is_taken_is_exit_code_1_and_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(command(TOY), on_free_ports(TOY) | {"LISTEN": address})
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (line,) = [one for one in lines if one["level"] == "error"]
    assert address in line["reason"]
    assert "ready" not in [one["event"] for one in lines], "nothing listened, though its conditions were met"


def test_a_crash_at_start_is_exit_code_1_with_its_traceback_in_the_log() -> None:
    done = run(command(TOY), on_free_ports(TOY) | {"BROKEN": "an accident"})
    assert done.returncode == 1
    line = json.loads(done.stdout.splitlines()[-1])
    assert (line["event"], line["error"]) == ("start crashed", "RuntimeError: an accident")
    assert "toy.py" in line["traceback"]


def test_after_sigterm_it_is_not_ready_and_goes_on_serving_for_the_delay(toy: Callable[..., Part]) -> None:
    part = toy(SHUTDOWN_DELAY="60s")
    part.signal(signal.SIGTERM)
    until(lambda: part.admin("/readyz") == (503, "stopping\n"), why="it is no longer ready")
    assert part.admin("/livez")[0] == 200
    assert part.code is None


def test_after_the_delay_it_ends(toy: Callable[..., Part]) -> None:
    part = toy(SHUTDOWN_DELAY="100ms")
    assert part.stop() == 0


def test_what_is_in_flight_may_end_within_the_grace(toy: Callable[..., Part]) -> None:
    part = toy(BUSY="300ms", SHUTDOWN_GRACE="60s")
    assert part.stop() == 0
    assert "aborted what was still in flight" not in events(part)


def test_what_is_in_flight_after_the_grace_is_aborted_and_counted_in_the_log(toy: Callable[..., Part]) -> None:
    part = toy(BUSY="1h", SHUTDOWN_GRACE="100ms")
    assert part.stop() == 0
    (line,) = [one for one in map(json.loads, part.stdout().splitlines()) if one["event"].startswith("aborted")]
    assert line["count"] == 1


def test_a_thread_that_hangs_does_not_hold_up_the_end(toy: Callable[..., Part]) -> None:
    """Such as one that waits for a name server that does not answer."""
    assert toy(HANG="true").stop() == 0


def test_a_signal_while_it_still_starts_is_exit_code_0(name: str) -> None:
    """At whatever moment: before the loop, within it, and before a handler would have been there."""
    env = on_free_ports(name)
    for _ in range(5):
        with Part(name, env=env) as part:
            until(lambda part=part: sigterm_is_handled(part.pid), why="it has begun to start")  # type: ignore[misc]
            assert part.stop() == 0


def sigterm_is_handled(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM (proc(5), SigCgt)."""
    with open(f"/proc/{pid}/status") as file:
        (caught,) = [int(line.split()[1], 16) for line in file if line.startswith("SigCgt")]
    return bool(caught & 1 << (signal.SIGTERM - 1))


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(second: signal.Signals, toy: Callable[..., Part]) -> None:
    part = toy(SHUTDOWN_DELAY="1h")
    part.signal(signal.SIGTERM)
    part.until_logged('"stopping"')
    part.signal(second)
    assert part.wait() == 0
    assert events(part)[-1] == "stopping at once"


def test_a_person_at_a_terminal_need_not_wait_for_the_delay(toy: Callable[..., Part]) -> None:
    part = toy(SHUTDOWN_DELAY="1h")
    part.signal(signal.SIGINT)
    assert part.wait() == 0


def test_a_part_that_was_never_ready_need_not_wait_for_the_delay(toy: Callable[..., Part]) -> None:
    part = toy(ready=False, WAITING_FOR="certificate", SHUTDOWN_DELAY="1h")
    part.until_logged("condition not met")
    assert part.stop() == 0
