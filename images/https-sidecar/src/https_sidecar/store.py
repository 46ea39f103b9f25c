"""The certificates being served: loaded when files change, chosen by name, never given up for something worse.

A pair that cannot be served is remembered with its reason, and the one before it goes on serving; so a key that arrives
after its certificate, a half-written file or a mount that is replaced cost nothing. Connections keep the context they
began with. When to look at files is not known here (`podparts.net.watch`), nor how TLS is spoken (`contexts`).
"""

import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import time

from https_sidecar import certs
from https_sidecar.certs import REJECTIONS, Certificate, Pair, RejectedError, Source
from https_sidecar.contexts import Options, new_context, new_front
from podparts.log import Log

TICKET_KEYS_LIVE = 12 * 3600.0  # seconds; whoever steals a key can read recorded TLS 1.2 sessions of that time


@dataclass(slots=True)
class Entry:
    """A source, the certificate it last gave, and why it gives no newer one."""

    source: Source
    certificate: Certificate | None = None
    rejected: RejectedError | None = None
    rejected_at: float = 0.0


class Store:
    """All sources of certificates. `told()` is called after each change of what is served."""

    def __init__(
        self,
        options: Options,
        log: Log,
        *,
        certificate: tuple[str, str | None] | None = None,
        directory: str | None = None,
        authorities: str | None = None,
        password: Callable[[], str] = str,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.loaded_total = 0
        self.rejected_total = dict.fromkeys(REJECTIONS, 0)
        self.authorities_rejected: RejectedError | None = None
        self._options = options
        self._log = log
        self._certificate = certificate
        self._directory = directory
        self._authorities_path = authorities
        self._password = password
        self._told = told
        self._entries: dict[str, Entry] = {}
        self._found: dict[str, Source] = {}
        self._made: Certificate | None = None
        self._authorities: bytes | None = None
        self._by_name: dict[str, Certificate] = {}
        self._front: ssl.SSLContext | None = None
        self._front_made = 0.0

    # --- what connections ask

    def context(self) -> ssl.SSLContext:
        """What a new connection begins on."""
        now = time()
        if self._front is None or now - self._front_made > TICKET_KEYS_LIVE:
            self._front = new_front(self._options, self._authorities, self.choose)
            self._front_made = now
        return self._front

    def choose(self, name: str | None) -> ssl.SSLContext | None:
        """The context for the host name that a client asks for: exact, by wildcard, the first; None without any."""
        if self._authorities_path and self._authorities is None:
            return None
        found = self._by_name.get("")
        if name:
            name = name.lower().rstrip(".")
            found = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2]) or found
        return found.context if found else None

    # --- what the operator asks

    def entries(self) -> list[Entry]:
        """Every source, the default one first."""
        if self._made is not None:
            return [Entry(self._made.pair.source, self._made)]
        return list(self._entries.values())

    def problem(self) -> str | None:
        """Why nobody can be served, None if somebody can."""
        if self._authorities_path and self._authorities is None:
            rejected = self.authorities_rejected
            return rejected.detail if rejected else f"{self._authorities_path} was not read yet"
        if self._by_name:
            return None
        reasons = [entry.rejected.detail for entry in self._entries.values() if entry.rejected]
        return "; ".join(reasons[:3]) or f"no certificate in {self._directory}"

    # --- what the files say

    def serve(self, pair: Pair) -> None:
        """Serve a pair that was made here, for ever."""
        self._made = certs.load(pair, self._new_context, self._password)
        self._arrange()

    def paths(self) -> Iterator[str]:
        """The files and directories whose change may matter."""
        if self._certificate:
            yield self._certificate[0]
        if self._directory:
            yield from certs.candidates(self._directory)
        if self._authorities_path:
            yield certs.ca_file(self._authorities_path)
        for source in (self._configured() | self._found).values():
            yield source.certificate
            yield source.key

    def changed(self, paths: frozenset[str]) -> None:
        """Load what these paths hold now."""
        if self._authorities_path and certs.ca_file(self._authorities_path) in paths:
            self._load_authorities(certs.ca_file(self._authorities_path))
        if self._directory and paths:
            # An empty directory is a mount that is being replaced: what was found in it is not given up.
            self._found = certs.find_all(self._directory) or self._found
        wanted = self._configured() | self._found
        before, self._entries = self._entries, {}
        for name, source in wanted.items():
            entry = self._entries[name] = before.get(name) or Entry(source)
            moved = entry.source != source
            entry.source = source
            if moved or {source.certificate, source.key} & paths or not (entry.certificate or entry.rejected):
                self._load(entry)
        self._arrange()

    def _configured(self) -> dict[str, Source]:
        """The source that CERTIFICATE_PATH names, under a name that no path has."""
        return {"": certs.find(*self._certificate)} if self._certificate else {}

    def _load(self, entry: Entry) -> None:
        before = entry.certificate
        try:
            pair = certs.read(entry.source)
            if before and pair == before.pair:
                entry.rejected = None
                return
            found = certs.load(pair, self._new_context, self._password)
            if before and before.is_valid(time()) and not found.is_valid(time()):
                raise RejectedError("expired", f"{entry.source.certificate} is not valid now; the one before it is")
        except RejectedError as rejected:
            self._reject(entry, rejected)
            return
        entry.certificate, entry.rejected = found, None
        self.loaded_total += 1
        self._log.info(
            "certificate loaded",
            path=entry.source.certificate,
            names=",".join(found.names[:10]),
            days_left=int((found.identity.not_after - time()) // 86400),
            serial=found.identity.serial,
        )
        for doubt in found.warnings:
            self._log.warning("certificate may not please every client", path=entry.source.certificate, reason=doubt)

    def _reject(self, entry: Entry, rejected: RejectedError) -> None:
        self.rejected_total[rejected.reason] += 1
        entry.rejected, entry.rejected_at = rejected, time()
        serving = "the one before it" if entry.certificate else "none"
        self._log.warning("certificate rejected", reason=rejected.reason, detail=rejected.detail, serving=serving)

    def _load_authorities(self, path: str) -> None:
        """A new bundle: every certificate in a new context, and a new front, so that nobody resumes past it."""
        try:
            bundle = certs.read_file(path)
            self.authorities_rejected = None
            if bundle == self._authorities:
                return
            _check(self._options, bundle, path)
        except RejectedError as rejected:
            self.authorities_rejected = rejected
            self._log.warning("client CA rejected", reason=rejected.reason, detail=rejected.detail)
            return
        self._authorities = bundle
        self._front = None
        for entry in self._entries.values():
            if entry.certificate:
                entry.certificate = certs.load(entry.certificate.pair, self._new_context, self._password)
        if self._made:
            self._made = certs.load(self._made.pair, self._new_context, self._password)
        self._log.info("client CA loaded", path=path)

    def _new_context(self) -> ssl.SSLContext:
        return new_context(self._options, self._authorities)

    def _arrange(self) -> None:
        self._by_name = arrange(entry.certificate for entry in self.entries() if entry.certificate)
        self._told()


def arrange(found: Iterable[Certificate]) -> dict[str, Certificate]:
    """Certificates by name; for a name that several have, the earlier one; the first of all under the empty name."""
    by_name: dict[str, Certificate] = {}
    for certificate in found:
        for name in ("", *certificate.names):
            by_name.setdefault(name, certificate)
    return by_name


def _check(options: Options, bundle: bytes, path: str) -> None:
    try:
        context = new_context(options, bundle)
    except (ssl.SSLError, ValueError) as error:
        raise RejectedError("no_certificate", f"{path}: {getattr(error, 'reason', None) or error}") from None
    if not context.cert_store_stats()["x509"]:
        raise RejectedError("no_certificate", f"{path} holds no certificate")
