"""Names of variables that are not what they seem: slips of the keyboard, and what Kubernetes sets. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

# What Kubernetes sets for each Service of the namespace besides NAME_PORT; whoever named the Service meant no setting.
_OF_A_SERVICE: Final = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT|_PORT_\d+_(TCP|UDP|SCTP)")


def is_service_link(name: str, text: str) -> bool:
    """True for what Kubernetes sets for a Service that shares the namespace: PROXY_PORT=tcp://10.0.0.1:80."""
    return name.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))


def service_link_advice(name: str) -> str:
    """What to do about a service link that took a setting's name."""
    service = name.removesuffix("_PORT").lower().replace("_", "-")
    return (
        f"this is a Kubernetes service link: the namespace has a Service called {service}. "
        f"Set enableServiceLinks: false in the pod, or set {name} there"
    )


def slips(known: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are not known, but so close to a known one that they must have been meant as it: name to name."""
    letters = {name: frozenset(name) for name in known}
    found = {}
    for name, text in environ.items():
        if name in letters or is_service_link(name, text) or _OF_A_SERVICE.search(name):
            continue
        own = frozenset(name.upper())
        # Each edit changes the set of letters by two at most: a cheap test before the dear one.
        near = (meant for meant, its in letters.items() if len(own ^ its) <= 2 * _tolerance(meant))
        if meant := next((meant for meant in near if is_slip(name, meant)), None):
            found[name] = meant
    return found


def is_slip(name: str, meant: str) -> bool:
    """True when `name` differs from `meant` by case, or by very few letters."""
    if name.upper() == meant:
        return name != meant
    limit = _tolerance(meant)
    return name.isupper() and abs(len(name) - len(meant)) <= limit and edits(name, meant) <= limit


def _tolerance(meant: str) -> int:
    """Letters that may be wrong; short names have neighbours of another meaning: MODE and NODE, HSTS and HOSTS."""
    return 0 if len(meant) < 6 else 1 if len(meant) < 10 else 2


def edits(a: str, b: str) -> int:
    """Letters to insert, delete, replace or swap to get from `a` to `b` (optimal string alignment)."""
    earlier: list[int] = []
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                best = min(best, earlier[j - 2] + 1)
            row.append(best)
    return row[-1]
