"""SELF_SIGNED: a certificate for the names asked for, made at start and never written down. For demonstrations only."""

from https_sidecar.certs import Pair, Source
from podparts.values import packed_ip

DAYS = 30


def alternative(name: str) -> str:
    """A name as OpenSSL's configuration wants it: `DNS:localhost` or `IP:127.0.0.1`."""
    return f"IP:{name}" if packed_ip(name) is not None else f"DNS:{name}"


def is_name(name: str) -> bool:
    """Whether a certificate can be made for it: a host name, a wildcard, an IP address; nothing with syntax of its own."""
    if packed_ip(name) is not None:
        return True
    labels = name.removeprefix("*.").split(".")
    return len(name) <= 253 and all(
        0 < len(one) <= 63 and one.replace("-", "").replace("_", "").isalnum() for one in labels
    )


def make(names: tuple[str, ...]) -> Pair:
    """The pair for these names, the first of which is the common name. Raises `https_sidecar.libssl.LibraryError`."""
    from https_sidecar.libssl import self_signed  # ctypes, which nobody else needs

    chain, key = self_signed(names[0][:64], tuple(map(alternative, names)), DAYS)
    return Pair(Source("", ""), chain, key)
