"""What a part is, as data: its name, settings, metrics, endpoints, ports, and the function that starts it.

Documents, checks and the process itself are all made from this one declaration. Importing it costs little, so that
`--health` and `--version` answer at once; a part whose own imports are heavy names its `start` as "module:function".
"""

import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from podparts.metrics import Metric
from podparts.settings import CommonSettings
from podparts.web import Endpoint

if TYPE_CHECKING:
    from podparts.service import Service

S = TypeVar("S", bound=CommonSettings)
Start = Callable[[S, "Service"], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the image serves by default, for its EXPOSE line."""

    number: int
    help: str
    protocol: str = "tcp"


@dataclass(frozen=True, kw_only=True)
class Part(Generic[S]):
    """One image. `endpoints` declares what the part adds to its admin port or serves itself, for the documents."""

    name: str
    summary: str
    settings: type[S]
    start: Start[S] | str
    metrics: tuple[Metric, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()

    @property
    def prefix(self) -> str:
        """What the names of its metrics begin with; also the name of its package."""
        return self.name.replace("-", "_")

    @property
    def version(self) -> str:
        return installed_version(self.name)

    def starter(self) -> Start[S]:
        """The function that starts it, imported now if it was named by text."""
        if not isinstance(self.start, str):
            return self.start
        from importlib import import_module

        module, _, function = self.start.partition(":")
        found: Start[S] = getattr(import_module(module), function)
        return found


def installed_version(distribution: str) -> str:
    """The version of an installed package, from the name of its dist-info directory.

    importlib.metadata would do, but costs 20 ms and 2 MB for it.
    """
    begin = distribution.replace("-", "_") + "-"
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith(begin) and name.endswith(".dist-info"):
                return name[len(begin) : -len(".dist-info")]
    return "unknown"
