"""What /certs and /observe answer, as JSON: the certificates, and the list of observe mode. Pure but for the clock."""

from dataclasses import asdict
from time import gmtime, strftime, time
from typing import Any

from https_sidecar.observe import Observed
from https_sidecar.store import Entry, Store
from podparts.web import Answer, Endpoint


def certificates(store: Store, now: float) -> dict[str, Any]:
    """Each source: what it serves, and why it serves nothing newer."""
    rejected = store.authorities_rejected
    return {
        "problem": store.problem(),
        "certificates": [_entry(entry, now) for entry in store.entries()],
        "client_ca_rejected": rejected.detail if rejected else None,
    }


def _entry(entry: Entry, now: float) -> dict[str, Any]:
    told: dict[str, Any] = {"certificate": entry.source.certificate or "self-signed", "key": entry.source.key or None}
    if entry.certificate:
        identity = entry.certificate.identity
        told |= {
            "subject": identity.subject,
            "issuer": identity.issuer,
            "names": [*identity.dns, *identity.addresses],
            "serial": identity.serial,
            "fingerprint_sha256": identity.fingerprint,
            "not_before": moment(identity.not_before),
            "not_after": moment(identity.not_after),
            "days_left": int((identity.not_after - now) // 86400),
            "warnings": list(entry.certificate.warnings),
        }
    if entry.rejected:
        told["rejected"] = {
            "reason": entry.rejected.reason,
            "detail": entry.rejected.detail,
            "at": moment(entry.rejected_at),
        }
    return told


def moment(seconds: float) -> str:
    """Unix time as RFC 3339 in UTC."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))


def observations(observed: Observed, on: bool) -> dict[str, Any]:
    """Who would have been refused."""
    return {
        "observe": on,
        "counts": observed.counts,
        "left_out": observed.left_out,
        "clients": [
            asdict(one) | {"first": moment(one.first), "last": moment(one.last)} for one in observed.sightings()
        ],
    }


def endpoints(declared: tuple[Endpoint, ...], store: Store, observed: Observed, on: bool) -> list[Endpoint]:
    """The declared endpoints with who answers them."""
    answers = {
        "/certs": lambda request: _json(certificates(store, time())),
        "/observe": lambda request: _json(observations(observed, on)),
    }
    return [Endpoint(one.method, one.path, one.help, answers[one.path]) for one in declared]


def _json(told: dict[str, Any]) -> Answer:
    from json import dumps

    return Answer(200, dumps(told, indent=2).encode() + b"\n", "application/json", (("Cache-Control", "no-store"),))
