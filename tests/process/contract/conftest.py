"""Fixtures of the contract: one part after the other, started on free ports."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.contract import TOY, every_part, on_free_ports
from kit.process import Part


@pytest.fixture(params=every_part(), ids=lambda name: Path(name).stem)
def name(request: pytest.FixtureRequest) -> str:
    """One part after the other."""
    return str(request.param)


@pytest.fixture
def live(stack: contextlib.ExitStack) -> Callable[..., Part]:
    """`live(name, VARIABLE="value")`: a part on free ports that is alive, if not ready."""

    def maker(name: str, **env: object) -> Part:
        part = Part(name, env=on_free_ports(name) | {key: str(value) for key, value in env.items()})
        stack.enter_context(part)
        return part.until_live()

    return maker


@pytest.fixture
def toy(live: Callable[..., Part]) -> Callable[..., Part]:
    """`toy(BUSY="1s")`: the toy, ready; ready=False does not wait for that."""

    def maker(ready: bool = True, **env: object) -> Part:
        part = live(TOY, **env)
        return part.until_ready() if ready else part

    return maker
