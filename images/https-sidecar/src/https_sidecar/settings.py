"""What https-sidecar can be told. The book's names CERTIFICATE_PATH and PROXY_PORT; ghostunnel's words as aliases."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from https_sidecar.allow import Rules
from https_sidecar.names import is_name
from podparts.proxy.settings import ProxySettings
from podparts.settings import Problem, Secret, setting
from podparts.values import Address, Duration, packed_ip


class Hsts(str):
    """The value of Strict-Transport-Security: a duration (`365d`) or the field's own words; empty for none."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not text or text == "0":
            return cls()
        if text.startswith("max-age="):
            if text.isascii() and text.isprintable():
                return cls(text)
        elif (seconds := float(Duration.parse(text))).is_integer():
            return cls(f"max-age={int(seconds)}")
        raise ValueError("expected a duration such as 365d, or max-age=31536000; includeSubDomains")


@dataclass(frozen=True, kw_only=True)
class Settings(ProxySettings):
    admin_listen: Address = setting("0.0.0.0:9101", help="Where health, metrics and the other admin endpoints listen.")
    listen: Address = setting("0.0.0.0:8443", help="Where TLS is spoken.")
    upstream: Address | None = setting(
        None, aliases=("TARGET",), example="unix:/run/app.sock", help="The application; 127.0.0.1:8080 unless set."
    )
    proxy_port: int | None = setting(
        None, example="8080", help="The application's port on 127.0.0.1, instead of UPSTREAM."
    )
    unsafe_upstream: bool = setting(
        "false", aliases=("UNSAFE_TARGET",), help="Allow an UPSTREAM beyond this pod, which is spoken to without TLS."
    )
    mode: Literal["http", "tcp"] = setting(
        "http", help="Speak HTTP (h2, headers, redirects), or pass bytes of any protocol."
    )

    certificate_path: str | None = setting(
        None,
        aliases=("CERT",),
        example="/certs/tls.crt",
        help="PEM file with certificate and chain, or a directory with tls.crt and tls.key, fullchain.pem and "
        "privkey.pem, or cert.pem and key.pem.",
    )
    key_path: str | None = setting(
        None, aliases=("KEY",), example="/certs/tls.key", help="PEM file with its key; unless set, the file beside it."
    )
    key_password: Secret = setting(None, secret=True, help="Opens an encrypted key.")
    certificates_dir: str | None = setting(
        None, example="/certs", help="Directory of more certificates, served by the name that a client asks for (SNI)."
    )
    self_signed: tuple[str, ...] = setting(
        "", example="localhost", help="Names for a certificate made at start, for demonstrations: no client trusts it."
    )
    reload_interval: Duration = setting(
        "1s", aliases=("TIMED_RELOAD",), help="How often certificate files are looked at for changes."
    )

    tls_min_version: Literal["1.2", "1.3"] = setting("1.2", help="The oldest TLS version that is spoken.")
    tls_ciphers: str | None = setting(
        None,
        example="ECDHE+AESGCM:ECDHE+CHACHA20",
        help="Ciphers of TLS 1.2 in OpenSSL's words; those of 1.3 are all good.",
    )
    alpn: tuple[str, ...] | None = setting(
        None,
        example="h2,http/1.1",
        help="Protocols to agree on; h2,http/1.1 in http mode and none in tcp mode unless set.",
    )
    handshake_timeout: Duration = setting("10s", help="How long a TLS handshake may take.")

    client_auth: Literal["none", "request", "require"] | None = setting(
        None, help="Ask clients for a certificate; require when CLIENT_CA_PATH is set, else none."
    )
    client_ca_path: str | None = setting(
        None,
        aliases=("CACERT",),
        example="/certs/ca.crt",
        help="PEM file (or a directory with ca.crt) that signs clients.",
    )
    client_allow: Rules | None = setting(
        None,
        example="cn=web,dns=*.internal,uri=spiffe://example.org/**",
        help="Which client certificates may connect: cn=, ou=, dns=, uri= rules of which one must match, all or none. "
        "All unless set.",
    )
    client_headers: tuple[Literal["fields", "xfcc", "rfc9440"], ...] = setting(
        "fields,xfcc",
        help="How the application learns of a client certificate: X-Client-Cert-* fields, X-Forwarded-Client-Cert, "
        "Client-Cert.",
    )

    redirect_listen: Address | None = setting(
        None, example="0.0.0.0:8080", help="Where plain HTTP is answered with a redirect to HTTPS."
    )
    redirect_port: int = setting("443", help="The port in the URL that a redirect leads to, as clients see it.")
    redirect_status: Literal["301", "308"] = setting(
        "308", help="308 keeps the method; 301 for clients from before 2015."
    )
    redirect_except: tuple[str, ...] = setting(
        "", example="/.well-known/acme-challenge/", help="Paths that are forwarded to the application without TLS."
    )
    hsts: Hsts = setting(
        "", example="365d", help="Strict-Transport-Security on answers over TLS: how long browsers insist on HTTPS."
    )
    observe: bool = setting(
        "false",
        help="Refuse nobody, but count and list who would be: /observe. For the weeks before mutual TLS or HTTPS-only.",
    )
    proxy_protocol: bool = setting(
        "false", help="Clients of LISTEN come through a load balancer that sends PROXY headers; see TRUSTED_PROXIES."
    )
    proxy_protocol_out: Literal["none", "v1", "v2"] = setting(
        "none", help="In tcp mode: tell the application the client's address by a PROXY header of this version."
    )
    h2_streams: int = setting("128", help="Most requests at a time on one HTTP/2 connection.")

    @property
    def application(self) -> Address:
        """Where the application listens."""
        if self.proxy_port is not None:
            return Address("127.0.0.1", self.proxy_port)
        return self.upstream or Address("127.0.0.1", 8080)

    @property
    def wants_client(self) -> Literal["none", "request", "require"]:
        """CLIENT_AUTH, or what follows from CLIENT_CA_PATH."""
        return self.client_auth or ("require" if self.client_ca_path else "none")

    @property
    def protocols(self) -> tuple[str, ...]:
        """ALPN, or what follows from MODE."""
        return self.alpn if self.alpn is not None else ("h2", "http/1.1") if self.mode == "http" else ()

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        yield from self._upstream_problems()
        yield from self._certificate_problems()
        yield from self._client_problems()
        yield from self._protocol_problems()

    def _upstream_problems(self) -> Iterable[Problem]:
        if self.proxy_port is not None and self.upstream is not None:
            yield Problem(
                "PROXY_PORT", str(self.proxy_port), f"expected only one of PROXY_PORT and UPSTREAM={self.upstream}"
            )
        if self.proxy_port is not None and not 1 <= self.proxy_port <= 65535:
            yield Problem("PROXY_PORT", str(self.proxy_port), "expected a port from 1 to 65535")
        elif not self.unsafe_upstream and not is_local(self.application):
            yield Problem(
                "UPSTREAM",
                str(self.application),
                "expected a loopback address or a Unix socket, because it is spoken to without TLS; "
                "UNSAFE_UPSTREAM=true if the network between is trusted",
            )

    def _certificate_problems(self) -> Iterable[Problem]:
        if not (self.certificate_path or self.certificates_dir or self.self_signed):
            yield Problem(
                "CERTIFICATE_PATH",
                "",
                "expected a certificate: CERTIFICATE_PATH, CERTIFICATES_DIR, or SELF_SIGNED for a demo",
            )
        if self.self_signed and (self.certificate_path or self.certificates_dir):
            yield Problem(
                "SELF_SIGNED",
                ",".join(self.self_signed),
                "expected to be alone, or to be unset: there is a certificate",
            )
        if self.key_path and not self.certificate_path:
            yield Problem("KEY_PATH", self.key_path, "expected CERTIFICATE_PATH beside it")
        if not self.reload_interval:
            yield Problem("RELOAD_INTERVAL", str(self.reload_interval), "expected more than 0")
        if not self.handshake_timeout:
            yield Problem("HANDSHAKE_TIMEOUT", str(self.handshake_timeout), "expected more than 0")

        for name in self.self_signed:
            if not is_name(name):
                yield Problem("SELF_SIGNED", name, "expected host names or IP addresses")

    def _client_problems(self) -> Iterable[Problem]:
        if self.wants_client != "none" and not self.client_ca_path:
            yield Problem(
                "CLIENT_AUTH", self.wants_client, "expected CLIENT_CA_PATH, which says who signs client certificates"
            )
        if self.client_allow is not None and self.wants_client == "none":
            yield Problem(
                "CLIENT_ALLOW", str(self.client_allow), "expected CLIENT_CA_PATH: nobody is asked for a certificate"
            )

    def _protocol_problems(self) -> Iterable[Problem]:
        if self.mode == "http" and (other := set(self.protocols) - {"h2", "http/1.1"}):
            yield Problem(
                "ALPN", ",".join(self.protocols), f"expected h2 and http/1.1 only in http mode, not {min(other)}"
            )
        if any(not 0 < len(name.encode()) < 256 or not name.isascii() for name in self.protocols):
            yield Problem("ALPN", ",".join(self.protocols), "expected ASCII names of 1 to 255 characters")
        for name, what in (("redirect_listen", self.redirect_listen), ("hsts", self.hsts)):
            if what and self.mode == "tcp":
                yield Problem(name.upper(), str(what), "expected MODE=http: a redirect and HSTS are HTTP")
        if self.mode == "http" and self.proxy_protocol_out != "none":
            yield Problem(
                "PROXY_PROTOCOL_OUT", self.proxy_protocol_out, "expected MODE=tcp: in HTTP there is FORWARDED"
            )
        if not 1 <= self.redirect_port <= 65535:
            yield Problem("REDIRECT_PORT", str(self.redirect_port), "expected a port from 1 to 65535")
        for path in self.redirect_except:
            if not path.startswith("/"):
                yield Problem("REDIRECT_EXCEPT", path, "expected paths that begin with /")
        if not 1 <= self.h2_streams <= 1000:
            yield Problem("H2_STREAMS", str(self.h2_streams), "expected a number from 1 to 1000")
        if self.tls_ciphers is not None and (refused := cipher_problem(self.tls_ciphers)):
            yield Problem("TLS_CIPHERS", self.tls_ciphers, refused)


def is_local(address: Address) -> bool:
    """Whether what is sent there stays on this machine: a Unix socket, localhost, or a loopback address."""
    if address.path or address.host in ("", "localhost"):
        return True
    packed = packed_ip(address.host)
    return packed is not None and (packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\1")


def cipher_problem(ciphers: str) -> str | None:
    """Why OpenSSL cannot use the list, None if it can."""
    import ssl  # 5 ms that only those pay who set this

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(ciphers)
    except ssl.SSLError:
        return "expected a cipher list in OpenSSL's words, such as ECDHE+AESGCM"
    return None
