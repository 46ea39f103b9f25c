"""TLS on the server's side: a protocol above a TCP transport that is itself the transport of an ordinary protocol.

It knows records, handshakes, deadlines and how a connection ends. It does not know where certificates come from (it
asks for a context once per connection), what is spoken inside, or who may connect (it asks `admit`).

The same file runs compiled (Cython's pure-Python mode) and as plain Python. Why not the event loop's own TLS: measured,
a full handshake costs uvloop's about a fifth more, and each connection there keeps buffers of its own. Here:

- one outgoing memory BIO serves all connections. Everything OpenSSL has written into it is taken out before the call
  returns, so nothing is left in it for another connection; were it ever otherwise, the bytes would be records under
  another connection's keys, which nobody can read. An idle connection thus holds no buffer;
- what was received is decrypted into one shared buffer until it is used up, and delivered as one bytes object;
- what the inner protocol writes while data is being delivered to it leaves as one record;
- one timer per listener watches all handshakes: they have the same deadline, so the oldest is the first to expire.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from sys import intern
from typing import Any

import cython

RECORD = 16384  # the largest plaintext of a record (RFC 8446 section 5.1)
ROOM = 17 * RECORD  # what one read of the event loop (256 KiB) decrypts to, with a record left over from the last read
CHUNK = 4 * RECORD  # a large write is encrypted in such pieces: below malloc's threshold for mapped memory
MAX_HANDSHAKE = 128 * 1024  # bytes from a client before its handshake is done; OpenSSL takes 100 KB of certificates

HANDSHAKE = 0
OPEN = 1
CLOSING = 2  # close_notify is sent, or the connection given up; nothing more is delivered
HANDED_ON = 3  # it was no TLS: another protocol owns the transport

_out = ssl.MemoryBIO()
_plain = memoryview(bytearray(ROOM))

FAILURES = (
    "plain_http",  # the client spoke HTTP to the TLS port
    "not_tls",  # the first bytes are no TLS record
    "version",  # no common TLS version
    "cipher",  # no common cipher, curve or signature algorithm
    "no_certificate",  # this side has no certificate (for that name)
    "client_certificate_missing",
    "client_certificate_invalid",
    "client_refused_us",  # the client did not like our certificate: it said so by an alert
    "not_admitted",  # the handshake was fine, `admit` said no
    "timeout",
    "closed",  # the client went away during the handshake
    "protocol",  # anything else that OpenSSL rejects
)
_REASONS = {
    "HTTP_REQUEST": "plain_http",
    "WRONG_VERSION_NUMBER": "not_tls",
    "UNSUPPORTED_PROTOCOL": "version",
    "INAPPROPRIATE_FALLBACK": "version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "version",
    "NO_SHARED_CIPHER": "cipher",
    "NO_SUITABLE_KEY_SHARE": "cipher",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "cipher",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "cipher",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "cipher",
    "CALLBACK_FAILED": "no_certificate",
    "CLIENTHELLO_TLSEXT": "no_certificate",
    "NO_CERTIFICATE_SET": "no_certificate",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "client_certificate_missing",
    "CERTIFICATE_VERIFY_FAILED": "client_certificate_invalid",
    "TLSV1_ALERT_UNKNOWN_CA": "client_refused_us",
    "SSLV3_ALERT_BAD_CERTIFICATE": "client_refused_us",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "client_refused_us",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "client_refused_us",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "client_refused_us",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "client_refused_us",
    "TLSV1_ALERT_USER_CANCELLED": "closed",
    "UNEXPECTED_EOF_WHILE_READING": "closed",
}


class NotAdmittedError(Exception):
    """Raised by `admit`: the connection is closed before the inner protocol hears of it."""


class TlsInfo:
    """What a finished handshake established; `peer` is the client's IP address, `client` whatever `admit` returned."""

    __slots__ = ("alpn", "cipher", "client", "peer", "resumed", "version")

    def __init__(self, peer: str, version: str, cipher: str, alpn: str | None, resumed: bool) -> None:
        self.peer = peer
        self.version = version
        self.cipher = cipher
        self.alpn = alpn
        self.resumed = resumed
        self.client: object = None


def failure_reason(error: BaseException) -> str:
    """The one of FAILURES that an error of a handshake belongs to."""
    if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError):
        return "closed"
    return _REASONS.get(getattr(error, "reason", None) or "", "protocol")


class TlsServer:
    """What all TLS connections of a listener share.

    `context` gives the context of a new connection; a reload hands out a new one and leaves the old connections theirs.
    `admit(info, ssl_object)` runs after a handshake: what it returns becomes `info.client`, NotAdmittedError ends it.
    `protocols` maps a negotiated ALPN name to a function that makes its inner protocol, given the listener's `make`.
    `plain`, also given `make`, makes what takes over when a client speaks HTTP without TLS; else it is closed.
    `failed(reason, detail, peer)` hears of each handshake that did not end well, reason being one of FAILURES.
    """

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        *,
        admit: Callable[[TlsInfo, Any], object] | None = None,
        protocols: Mapping[str, Callable[[Callable[..., Any]], Any]] | None = None,
        plain: Callable[[Callable[..., Any]], Any] | None = None,
        failed: Callable[[str, str, str], None] | None = None,
        handshake_timeout: float = 10.0,
    ) -> None:
        self.context = context
        self.admit = admit
        self.protocols = dict(protocols or {})
        self.plain = plain
        self.failed = failed
        self.handshake_timeout = handshake_timeout
        self._waiting: dict[object, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def wrap(self, make: Callable[..., Any]) -> Any:
        """The protocol of a new TCP connection (a TlsProtocol), in whose TLS what `make()` makes is spoken."""
        return TlsProtocol(self, make)

    @property
    def handshaking(self) -> int:
        """How many connections have not finished their handshake."""
        return len(self._waiting)

    def begin(self, connection: "TlsProtocol") -> None:
        """Watch a new connection until `end`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._waiting[connection] = self._loop.time() + self.handshake_timeout
        if self._timer is None:
            self._timer = self._loop.call_later(self.handshake_timeout, self._expire)

    def end(self, connection: "TlsProtocol") -> None:
        """The connection's handshake is over, one way or the other."""
        self._waiting.pop(connection, None)

    def _expire(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        self._timer = None
        while self._waiting:
            connection: Any
            connection, deadline = next(iter(self._waiting.items()))
            if deadline > now:
                self._timer = self._loop.call_later(deadline - now, self._expire)
                return
            connection.give_up("timeout", f"no handshake within {self.handshake_timeout:g} s")


class TlsProtocol:
    """One connection: protocol of the TCP transport below it, transport of the inner protocol above it."""

    def __init__(self, server: TlsServer, make: Callable[..., Any]) -> None:
        self.server = server
        self.make = make
        self.tcp: Any = None
        self.ssl: Any = None
        self.incoming: Any = None
        self.inner: Any = None
        self.wrapped: Any = None
        self.info: TlsInfo | None = None
        self.corked: list[Any] = []
        self.state = HANDSHAKE
        self.received = 0
        self.reading = False
        self.paused = False
        self.read_ended = False
        self.write_ended = False
        self.half_open = False

    # -- the protocol of the TCP transport

    def connection_made(self, transport: Any) -> None:
        self.tcp = transport
        self.server.begin(self)

    def data_received(self, data: bytes) -> None:
        if self.state == OPEN:
            if not self.read_ended:
                self.incoming.write(data)
                self._deliver()
        elif self.state == HANDSHAKE:
            self._shake(data)

    def eof_received(self) -> bool:
        if self.state != OPEN:
            return False
        if not self.read_ended:
            self._peer_ended()
        return self.half_open and self.state == OPEN

    def connection_lost(self, error: Exception | None) -> None:
        inner = self.inner
        if self.state == HANDSHAKE and self.received == 0:
            self.server.end(self)  # a TCP health check, which is no failed handshake
        elif self.state == HANDSHAKE:
            self._failed("closed", str(error or "the client closed the connection during the handshake"))
        self.state = CLOSING
        self.inner = self.ssl = self.wrapped = self.incoming = None
        if inner is not None:
            inner.connection_lost(error)

    def pause_writing(self) -> None:
        if self.inner is not None:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        if self.inner is not None:
            self.inner.resume_writing()

    # -- the transport of the inner protocol

    def write(self, data: Any) -> None:
        if self.state != OPEN or self.write_ended:
            return
        if self.reading:
            self.corked.append(data)
        else:
            self._encrypt(data)

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Send close_notify and end the TCP stream's sending half; receiving goes on."""
        if self.state != OPEN or self.write_ended:
            return
        self._uncork()
        self._notify()
        self.tcp.write_eof()

    def close(self) -> None:
        """Send what was written and close_notify, then close, not waiting for the peer's (RFC 8446 section 6.1)."""
        if self.state != OPEN:
            return
        self._uncork()
        if not self.write_ended:
            self._notify()
        self.state = CLOSING
        self.tcp.close()

    def abort(self) -> None:
        if self.state != HANDED_ON:
            self.state = CLOSING
            self.tcp.abort()

    def is_closing(self) -> bool:
        return self.state != OPEN or self.tcp.is_closing()

    def is_reading(self) -> bool:
        return self.state == OPEN and not self.paused

    def pause_reading(self) -> None:
        self.paused = True
        self.tcp.pause_reading()

    def resume_reading(self) -> None:
        """What was received but not delivered when reading was paused comes first, in a later turn of the loop."""
        if self.paused:
            self.paused = False
            if self.incoming is not None and self.incoming.pending:
                asyncio.get_running_loop().call_soon(self._resume)
        self.tcp.resume_reading()

    def _resume(self) -> None:
        if self.state == OPEN and not self.reading and not self.read_ended:
            self._deliver()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.tcp.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        size: int = self.tcp.get_write_buffer_size()
        return size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        limits: tuple[int, int] = self.tcp.get_write_buffer_limits()
        return limits

    def set_protocol(self, protocol: Any) -> None:
        self.inner = protocol

    def get_protocol(self) -> Any:
        return self.inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`tls` is the TlsInfo, `ssl_object` the ssl module's object; everything else is the TCP transport's."""
        if name == "tls":
            return self.info
        if name == "ssl_object":
            return self.wrapped
        return self.tcp.get_extra_info(name, default)

    # -- the handshake

    def _shake(self, data: bytes) -> None:
        if self.ssl is None and not self._start(data):
            return
        self.received += len(data)
        self.incoming.write(data)
        try:
            self.ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            if self.received > MAX_HANDSHAKE:
                self.give_up("protocol", f"more than {MAX_HANDSHAKE} bytes of handshake")
            return
        except ssl.SSLError as error:
            self._send()  # the alert
            self.give_up(failure_reason(error), str(error))
            return
        self._established()

    def _start(self, data: bytes) -> cython.bint:
        """Begin TLS if that is what the first bytes are (a handshake record begins with 22)."""
        if data[0] != 22:
            self._not_tls(data)
            return False
        self.incoming = ssl.MemoryBIO()
        self.wrapped = self.server.context().wrap_bio(self.incoming, _out, server_side=True)
        # SSLObject only passes each call on to this; without it in between a request costs 0.3 us less.
        self.ssl = getattr(self.wrapped, "_sslobj", self.wrapped)
        return True

    def _not_tls(self, data: bytes) -> None:
        if not data[:1].isupper():  # the methods of HTTP are upper case
            self.give_up("not_tls", "the first bytes are no TLS handshake")
            return
        self._plain_http(data)

    def _plain_http(self, data: bytes) -> None:
        if self.server.plain is None:
            self.give_up("plain_http", "the client spoke HTTP without TLS")
            return
        self._failed("plain_http", "the client spoke HTTP without TLS")
        self.state = HANDED_ON
        protocol = self.server.plain(self.make)
        self.tcp.set_protocol(protocol)
        protocol.connection_made(self.tcp)
        protocol.data_received(data)

    def _established(self) -> None:
        server = self.server
        server.end(self)
        self._send()  # session tickets; kept for the first answer they would cost a client with Nagle's algorithm 40 ms
        info = TlsInfo(
            self._peer(),
            intern(self.ssl.version()),
            intern(self.ssl.cipher()[0]),
            self.ssl.selected_alpn_protocol(),
            self.ssl.session_reused,
        )
        if server.admit is not None:
            try:
                info.client = server.admit(info, self.wrapped)
            except NotAdmittedError as error:
                self.give_up("not_admitted", str(error))
                return
        self.info = info
        self.state = OPEN
        special = server.protocols.get(info.alpn or "")
        self.inner = special(self.make) if special else self.make()
        self.inner.connection_made(self)
        if self.state == OPEN and self.incoming.pending:
            self._deliver()

    def give_up(self, reason: str, detail: str) -> None:
        """End a connection whose handshake failed; what was written already (an alert) is still sent."""
        self._failed(reason, detail)
        self.state = CLOSING
        self.tcp.close()

    def _failed(self, reason: str, detail: str) -> None:
        self.server.end(self)
        if self.server.failed is not None:
            self.server.failed(reason, detail, self._peer())

    def _peer(self) -> str:
        name = self.tcp.get_extra_info("peername")
        return name[0] if isinstance(name, tuple) else "unix"

    # -- records

    def _deliver(self) -> None:
        """Decrypt all that has been received and hand it to the inner protocol."""
        self.reading = True
        try:
            self._decrypt()
        finally:
            self.reading = False
            if self.corked:
                self._uncork()

    def _decrypt(self) -> None:
        got: cython.Py_ssize_t = 0
        size: cython.Py_ssize_t = 1
        while self.state == OPEN and size and not self.paused:
            try:
                size = self.ssl.read(ROOM - got, _plain[got:] if got else _plain)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:  # a record that fails its check: nothing that follows can be trusted
                self._broken()
                return
            got += size
            if not self.incoming.pending:
                break
            if got > ROOM - RECORD:
                self._hand_over(got)
                got = 0
        self._hand_over(got)
        if size == 0 and self.state == OPEN:
            self._peer_ended()

    def _broken(self) -> None:
        self._send()  # the alert
        self.state = CLOSING
        self.tcp.close()

    def _hand_over(self, size: cython.Py_ssize_t) -> None:
        if _out.pending:  # an alert, or the answer to a key update: never left behind for another connection
            self._send()
        if size and self.state == OPEN:
            self.inner.data_received(_plain[:size].tobytes())

    def _peer_ended(self) -> None:
        self.read_ended = True
        self.half_open = bool(self.inner.eof_received()) and not self.write_ended
        if not self.half_open:
            self.close()

    def _uncork(self) -> None:
        parts = self.corked
        if parts:
            self.corked = []
            if self.state == OPEN and not self.write_ended:
                self._encrypt(parts[0] if len(parts) == 1 else b"".join(parts))

    def _encrypt(self, data: Any) -> None:
        size: cython.Py_ssize_t = len(data)
        start: cython.Py_ssize_t = 0
        try:
            if 0 < size <= CHUNK:
                self.ssl.write(data)
                self._send()
                return
            view = memoryview(data).cast("B")
            while start < size:
                self.ssl.write(view[start : start + CHUNK])
                self._send()
                start += CHUNK
        except ssl.SSLError:
            _out.read()
            self.abort()

    def _notify(self) -> None:
        self.write_ended = True
        with suppress(ssl.SSLError):  # it always wants the peer's close_notify, which is not waited for
            self.ssl.shutdown()
        self._send()

    def _send(self) -> None:
        data: bytes = _out.read()
        if data:
            self.tcp.write(data)
