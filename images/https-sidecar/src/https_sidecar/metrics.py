"""What https-sidecar counts besides what every HTTP proxy does, and how the counters are copied before each scrape."""

from typing import TYPE_CHECKING, Final

from podparts.metrics import Metric, Registry

if TYPE_CHECKING:
    from https_sidecar.observe import Observed
    from https_sidecar.store import Store

HANDSHAKES: Final = Metric(
    "counter", "tls_handshakes_total", "TLS handshakes that succeeded.", ("version", "resumed", "protocol")
)
FAILURES: Final = Metric(
    "counter", "tls_handshake_failures_total", "TLS handshakes that failed, by reason.", ("reason",)
)
HANDSHAKING: Final = Metric("gauge", "tls_handshakes_in_progress", "Connections whose handshake is under way.")
EXPIRY: Final = Metric(
    "gauge",
    "certificate_expiry_timestamp_seconds",
    "Unix time at which a served certificate expires.",
    ("certificate",),
    max_series=200,
    merge="min",
)
SERVED: Final = Metric("gauge", "certificates", "Certificates that are being served.", merge="max")
LOADED: Final = Metric(
    "counter", "certificate_loads_total", "Certificates that were loaded, at start or after a change."
)
REJECTED: Final = Metric(
    "counter", "certificate_rejections_total", "Certificates that were not loaded, by reason.", ("reason",)
)
OBSERVED: Final = Metric(
    "counter", "observed_total", "Clients that would have been refused but for OBSERVE.", ("reason",)
)
DENIED: Final = Metric("counter", "client_denied_total", "Requests refused because of CLIENT_ALLOW.")

SIDECAR_METRICS: Final = (
    HANDSHAKES, FAILURES, HANDSHAKING, EXPIRY, SERVED, LOADED, REJECTED, OBSERVED, DENIED,
)  # fmt: skip


def collect(metrics: Registry, store: "Store", observed: "Observed") -> None:
    """Copy what is counted elsewhere."""
    served = [entry for entry in store.entries() if entry.certificate]
    metrics[SERVED].set(len(served))
    for entry in served:
        if entry.certificate:
            metrics[EXPIRY].set(entry.certificate.identity.not_after, entry.source.certificate or "self-signed")
    metrics[LOADED].set(store.loaded_total)
    for reason, count in store.rejected_total.items():
        metrics[REJECTED].set(count, reason)
    for reason, count in observed.counts.items():
        metrics[OBSERVED].set(count, reason)
