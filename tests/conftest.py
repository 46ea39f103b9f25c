"""Fixtures of every layer, the event loop of asynchronous tests, and the summary of what was skipped and why.

Fixtures hand out makers: `part("topz", LISTEN=…)`, `nginx("server {…}")`. What they make ends with the test, also when
it fails, and then its log is printed.
"""

import asyncio
import collections
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from kit import process
from kit.certs import Authority
from kit.ports import free_port as new_port
from kit.process import Child, Part
from kit.servers import Haproxy, Nginx, Redis


@pytest.hookimpl
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Asynchronous tests run on uvloop; the mark asyncio(loop_factories=["asyncio"]) asks for the other."""
    marker = item.get_closest_marker("asyncio")
    names = marker.kwargs.get("loop_factories") if marker else None
    factories: dict[str, Callable[[], Any]] = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {name: factories[name] for name in names or ["uvloop"]}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the logs of the children that run when a test fails."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed:
        for child in process.alive:
            report.sections.append((f"log of {' '.join(child.command)}", child.log()[-20_000:]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many tests were skipped for which reason; the reason names the command that would make them run."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = collections.Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("left out")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count:5}  {reason}")


def pytest_sessionfinish() -> None:
    process.kill_all()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A maker of ports on which a child can listen."""
    return new_port


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """Ends in reverse order whatever a test enters into it."""
    with contextlib.ExitStack() as held:
        yield held


@pytest.fixture
def start(stack: contextlib.ExitStack) -> Callable[..., Child]:
    """`start(["program", "argument"], VARIABLE="value")`: a child that ends with the test."""

    def maker(command: list[str], cwd: Path | None = None, **env: object) -> Child:
        return stack.enter_context(Child(command, env, cwd))

    return maker


@pytest.fixture
def part(stack: contextlib.ExitStack) -> Callable[..., Part]:
    """`part("https-sidecar", LISTEN=…)`: one of our parts, started and ready; ready=False does not wait for that."""

    def maker(name: str, *arguments: str, ready: bool = True, cwd: Path | None = None, **env: object) -> Part:
        child = Part(name, *arguments, env=env, cwd=cwd)
        stack.enter_context(child)
        return child.until_ready() if ready else child

    return maker


@pytest.fixture
def nginx(stack: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Nginx]:
    """`nginx("server { listen 127.0.0.1:PORT; … }")`: a real nginx on a free port."""

    def maker(servers: str) -> Nginx:
        server = Nginx(tmp_path_factory.mktemp("nginx"), servers)
        stack.enter_context(server)
        return server

    return maker


@pytest.fixture
def redis(stack: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Redis]:
    """`redis("--maxmemory", "10mb")`: a real redis-server on a free port."""

    def maker(*options: str) -> Redis:
        server = Redis(tmp_path_factory.mktemp("redis"), *options)
        stack.enter_context(server)
        return server

    return maker


@pytest.fixture
def haproxy(stack: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Haproxy]:
    """`haproxy("frontend f … bind 127.0.0.1:PORT …")`: a real haproxy on a free port."""

    def maker(sections: str) -> Haproxy:
        server = Haproxy(tmp_path_factory.mktemp("haproxy"), sections)
        stack.enter_context(server)
        return server

    return maker


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority for the whole session; what it issued once it hands out again."""
    return Authority(tmp_path_factory.mktemp("authority"))
