"""Several workers look like one part: one admin port, one sum, one end."""

import http.client
import json
import os
import signal
from collections.abc import Callable

import pytest

from kit.contract import TOY, on_free_ports
from kit.process import Part, command, run
from kit.wait import until


class Workers:
    """A toy with workers, and the port that they share."""

    def __init__(self, part: Part, port: int) -> None:
        self.part = part
        self.port = port

    def ask(self, method: str = "GET", path: str = "/") -> int:
        """The process id of whichever worker answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers={"Connection": "close"})
        return int(connection.getresponse().read())

    def pids(self) -> set[int]:
        """Who answers, asked often enough that each has had a turn."""
        return {self.ask() for _ in range(60)}


@pytest.fixture
def workers(toy: Callable[..., Part], free_port: Callable[[], int]) -> Callable[..., Workers]:
    def maker(count: int = 2, **env: object) -> Workers:
        port = free_port()
        return Workers(toy(LISTEN=f"127.0.0.1:{port}", WORKERS=count, **env), port)

    return maker


def test_several_processes_answer_on_one_port(workers: Callable[..., Workers]) -> None:
    running = workers(3)
    pids = running.pids()
    assert len(pids) == 3
    assert running.part.pid not in pids


def test_metrics_are_the_sum_over_the_workers(workers: Callable[..., Workers]) -> None:
    running = workers()
    for _ in range(20):
        running.ask()
    assert running.part.metric("toy_hits_total") == 20
    assert running.part.metric("toy_workers") == 2


def test_a_worker_that_was_killed_is_started_again_and_counted(workers: Callable[..., Workers]) -> None:
    running = workers()
    first = running.pids()
    os.kill(min(first), signal.SIGKILL)
    until(lambda: running.part.metric("toy_worker_restarts_total") == 1, why="the restart is counted")
    until(lambda: running.part.metric("toy_workers") == 2, why="both are up again", show=running.part.log)
    assert len(running.pids() - first) == 1


def test_what_a_killed_worker_had_counted_is_not_lost(workers: Callable[..., Workers]) -> None:
    running = workers()
    hits = len([running.ask() for _ in range(20)])
    assert running.part.metric("toy_hits_total") == hits
    os.kill(running.ask(), signal.SIGKILL)
    until(lambda: running.part.metric("toy_worker_restarts_total") == 1, why="the restart is counted")
    assert running.part.metric("toy_hits_total") >= hits


def test_a_part_stays_ready_while_one_of_its_workers_is_started_again(workers: Callable[..., Workers]) -> None:
    running = workers()
    os.kill(running.ask(), signal.SIGKILL)
    until(lambda: running.part.metric("toy_worker_restarts_total") == 1, why="the restart is counted")
    assert running.part.admin("/readyz")[0] == 200


def test_endpoints_of_the_part_are_answered_by_a_worker(workers: Callable[..., Workers]) -> None:
    running = workers(TOKEN="hunter2")
    assert running.part.admin("/token?is=hunter2") == (200, "yes\n")


def test_it_is_not_ready_for_the_reason_that_its_workers_give(toy: Callable[..., Part]) -> None:
    part = toy(ready=False, WORKERS=2, WAITING_FOR="certificate")
    until(lambda: part.admin("/readyz")[1] == "workers: certificate: still waiting\n", why="the reason is told")


def test_sigterm_drains_every_worker_and_ends_with_exit_code_0(workers: Callable[..., Workers]) -> None:
    running = workers(BUSY="200ms")
    assert running.part.stop() == 0
    lines = [json.loads(line) for line in running.part.stdout().splitlines()]
    assert sorted(line["worker"] for line in lines if line["event"] == "stopped" and "worker" in line) == [0, 1]


def test_a_signal_to_the_whole_group_leaves_the_order_to_the_supervisor(workers: Callable[..., Workers]) -> None:
    running = workers(SHUTDOWN_DELAY="1h")
    os.killpg(running.part.pid, signal.SIGTERM)
    until(lambda: running.part.admin("/readyz")[0] == 503, why="it is no longer ready")
    assert len(running.pids()) == 2


def test_a_second_signal_ends_the_workers_too(workers: Callable[..., Workers]) -> None:
    running = workers(SHUTDOWN_DELAY="1h")
    pids = running.pids()
    running.part.signal(signal.SIGTERM)
    running.part.until_logged('"stopping"')
    running.part.signal(signal.SIGTERM)
    assert running.part.wait() == 0
    until(lambda: not any(alive(pid) for pid in pids), why="the workers are gone")


def test_workers_end_when_their_supervisor_was_killed(workers: Callable[..., Workers]) -> None:
    running = workers()
    pids = running.pids()
    running.part.signal(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids), why="the workers are gone")


def test_workers_that_cannot_start_are_exit_code_1() -> None:
    done = run(command(TOY), on_free_ports(TOY) | {"WORKERS": "2", "BROKEN": "an accident"})
    assert done.returncode == 1
    assert "a worker could not start" in done.stdout


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
