"""Which client certificates may connect: CLIENT_ALLOW, in the words of ghostunnel's --allow-* flags. Pure.

    cn=payments,ou=backend,dns=app.internal,uri=spiffe://example.org/ns/*/sa/web

One matching rule is enough. `cn` and `ou` are compared as they are, `dns` without regard to case; in `dns` and `uri` a
`*` stands for one segment (between dots, or between slashes), and `**` at the end for any number of them. `all` admits
every verified certificate, `none` nobody. A comma inside a value is written `\\,`. What certificates are is not known.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from https_sidecar.identity import Identity

KINDS = ("cn", "ou", "dns", "uri")
_SEPARATORS = {"dns": ".", "uri": "/"}
_EXPECTED = "expected all, none, or rules such as cn=NAME,ou=NAME,dns=*.example.com,uri=spiffe://example.org/**"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a certificate may have: `kind` is one of KINDS."""

    kind: str
    value: str

    def matches(self, identity: "Identity") -> bool:
        match self.kind:
            case "cn":
                return self.value == identity.common_name
            case "ou":
                return self.value in identity.units
            case "dns":
                return any(matches_pattern(self.value.lower(), name.lower(), ".") for name in identity.dns)
            case _:
                return any(matches_pattern(self.value, uri, "/") for uri in identity.uris)

    def __str__(self) -> str:
        return f"{self.kind}={self.value}".replace(",", "\\,")


@dataclass(frozen=True, slots=True)
class Rules:
    """What CLIENT_ALLOW says. Without rules, `everybody` decides."""

    rules: tuple[Rule, ...] = ()
    everybody: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with what was expected."""
        if text in ("all", "none"):
            return cls((), text == "all")
        return cls(tuple(_rule(part.strip()) for part in re.split(r"(?<!\\),", text)))

    def allows(self, identity: "Identity") -> bool:
        return self.everybody or any(rule.matches(identity) for rule in self.rules)

    def __str__(self) -> str:
        return ",".join(map(str, self.rules)) or ("all" if self.everybody else "none")


def _rule(text: str) -> Rule:
    kind, equals, value = text.replace("\\,", ",").partition("=")
    if kind not in KINDS or not equals or not value:
        raise ValueError(f"{_EXPECTED}; not {text!r}")
    if kind in _SEPARATORS and "**" in value.split(_SEPARATORS[kind])[:-1]:
        raise ValueError(f"expected ** at the end only; not {text!r}")
    return Rule(kind, value)


def matches_pattern(pattern: str, value: str, separator: str) -> bool:
    """Segment by segment; a separator at the very end of either side does not count."""
    wanted = pattern.removesuffix(separator).split(separator)
    found = value.removesuffix(separator).split(separator)
    if wanted[-1] == "**":
        wanted.pop()
        if len(found) < len(wanted):
            return False
        found = found[: len(wanted)]
    return len(found) == len(wanted) and all(_segments_match(wanted, found))


def _segments_match(wanted: Iterable[str], found: Iterable[str]) -> Iterator[bool]:
    return (one == other or (one == "*" and other != "") for one, other in zip(wanted, found, strict=True))
