"""One certificate with its key: where the two files are, whether they can be served, what the certificate says.

Files are read once into memory, and OpenSSL is given those bytes through an anonymous file: what was checked is what is
served, whatever happens to the files meanwhile. A pair is good when the chain parses and the key is the certificate's.
When files are looked at, and which pair serves which client, is not known here.
"""

import contextlib
import os
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from https_sidecar.identity import Identity, identity_of

LARGEST_FILE = 1 << 20

NAMES = (("tls.crt", "tls.key"), ("fullchain.pem", "privkey.pem"), ("cert.pem", "key.pem"))
"""Certificate and key as Kubernetes, certbot and hand-made directories name them."""

REJECTIONS = (
    "missing",  # one of the files is not there (yet)
    "unreadable",  # or may not be read, or is larger than LARGEST_FILE
    "no_certificate",  # no PEM certificate in the file, or one that does not parse
    "no_key",  # no PEM private key in the file, or one that does not parse
    "key_mismatch",  # the key is another certificate's: one of the two has not been replaced yet
    "encrypted_key",  # KEY_PASSWORD is missing or wrong
    "weak",  # a key or signature below OpenSSL's security level
    "expired",  # no longer or not yet valid, while a valid one is being served
    "unusable",  # anything else that OpenSSL does not take
)

_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----.+?-----END [^-]+-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_BY_OPENSSL = {
    "KEY_VALUES_MISMATCH": "key_mismatch",
    "KEY_TYPE_MISMATCH": "key_mismatch",
    "BAD_DECRYPT": "encrypted_key",
    "BAD_PASSWORD_READ": "encrypted_key",
    "PROBLEMS_GETTING_PASSWORD": "encrypted_key",
    "EE_KEY_TOO_SMALL": "weak",
    "CA_MD_TOO_WEAK": "weak",
    "CA_KEY_TOO_SMALL": "weak",
}


class RejectedError(Exception):
    """A pair cannot be served: `reason` is one of REJECTIONS, `detail` is for the operator."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Source:
    """Where a pair is kept. One file may hold both; an empty path is a pair that was made here."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Pair:
    """The bytes of certificate chain and key, PEM."""

    source: Source
    chain: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """A pair that is good: its context, what its first certificate says, and what a client might stumble over."""

    pair: Pair
    context: ssl.SSLContext
    identity: Identity
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The host names it is for, lower case: its DNS names, else its common name (RFC 6125 section 6.4.4)."""
        identity = self.identity
        return tuple(name.lower() for name in identity.dns or ((identity.common_name,) if identity.common_name else ()))

    def is_valid(self, now: float) -> bool:
        """`now` is Unix time in seconds."""
        return self.identity.not_before <= now <= self.identity.not_after


# --- where the files are ---------------------------------------------------------------------------------------------


def find(certificate: str, key: str | None) -> Source:
    """The two files that CERTIFICATE_PATH and KEY_PATH mean, whether they exist or not."""
    if os.path.isdir(certificate):
        places = [Source(os.path.join(certificate, one), os.path.join(certificate, other)) for one, other in NAMES]
        place = next((place for place in places if os.path.exists(place.certificate)), places[0])
        return Source(place.certificate, key or place.key)
    return Source(certificate, key or _key_beside(certificate))


def _key_beside(certificate: str) -> str:
    """A key by its certificate: tls.key for tls.crt, web.key or web-key.pem for web.pem, else the same file."""
    directory, name = os.path.split(certificate)
    if expected := dict(NAMES).get(name):
        return os.path.join(directory, expected)
    stem = os.path.splitext(certificate)[0]
    candidates = (f"{stem}.key", f"{stem}-key.pem")
    return next((candidate for candidate in candidates if os.path.exists(candidate)), certificate)


def candidates(directory: str) -> list[str]:
    """The directory and everything in it that may be part of a pair: what to watch."""
    try:
        names = os.listdir(directory)
    except OSError:
        return [directory]
    return [directory, *(os.path.join(directory, name) for name in names if not name.startswith("."))]


def find_all(directory: str) -> dict[str, Source]:
    """The pairs in a directory, by path: subdirectories as Secrets are mounted, NAME.crt with NAME.key, NAME.pem."""
    found = {}
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if not name.startswith(".") and (os.path.isdir(path) or _is_pair(path)):
                found[path] = find(path, None)
    return found


def _is_pair(path: str) -> bool:
    """Whether a certificate has its key beside it or in the same file; CA files have none."""
    if not path.endswith((".crt", ".pem", ".cer")) or not _CERTIFICATE.search(_peek(path)):
        return False
    key = find(path, None).key
    return os.path.exists(key) and (key != path or _KEY.search(_peek(path)) is not None)


def _peek(path: str) -> bytes:
    try:
        return read_file(path)
    except RejectedError:
        return b""


def ca_file(path: str) -> str:
    """The file of a CA bundle; in a directory it is ca.crt."""
    return os.path.join(path, "ca.crt") if os.path.isdir(path) else path


# --- what is in them -------------------------------------------------------------------------------------------------


def read_file(path: str) -> bytes:
    """The file's bytes. Raises RejectedError."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise RejectedError("missing", f"{path} does not exist") from None
    except OSError as error:
        raise RejectedError("unreadable", f"{path}: {error.strerror or error}") from None
    if len(data) > LARGEST_FILE:
        raise RejectedError("unreadable", f"{path} is larger than {LARGEST_FILE} bytes")
    return data


def read(source: Source) -> Pair:
    """Both files. Raises RejectedError when one cannot be read or does not hold what it should."""
    chain = read_file(source.certificate)
    key = chain if source.key == source.certificate else read_file(source.key)
    if not _CERTIFICATE.search(chain):
        raise RejectedError("no_certificate", f"{source.certificate} holds no PEM certificate")
    if not _KEY.search(key):
        raise RejectedError("no_key", f"{source.key} holds no PEM private key")
    return Pair(source, chain, key)


def load(pair: Pair, make_context: Callable[[], ssl.SSLContext], password: Callable[[], str]) -> Certificate:
    """The pair in a context of its own. Raises RejectedError."""
    chain = [decode(pem) for pem in _CERTIFICATE.findall(pair.chain)]
    context = make_context()
    with _memory_file(pair.chain) as certificate, _memory_file(pair.key) as key:
        try:
            context.load_cert_chain(certificate, key, _password(password))
        except ssl.SSLError as error:
            raise _rejected(pair, error) from None
        except ValueError:  # a password longer than OpenSSL takes
            raise RejectedError("encrypted_key", f"{pair.source.key}: KEY_PASSWORD cannot be a password") from None
    return Certificate(pair, context, chain[0], tuple(_doubts(chain)))


def _password(password: Callable[[], str]) -> Callable[[], str]:
    """Always a function: without one OpenSSL would ask at the terminal."""
    return lambda: password()[:1024]


def _rejected(pair: Pair, error: ssl.SSLError) -> RejectedError:
    reason = _BY_OPENSSL.get(error.reason or "", "unusable")
    if reason == "unusable" and b"ENCRYPTED" in pair.key:  # OpenSSL names no reason for a password that is missing
        reason = "encrypted_key"
    source = pair.source
    what = {
        "key_mismatch": f"{source.key} is not the key of {source.certificate}",
        "encrypted_key": f"{source.key} is encrypted and KEY_PASSWORD does not open it",
    }.get(reason, f"{source.certificate}, {source.key}: {error.reason or error}")
    return RejectedError(reason, what)


def _doubts(chain: list[Identity]) -> Iterator[str]:
    """What OpenSSL serves without complaint but clients may not take."""
    for below, above in pairwise(chain):
        if below.issuer != above.subject:
            yield f"the chain is out of order: {above.subject!r} did not issue {below.subject!r}"
    if not chain[0].dns and not chain[0].addresses:
        yield "the certificate has no subject alternative names, which browsers insist on"


def decode(pem: bytes) -> Identity:
    """What one PEM certificate says. Raises RejectedError.

    By the decoder that the ssl module uses for peers' certificates: one reader for both, and it is OpenSSL's.
    """
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.decode("ascii").replace(" X509 ", " ").replace(" TRUSTED ", " "))
        with _memory_file(pem) as path:
            return identity_of(ssl._ssl._test_decode_cert(path), der)  # type: ignore[attr-defined]
    except (ssl.SSLError, ValueError, KeyError) as error:
        raise RejectedError("no_certificate", f"a certificate does not parse: {error}") from None


@contextlib.contextmanager
def _memory_file(data: bytes) -> Iterator[str]:
    """The data as a file that nobody else can see or change."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
