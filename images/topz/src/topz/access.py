"""Who may look: whoever presents the token, as `Authorization: Bearer`, as the password of Basic, or in the page's
cookie.

Command lines are sensitive even with their secrets hidden. The cookie holds a digest, not the token. Pure but for the
secret, which is read again when its file changes, so that a new token also ends old sessions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from podparts.settings import Secret
from podparts.web import Request

COOKIE = "topz_session"


def allowed(request: Request, token: Secret) -> bool:
    """Whether the request may be answered; always, when no token is set."""
    if not token:
        return True
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.matches(presented.strip())
    if scheme.lower() == "basic":
        return token.matches(_password(presented.strip()))
    return hmac.compare_digest(_cookie(request).encode("utf-8", "replace"), session(token).encode())


def session(token: Secret) -> str:
    """What the cookie holds for this token."""
    return hmac.new(token.text().encode(), b"topz session", hashlib.sha256).hexdigest()


def _password(presented: str) -> str:
    try:
        return base64.b64decode(presented, validate=True).decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _cookie(request: Request) -> str:
    for part in request.headers.get("cookie", "").replace(",", ";").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
