"""Who would be refused if the rules were enforced: counted and listed, refused nobody. Pure.

For the weeks before mutual TLS or HTTPS-only is switched on: the list says whom to talk to. It is bounded; what does
not fit is counted. How somebody was found out is not known here.
"""

from dataclasses import dataclass

REASONS = (
    "plain_http",  # spoke HTTP without TLS
    "tls_version",  # spoke a TLS version below TLS_MIN_VERSION
    "client_certificate_missing",
    "client_certificate_invalid",  # expired, or not signed by CLIENT_CA_PATH
    "not_allowed",  # a good certificate that no rule of CLIENT_ALLOW names
)
MOST = 1000


@dataclass(slots=True)
class Sighting:
    """One client for one reason. Times are Unix time in seconds; `peer` is the address it was last seen from."""

    reason: str
    who: str
    peer: str
    detail: str
    first: float
    last: float
    count: int = 0


class Observed:
    """A bounded list of sightings."""

    def __init__(self, most: int = MOST) -> None:
        self.counts = dict.fromkeys(REASONS, 0)
        self.left_out = 0
        self._most = most
        self._seen: dict[tuple[str, str], Sighting] = {}

    def note(self, reason: str, who: str, peer: str, detail: str, now: float) -> bool:
        """Somebody would have been refused: `who` names them (a certificate's subject, else the address).

        True when they are seen for the first time.
        """
        self.counts[reason] += 1
        key = (reason, who)
        sighting = self._seen.get(key)
        new = sighting is None
        if sighting is None:
            if len(self._seen) >= self._most:
                self.left_out += 1
                return False
            sighting = self._seen[key] = Sighting(reason, who, peer, detail, now, now)
        sighting.count += 1
        sighting.peer, sighting.detail, sighting.last = peer, detail, now
        return new

    def sightings(self) -> list[Sighting]:
        """The latest first."""
        return sorted(self._seen.values(), key=lambda one: one.last, reverse=True)
