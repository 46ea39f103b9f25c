"""SELF_SIGNED: a certificate for the names asked for, made at start and never written down. For demonstrations only."""

from https_sidecar.certs import Pair, Source
from https_sidecar.names import alternative

DAYS = 30


def make(names: tuple[str, ...]) -> Pair:
    """The pair for these names, the first of which is the common name. Raises `https_sidecar.libssl.LibraryError`."""
    from https_sidecar.libssl import self_signed  # ctypes, which nobody else needs

    chain, key = self_signed(names[0][:64], tuple(map(alternative, names)), DAYS)
    return Pair(Source("", ""), chain, key)
