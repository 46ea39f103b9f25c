"""The ssl module's contexts: how TLS is to be spoken, as options, apart from which certificate is shown.

Each connection begins on a `front`, which holds no certificate but the keys of the session tickets, and is moved to
the context of a certificate as soon as the client has said which name it wants. So tickets outlive certificates, and
clients resume across a reload. A change of who may connect makes a new front: a resumed session is not verified again.
"""

import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY = {"none": ssl.CERT_NONE, "request": ssl.CERT_OPTIONAL, "require": ssl.CERT_REQUIRED}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How TLS is spoken.

    With `observe`, old versions and clients without a certificate are accepted; `lenient(front)` makes a front accept
    certificates that do not verify (`libssl.LenientVerifier.apply`). Whoever sets them takes note of what passes.
    """

    min_version: Literal["1.2", "1.3"] = "1.2"
    ciphers: str | None = None
    alpn: tuple[str, ...] = ()
    client: Literal["none", "request", "require"] = "none"
    observe: bool = False
    lenient: Callable[[ssl.SSLContext], None] | None = None


def new_context(options: Options, authorities: bytes | None) -> ssl.SSLContext:
    """A context without a certificate. `authorities` is the PEM bundle that signs clients. Raises ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS["1.2" if options.observe else options.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 1  # as Go: each costs 5 us and 250 bytes of every full handshake
    if options.ciphers:
        context.set_ciphers(options.ciphers)
    if options.alpn:
        context.set_alpn_protocols(list(options.alpn))
    if options.client != "none":
        # As in Go and ghostunnel, each certificate of the bundle is trusted by itself, be it a root or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_OPTIONAL if options.observe else _VERIFY[options.client]
        if authorities is not None:
            context.load_verify_locations(cadata=authorities.decode("ascii", "ignore"))
    return context


def new_front(
    options: Options, authorities: bytes | None, choose: Callable[[str | None], ssl.SSLContext | None]
) -> ssl.SSLContext:
    """The context that connections begin on; `choose(name)` gives the one to go on with, None refuses the handshake."""
    front = new_context(options, authorities)
    if options.lenient is not None and options.client != "none":
        options.lenient(front)

    def chosen(connection: Any, name: str | None, _: ssl.SSLContext) -> int | None:
        context = choose(name)
        if context is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = context
        return None

    front.sni_callback = chosen
    return front


def ignore_undecodable_names() -> None:
    """Keep a client's host name that is not ASCII out of standard error.

    The ssl module decodes the name before it calls anybody, and reports what it cannot decode as an exception that
    nobody can catch, with a traceback, each time. The handshake fails, and is counted, all the same.
    """
    report = sys.unraisablehook

    def told(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, UnicodeDecodeError):
            report(unraisable)

    sys.unraisablehook = told
