"""How https-sidecar is wired together: certificates, TLS, and behind it the HTTP or the TCP proxy."""

from collections.abc import Callable
from time import time
from typing import Any

from https_sidecar import metrics, report, selfsigned
from https_sidecar.clients import Admission
from https_sidecar.contexts import Options, ignore_undecodable_names
from https_sidecar.observe import Observed
from https_sidecar.settings import Settings
from https_sidecar.store import Store
from podparts.errors import StartError
from podparts.net.tls import TlsInfo, TlsServer
from podparts.net.watch import watch
from podparts.service import Service


async def start(settings: Settings, service: Service) -> None:
    """Serves from the first moment; is ready as soon as a certificate and the application are there."""
    ignore_undecodable_names()
    observed = Observed()
    verifier = _verifier(settings)
    store = _store(settings, service, verifier.apply if verifier else None)
    tls = _tls(settings, service, store, observed, verifier.take if verifier else lambda: None)
    service.metrics.before_collect(lambda: metrics.collect(service.metrics, store, observed))
    service.metrics.before_collect(lambda: service.metrics[metrics.HANDSHAKING].set(tls.handshaking))
    service.admin.add(*report.endpoints(service.part.endpoints, store, observed, settings.observe))
    service.tasks.start("watch certificates", watch(store.paths, store.changed, settings.reload_interval))
    if settings.mode == "http":
        from https_sidecar.http import serve_http

        await serve_http(settings, service, tls, observer(settings, service, observed))
    else:
        from https_sidecar.tcp import serve_tcp

        await serve_tcp(settings, service, tls)


def _store(settings: Settings, service: Service, lenient: Callable[[Any], None] | None) -> Store:
    # Not a matter of startup: without its Secret a pod must wait, not be started again and again by its startup probe.
    condition = service.health.condition("certificate", startup=False)

    def told() -> None:
        problem = store.problem()
        condition.ok() if problem is None else condition.fail(problem)

    options = Options(
        min_version=settings.tls_min_version,
        ciphers=settings.tls_ciphers,
        alpn=settings.protocols,
        client=settings.wants_client,
        observe=settings.observe,
        lenient=lenient,
    )
    store = Store(
        options,
        service.log,
        certificate=(settings.certificate_path, settings.key_path) if settings.certificate_path else None,
        directory=settings.certificates_dir,
        authorities=settings.client_ca_path,
        password=settings.key_password.text,
        told=told,
    )
    if settings.self_signed:
        _serve_self_signed(settings, service, store)
    return store


def _serve_self_signed(settings: Settings, service: Service, store: Store) -> None:
    from https_sidecar.libssl import LibraryError

    try:
        store.serve(selfsigned.make(settings.self_signed))
    except LibraryError as error:
        raise StartError(f"cannot make a certificate for SELF_SIGNED: {error}") from error
    service.log.warning(
        "SELF-SIGNED CERTIFICATE: for demonstrations only, no client can trust it",
        names=",".join(settings.self_signed),
        days=selfsigned.DAYS,
    )


def _verifier(settings: Settings) -> Any:
    """In observe mode, what lets bad client certificates pass; it loads ctypes, so nobody else pays for it."""
    if not settings.observe or settings.wants_client == "none":
        return None
    from https_sidecar.libssl import LenientVerifier

    return LenientVerifier()


def _tls(
    settings: Settings, service: Service, store: Store, observed: Observed, verdict: Callable[[], str | None]
) -> TlsServer:
    admission = Admission(
        asks=settings.wants_client != "none",
        requires=settings.wants_client == "require",
        rules=settings.client_allow,
        forms=settings.client_headers,
        closes=settings.mode == "tcp",
        note=observer(settings, service, observed),
        verdict=verdict,
        least_version=f"TLSv{settings.tls_min_version}",
    )
    handshakes, failures = service.metrics[metrics.HANDSHAKES], service.metrics[metrics.FAILURES]

    def admit(info: TlsInfo, connection: Any) -> object:
        handshakes.inc(1, info.version, "true" if info.resumed else "false", info.alpn or "none")
        return admission(info, connection)

    def failed(reason: str, detail: str, peer: str) -> None:
        failures.inc(1, reason)
        service.log.limited(f"tls {reason}").info("handshake failed", reason=reason, detail=detail, peer=peer)

    return TlsServer(store.context, admit=admit, failed=failed, handshake_timeout=settings.handshake_timeout)


def observer(settings: Settings, service: Service, observed: Observed) -> Callable[[str, str, str, str], None] | None:
    """What observe mode does with somebody who would be refused; None when it is off."""
    if not settings.observe:
        return None

    def note(reason: str, who: str, peer: str, detail: str) -> None:
        if observed.note(reason, who, peer, detail, time()):
            service.log.warning("would be refused", reason=reason, who=who, peer=peer, detail=detail)

    return note
