"""Who is at the other end: each finished handshake is judged once, and the verdict stays with its connection.

In HTTP a client that no rule admits gets 403, which people understand; a TCP client is closed. In observe mode nobody
is refused, and what would have happened is noted. The rules themselves are `allow`, the names `identity`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import time
from typing import Any

from https_sidecar.allow import Rules
from https_sidecar.identity import Identity, TooLargeError, fields, identity_of
from podparts.net.tls import NotAdmittedError, TlsInfo


@dataclass(frozen=True, slots=True)
class Client:
    """The verdict on one connection: header lines for the application, and why its requests are refused if they are."""

    identity: Identity | None
    header: bytes = b""
    refused: str | None = None


class Admission:
    """Judges handshakes. `note(reason, who, peer, detail)` is told of what observe mode lets pass."""

    def __init__(
        self,
        *,
        asks: bool,
        requires: bool,
        rules: Rules | None,
        forms: Iterable[str],
        closes: bool,
        note: Callable[[str, str, str, str], None] | None = None,
        verdict: Callable[[], str | None] = lambda: None,
        least_version: str = "TLSv1.2",
    ) -> None:
        self._asks = asks
        self._requires = requires
        self._rules = rules or Rules((), everybody=True)
        self._forms = tuple(forms)
        self._closes = closes
        self._note = note
        self._verdict = verdict
        self._least_version = least_version
        self._anonymous = Client(None, fields(None, self._forms) if asks else b"")

    def __call__(self, info: TlsInfo, connection: Any) -> Client:
        """The verdict on a handshake that has just ended. Raises NotAdmittedError."""
        wrong = self._verdict()
        if self._note and info.version < self._least_version:
            self._note("tls_version", info.peer, info.peer, info.version)
        if not self._asks:
            return self._anonymous
        der = connection.getpeercert(binary_form=True)
        if der is None:
            return self._without_certificate(info.peer)
        identity = identity_of(connection.getpeercert(), der)
        return self._with_certificate(identity, wrong or expired(identity, time()), info.peer)

    def _without_certificate(self, peer: str) -> Client:
        if self._note and self._requires:
            self._note("client_certificate_missing", peer, peer, "no client certificate")
        return self._anonymous

    def _with_certificate(self, identity: Identity, wrong: str | None, peer: str) -> Client:
        reason, detail = None, None
        if wrong:
            reason, detail = "client_certificate_invalid", wrong
        elif not self._rules.allows(identity):
            reason, detail = "not_allowed", f"no rule of CLIENT_ALLOW names {identity.subject}"
        if reason and detail and self._note:
            self._note(reason, identity.subject, peer, detail)
            return self._unverified(identity) if wrong else self._admitted(identity)
        if detail and (self._closes or wrong):
            raise NotAdmittedError(detail)
        return Client(identity, refused=detail) if detail else self._admitted(identity)

    def _admitted(self, identity: Identity) -> Client:
        try:
            return Client(identity, fields(identity, self._forms))
        except TooLargeError as error:
            raise NotAdmittedError(str(error)) from None

    def _unverified(self, identity: Identity) -> Client:
        """Observe mode passes the connection on, but never an identity that nobody vouches for."""
        return Client(identity, self._anonymous.header)


def expired(identity: Identity, now: float) -> str | None:
    """A session may be resumed after its certificate has expired, and OpenSSL does not look at it again."""
    return None if now <= identity.not_after else "the client certificate has expired"
