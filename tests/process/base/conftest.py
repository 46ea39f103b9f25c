"""A proxy from compiled modules and the same one from their source, in front of an upstream that the test writes."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.need import need
from kit.plain import PlainProxy, PlainTcp, Start
from kit.upstream import Behaviour, Upstream

BUILDS = ("compiled", "uncompiled")


@pytest.fixture(params=BUILDS, scope="module")
def source(request: pytest.FixtureRequest) -> bool:
    """Whether the proxy runs from source."""
    if request.param == "compiled":
        need("compiler")
    return bool(request.param == "uncompiled")


@pytest.fixture
def proxy(stack: contextlib.ExitStack, source: bool) -> Start:
    """`proxy(upstream.address, VARIABLE=value)`: a proxy that is ready; ready=False waits only until it is alive."""

    def maker(upstream: str, ready: bool = True, **env: object) -> PlainProxy:
        child = stack.enter_context(PlainProxy(upstream, source=source, **env))
        child.until_ready() if ready else child.until_live()
        return child

    return maker


@pytest.fixture
def tcp(stack: contextlib.ExitStack, source: bool) -> Start:
    """`tcp("127.0.0.1:5432", ANNOUNCE="v1")`: a TCP proxy, as `proxy` is one for HTTP."""

    def maker(upstream: str, ready: bool = True, **env: object) -> PlainProxy:
        child = stack.enter_context(PlainTcp(upstream, source=source, **env))
        child.until_ready() if ready else child.until_live()
        return child

    return maker


@pytest.fixture
def upstream(stack: contextlib.ExitStack) -> Callable[..., Upstream]:
    """`upstream({"/path": behaviour}, default=behaviour)`: a scripted upstream in a thread of its own."""

    def maker(routes: dict[str, Behaviour] | None = None, **options: Any) -> Upstream:
        return stack.enter_context(Upstream(routes, **options).in_thread())

    return maker


@pytest.fixture(scope="module")
def echo_upstream() -> Iterator[Upstream]:
    """One upstream for all tests of a module that need nothing special: it echoes bodies."""
    with Upstream().in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def shared(source: bool, echo_upstream: Upstream) -> Iterator[PlainProxy]:
    """One proxy for all tests of a module that leave it as it was."""
    with PlainProxy(echo_upstream.address, source=source) as running:
        running.until_ready()
        yield running
