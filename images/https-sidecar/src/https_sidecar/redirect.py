"""What the plain-HTTP port answers: the same URL with https; which paths it leaves to the application. Pure."""

import re
from collections.abc import Iterable

from podparts.web import Answer

# RFC 3986 host, an optional port behind it; nothing that could lead elsewhere (an @, a slash) or end the header line.
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{0,5})?\Z")


def location(host: bytes, target: bytes, port: int) -> bytes | None:
    """The URL to go to, None when the Host field or the target cannot be part of one. Port 443 is left out."""
    found = _HOST.match(host)
    if found is None or not target.startswith(b"/"):
        return None
    return b"https://%b%b%b" % (found[1], b"" if port == 443 else b":%d" % port, target)


def redirect(host: bytes, target: bytes, port: int, status: int) -> Answer:
    """A redirect that keeps the method with 308, or that old clients know with 301; 400 where there is no URL."""
    where = location(host, target, port)
    if where is None:
        return Answer(400, b"This port only redirects to HTTPS, and the request names no host.\n")
    return Answer(status, b"Use HTTPS.\n", headers=(("Location", where.decode("latin-1")),))


def is_excepted(path: bytes, prefixes: Iterable[bytes]) -> bool:
    """Whether a path is at or below one of the prefixes, as it is written; one with dot segments never is."""
    if b"/../" in path + b"/" or b"/./" in path + b"/" or b"%2e" in path.lower():
        return False
    return any(path == prefix.rstrip(b"/") or path.startswith(prefix.rstrip(b"/") + b"/") for prefix in prefixes)
