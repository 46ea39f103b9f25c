"""The pure modules of the data plane twice: compiled, and imported from the same files' source beside them.

A machine without a compiler runs the source, so a test of a parser runs on both. The constants of a compiled module
are C's and cannot be seen from Python; the uncompiled build has them.
"""

import functools
import importlib
import sys
from dataclasses import dataclass
from types import ModuleType

from kit.uncompiled import SourceFirst

NAMES = (
    "podparts.wire.fields", "podparts.wire.http1", "podparts.wire.body",
    "podparts.proxy.sides", "podparts.proxy.upstream", "podparts.proxy.exchange", "podparts.proxy.client",
)  # fmt: skip


@dataclass(frozen=True)
class Build:
    """The modules of one build, by their last name."""

    name: str
    fields: ModuleType
    http1: ModuleType
    body: ModuleType
    sides: ModuleType
    upstream: ModuleType
    exchange: ModuleType
    client: ModuleType

    @property
    def compiled(self) -> bool:
        return not str(self.http1.__file__).endswith(".py")


def _load(name: str) -> Build:
    modules = {full.rpartition(".")[2]: importlib.import_module(full) for full in NAMES}
    return Build(name, **modules)


def compiled() -> Build:
    """What an import gives: compiled, where a compiler was found."""
    return _load("compiled")


@functools.cache
def uncompiled() -> Build:
    """The same files as plain Python, without disturbing what is imported already."""
    ours = {name for name in sys.modules if name.startswith("podparts")}
    aside = {name: sys.modules.pop(name) for name in ours}
    finder = SourceFirst()
    sys.meta_path.insert(0, finder)
    try:
        return _load("uncompiled")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith("podparts")]:
            del sys.modules[name]
        sys.modules.update(aside)
