"""Who a certificate says its owner is, and the header fields that tell the application. Pure.

The names in a certificate are whatever its issuer signed: everything that could end a header line, or an entry of a
list, is percent-encoded. Fields of these names that a client sends itself are dropped before (`FIELDS`; the scanner
counts `_` as `-`), with a certificate or without. Whether a certificate can be trusted is decided in the handshake.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LARGEST = 16384  # bytes of header fields about one client: a certificate may hold 100 KB of names

_SHORT = {
    "commonName": "CN",
    "organizationalUnitName": "OU",
    "organizationName": "O",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "userId": "UID",
}
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~ !#$&'()*+/:<=>?@[]^`{|}")


class TooLargeError(ValueError):
    """The fields about a client would be larger than LARGEST."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The names in a certificate. Times are Unix time in seconds, `serial` is upper-case hex, `der` the certificate."""

    subject: str = ""
    issuer: str = ""
    common_name: str = ""
    units: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    serial: str = ""
    not_before: float = 0.0
    not_after: float = 0.0
    der: bytes = b""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the certificate, lower-case hex."""
        from hashlib import sha256  # 0.7 MB that only those pay who ask

        return sha256(self.der).hexdigest()


def identity_of(decoded: Mapping[str, Any], der: bytes) -> Identity:
    """From what the ssl module decodes (`getpeercert`) and the certificate itself."""
    subject = _names(decoded, "subject")
    alternatives: tuple[tuple[str, str], ...] = decoded.get("subjectAltName", ())
    return Identity(
        subject=distinguished_name(subject),
        issuer=distinguished_name(_names(decoded, "issuer")),
        common_name=next((value for name, value in subject if name == "commonName"), ""),
        units=tuple(value for name, value in subject if name == "organizationalUnitName"),
        dns=_alternatives(alternatives, "DNS"),
        uris=_alternatives(alternatives, "URI"),
        addresses=_alternatives(alternatives, "IP Address"),
        serial=decoded.get("serialNumber", ""),
        not_before=seconds_of(decoded["notBefore"]),
        not_after=seconds_of(decoded["notAfter"]),
        der=der,
    )


def _names(decoded: Mapping[str, Any], which: str) -> list[tuple[str, str]]:
    return [pair for relative in decoded.get(which, ()) for pair in relative]


def _alternatives(alternatives: Iterable[tuple[str, str]], kind: str) -> tuple[str, ...]:
    return tuple(value for name, value in alternatives if name == kind)


def distinguished_name(names: Iterable[tuple[str, str]]) -> str:
    """The form of RFC 4514, most specific name first: `CN=web,OU=shop,O=Example`."""
    parts = [f"{_SHORT.get(name, name)}={_escaped(value)}" for name, value in names]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    return "".join(f"\\{character}" if character in ',+"\\<>;' else character for character in value)


def encoded(value: str) -> str:
    """Percent-encoded but for printable ASCII without `%`, `,`, `;`, `"` and backslash."""
    return "".join(
        character if character in _PLAIN else "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))
        for character in value
    )


def one_encoded(value: str) -> str:
    """The same for a value that is no part of a list: commas stay, as distinguished names have them."""
    return encoded(value).replace("%2C", ",")


# --- header fields ---------------------------------------------------------------------------------------------------

_LIST = tuple[str, ...]
_EACH: tuple[tuple[str, Callable[[Identity], str | _LIST]], ...] = (
    ("X-Client-Cert-Subject", lambda identity: identity.subject),
    ("X-Client-Cert-CN", lambda identity: identity.common_name),
    ("X-Client-Cert-OU", lambda identity: identity.units),
    ("X-Client-Cert-DNS", lambda identity: identity.dns),
    ("X-Client-Cert-URI", lambda identity: identity.uris),
    ("X-Client-Cert-Serial", lambda identity: identity.serial),
    ("X-Client-Cert-Fingerprint", lambda identity: identity.fingerprint),
)
VERIFIED = "X-Client-Cert-Verified"

FIELDS = tuple(
    name.lower().encode()
    for name in (
        VERIFIED,
        *(name for name, _ in _EACH),
        "X-Forwarded-Client-Cert",
        "Client-Cert",
        "Client-Cert-Chain",
    )
)
"""Every field of a request that tells the application about a client certificate: none is ever a client's own."""


def fields(identity: Identity | None, forms: Iterable[str]) -> bytes:
    """Header lines about a client in the asked forms (`fields`, `xfcc`, `rfc9440`). Raises TooLargeError."""
    lines = "".join(_FORMS[form](identity) for form in forms)
    if len(lines) > LARGEST:
        raise TooLargeError(f"the names in the certificate make more than {LARGEST} bytes of header fields")
    return lines.encode("ascii")


def _as_fields(identity: Identity | None) -> str:
    if identity is None:
        return f"{VERIFIED}: NONE\r\n"
    lines = [f"{VERIFIED}: SUCCESS\r\n"]
    for name, value in _EACH:
        told = value(identity)
        text = ",".join(map(encoded, told)) if isinstance(told, tuple) else one_encoded(told)
        if text:
            lines.append(f"{name}: {text}\r\n")
    return "".join(lines)


def _as_xfcc(identity: Identity | None) -> str:
    """One element of Envoy's X-Forwarded-Client-Cert."""
    if identity is None:
        return ""
    parts = [f"Hash={identity.fingerprint}", f'Subject="{one_encoded(identity.subject)}"']
    parts += [f"URI={encoded(uri)}" for uri in identity.uris]
    parts += [f"DNS={encoded(name)}" for name in identity.dns]
    return f"X-Forwarded-Client-Cert: {';'.join(parts)}\r\n"


def _as_rfc9440(identity: Identity | None) -> str:
    """The certificate itself (RFC 9440 section 2.2), for applications that read more than names."""
    return f"Client-Cert: :{b64encode(identity.der).decode()}:\r\n" if identity else ""


_FORMS: dict[str, Callable[[Identity | None], str]] = {"fields": _as_fields, "xfcc": _as_xfcc, "rfc9440": _as_rfc9440}


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def seconds_of(moment: str) -> float:
    """Unix time of a certificate's `Nov 21 01:43:14 2026 GMT`, as the ssl module writes it.

    ssl.cert_time_to_seconds would do, but imports datetime and calendar for it: 1.5 MB in every sidecar. The count of
    days is the proleptic Gregorian one, with years that begin in March so that the leap day comes last.
    """
    month_name, day, clock, year, _ = moment.split()
    month = _MONTHS.index(month_name) + 1
    years = int(year) - (month <= 2)
    days = 365 * years + years // 4 - years // 100 + years // 400 + (153 * ((month + 9) % 12) + 2) // 5 + int(day)
    hours, minutes, seconds = map(int, clock.split(":"))
    return float((days - 719469) * 86400 + hours * 3600 + minutes * 60 + seconds)
