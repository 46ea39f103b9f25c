"""One request and its answer, whoever speaks to the client: decide, forward, retry, fail, count. Compiled by Cython.

`Exchange` is the half of a Downstream that HTTP/1.1 connections and HTTP/2 streams share. It asks the component's
route for a decision, writes the head for the upstream (with the X-Forwarded fields), and judges failures: a request
is sent again only when the reused connection that it went out on died without a byte of a response and the method is
idempotent (RFC 9110 9.2.2, RFC 9112 9.3.1). How a request arrives and how a response is written is its subclasses'
business.
"""

from typing import Any

import cython

from podparts.wire.body import Body
from podparts.wire.http1 import Head

if cython.compiled:
    from cython.cimports.podparts.proxy.sides import Collect, Downstream, Forward, Terms, Upstream, now
    from cython.cimports.podparts.proxy.upstream import Pool
    from cython.cimports.podparts.wire.http1 import CHUNKED, NO_LENGTH
else:
    from podparts.proxy.sides import Collect, Downstream, Forward, Terms, Upstream, now
    from podparts.proxy.upstream import Pool
    from podparts.wire.http1 import CHUNKED, NO_LENGTH

# What an exchange is doing.
IDLE = 0  # between requests
ANSWERING = 1  # a request's head was read, its answer is not complete
TUNNEL = 2  # protocols were switched: bytes both ways
LINGER = 3  # the last answer is written; what still arrives is thrown away, so that the client can read it
GONE = 4

CLIENT_CLOSED = 499  # nginx's code for a client that did not wait for its answer; never sent

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))


class Exchange(Downstream):
    """The client's side of one exchange after another. `peer` is the client's IP address, `scheme` what it spoke,
    `identity` field lines about the connection (a client certificate), `info` whatever the listener knows of it."""

    def __init__(self, terms: Terms, scheme: bytes) -> None:
        self.terms = terms
        self.scheme = scheme
        self.head = Head(terms.head_limit, terms.target_limit)
        self.body = Body()
        self.phase = IDLE
        self.peer = "unknown"
        self.identity = b""
        self.info: Any = None
        self.trusts_peer = False
        # Any: None between requests, where the .pxd has the type.
        self.forward: Any = None
        self.collect: Any = None
        self.collected: Any = None
        self.up: Any = None
        self.wire: Any = None
        self.known_host: bytes | None = None
        self.forwarding = b""
        self.began = self.moved = now()
        self.status = 0
        self.head_only = self.wants_upgrade = self.replayable = self.retried = False
        self.takes_chunks = True
        self.responded = False

    # ---- for subclasses to implement

    def send_answer(self, answer: Any) -> None:
        """Write an Answer that was decided here, then `finish`."""
        raise NotImplementedError

    def send_refusal(self, status: cython.int) -> None:
        """Write a short answer for a request that cannot be served, and read no more of it."""
        raise NotImplementedError

    def send_continue(self) -> None:
        """Tell a client that waits for it that its body is wanted (RFC 9110 10.1.1)."""
        raise NotImplementedError

    def cut_off(self) -> None:
        """End a response that cannot be completed so that the client cannot take it for complete."""
        raise NotImplementedError

    # ---- the beginning

    def start(self, data: bytes, at: cython.Py_ssize_t) -> int:
        """self.head is a complete request head and data[at:] what follows it. Returns where its body stops in data, or
        -1 when the request was refused."""
        head: Head = self.head
        self.phase = ANSWERING
        self.began = self.moved = now()
        self.terms.in_flight += 1
        self.status = 0
        self.responded = self.retried = False
        self.takes_chunks = head.minor == 1
        # HTTP/2 without TLS would leave requests unread within a tunnel; no name of the list may lead there.
        self.wants_upgrade = head.upgrade and b"h2c" not in head.upgrade_value.lower()
        self.head_only = head.method_end - head.start == 4 and head.method == b"HEAD"
        length: cython.longlong = head.length if head.length != NO_LENGTH else 0
        self.forward = None
        self.collect = None
        decision: object = self._decide()
        if decision is None:
            self.fail(500, "no decision")  # unless it has failed already
            return -1
        if isinstance(decision, Collect):
            self.collect = decision
            self.collected = []
        limit: cython.longlong = self.collect.limit if self.collect is not None else self.terms.body_limit
        if limit and length > limit:
            self.fail(413, "the body is larger than the limit")
            return -1
        self.body.begin(length, length == CHUNKED and self.collect is not None)
        end: cython.Py_ssize_t = at
        if not self.body.ended and at < len(data):
            end = self.body.feed(data, at, self.terms.request_fields)
            if end < 0 or (limit and self.body.size > limit):
                self._fail_body(end)
                return -1
        if isinstance(decision, Forward):
            self._send_on(decision, data, at, end)
        elif self.collect is not None:
            self._gather(data, at, end)
        else:
            self._answer(decision)
        return end if self.phase < LINGER else -1

    def _decide(self) -> object:
        """The component's decision; a route that raises is a fault of ours and costs this request alone."""
        try:
            return self.terms.route(self)
        except Exception as fault:
            self.fail(500, f"the decision failed: {fault!r}")
            return None

    def _answer(self, answer: object) -> None:
        try:
            self.send_answer(answer)
        except Exception as fault:
            self.fail(500, f"the answer failed: {fault!r}")

    def more(self, data: bytes, at: cython.Py_ssize_t) -> int:
        """data[at:] continues the request's body. Returns where the body stops in data, or -1 when it was refused."""
        end: cython.Py_ssize_t = self.body.feed(data, at, self.terms.request_fields)
        limit: cython.longlong = self.collect.limit if self.collect is not None else self.terms.body_limit
        if end < 0 or (limit and self.body.size > limit):
            self._fail_body(end)
            return -1
        self.moved = now()
        if self.collect is not None:
            self._gather(data, at, end)
        elif self.up is not None:
            self.replayable = False
            self.up.write(self.body.passed(data, at, end))
        elif self.wire is not None:
            self.wire = self.wire + self.body.passed(data, at, end)
        return end if self.phase < LINGER else -1

    def _fail_body(self, end: cython.Py_ssize_t) -> None:
        if end < 0:
            self.fail(400, self.body.reason)
        else:
            self.fail(413, "the body is larger than the limit")

    def _gather(self, data: bytes, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> None:
        """Keep a piece of a body that is answered here; answer when it is complete."""
        if self.body.kind == CHUNKED:
            self.collected.append(self.body.payload(data))
        elif end > at:
            self.collected.append(data[at:end])
        if not self.body.ended:
            if self.head.expects and self.body.size == 0:
                self.send_continue()
            return
        body = b"".join(self.collected)
        self.collected = None
        try:
            self.send_answer(self.collect.answer(self, body))
        except Exception as fault:
            self.fail(500, f"the answer failed: {fault!r}")

    # ---- towards the upstream

    def _send_on(self, forward: Forward, data: bytes, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> None:
        head: Head = self.head
        line: bytes | None = None
        if head.minor == 0 or head.absolute or forward.target is not None:
            line = head.method + b" " + (forward.target or head.origin) + b" HTTP/1.1\r\n"
        self.forward = forward
        extra: bytes = self._extra(forward)
        if self.body.kind == CHUNKED and end > at:
            self.wire = head.forwarded(line, extra, 0, 0) + self.body.passed(data, at, end)
        else:
            self.wire = head.forwarded(line, extra, at, end)
        self.replayable = self.body.ended
        self._connect(False)

    def _connect(self, fresh: cython.bint) -> None:
        pool: Pool = self.forward.pool
        up: Upstream | None = pool.acquire(self, fresh)
        if up is not None:
            self.connected(up)
        elif self.phase == ANSWERING and self.up is None and not self.body.ended:
            self.pause_reading()  # the body waits in the client's own buffers, not here

    def connected(self, up: Upstream) -> None:
        self.up = up
        self.moved = now()
        wire: bytes = self.wire
        if not self.body.ended:
            self.wire = None
            self.resume_reading()  # before the first write: that may find the upstream full and pause again
        up.begin(self, wire)

    def unavailable(self, status: cython.int, reason: str) -> None:
        self.fail(status, reason)

    def broken(self, status: cython.int, reason: str) -> None:
        up: Upstream = self.up
        self.up = None
        if self._may_retry(up):
            self.retried = True
            self.forward.stats.retried += 1
            self._connect(True)
            return
        self.fail(status, reason)

    def _may_retry(self, up: Upstream) -> cython.bint:
        return (
            self.replayable
            and not self.retried
            and up is not None
            and up.reused
            and not up.answered
            and self.wire is not None
            and self.head.method in IDEMPOTENT
        )

    def _extra(self, forward: Forward) -> bytes:
        """The field lines that are added to the request."""
        head: Head = self.head
        extra: bytes
        if self.trusts_peer and head.forwarded_fields:
            extra = self._forwarding_of_trusted()
        else:
            host: bytes = head.host
            if host != self.known_host:
                self.known_host = host
                self.forwarding = self._forwarding(self.peer, self.scheme, host, b"") + self.identity
            extra = self.forwarding
        if head.absolute:
            extra = b"Host: " + head.host + b"\r\n" + extra
        elif head.host_start < 0:  # HTTP/1.0 knows requests without one, HTTP/1.1 does not
            pool: Pool = forward.pool
            extra = b"Host: " + pool.host + b"\r\n" + extra
        if self.wants_upgrade:
            extra = extra + b"Connection: Upgrade\r\nUpgrade: " + head.upgrade_value + b"\r\n"
        return extra + forward.add if forward.add else extra

    def _forwarding(self, chain: str, scheme: bytes, host: bytes, before: bytes) -> bytes:
        """X-Forwarded-* and Forwarded (RFC 7239) lines; `before` is a trusted proxy's Forwarded value."""
        lines = b""
        if self.terms.x_forwarded:
            lines = b"X-Forwarded-For: " + chain.encode("latin-1") + b"\r\nX-Forwarded-Proto: " + scheme + b"\r\n"
            if host:
                lines += b"X-Forwarded-Host: " + host + b"\r\n"
        if self.terms.forwarded:
            node = f'"[{self.peer}]"' if ":" in self.peer else self.peer if "." in self.peer else "unknown"
            element = b"for=" + node.encode() + b";proto=" + scheme + (b';host="' + host + b'"' if host else b"")
            lines += b"Forwarded: " + (before + b", " + element if before else element) + b"\r\n"
        return lines

    def _forwarding_of_trusted(self) -> bytes:
        """The same behind a trusted proxy: its chain is continued, its scheme and host are kept."""
        head: Head = self.head
        chain = head.header(b"x-forwarded-for")
        lines = self._forwarding(
            chain.decode("latin-1") + ", " + self.peer if chain else self.peer,
            head.header(b"x-forwarded-proto") or self.scheme,
            head.header(b"x-forwarded-host") or head.host,
            head.header(b"forwarded") or b"",
        )
        port = head.header(b"x-forwarded-port")
        if port and self.terms.x_forwarded:
            lines += b"X-Forwarded-Port: " + port + b"\r\n"
        return lines + self.identity

    # ---- the end

    def fail(self, status: cython.int, reason: str) -> None:
        """The exchange cannot be completed: say so if nothing was said yet, else cut it off."""
        if self.phase != ANSWERING:
            return
        self.terms.report(status, self, reason)
        self._let_go()
        self.ended(status)
        if self.responded:
            self.cut_off()
        else:
            self.send_refusal(status)

    def client_gone(self) -> None:
        """The client closed: nobody waits for the answer."""
        if self.phase == ANSWERING or self.phase == TUNNEL:
            self._let_go()
            if self.phase == ANSWERING:
                self.ended(self.status if self.responded else CLIENT_CLOSED)
            else:
                self.terms.in_flight -= 1
        self.phase = GONE

    def _let_go(self) -> None:
        """Give up the upstream's connection, which cannot serve another exchange now, or the place in line for one."""
        up: Upstream | None = self.up
        self.up = None
        self.wire = None
        if up is not None:
            up.abandon()
        elif self.forward is not None:
            pool: Pool = self.forward.pool
            pool.forget(self)

    def ended(self, status: cython.int) -> None:
        """Let go of the upstream and count the exchange. The one place, whatever became of it."""
        self.up = None
        self.wire = None
        self.moved = now()
        self.terms.in_flight -= 1
        stats = self.forward.stats if self.forward is not None else self.terms.own
        stats.count(status, self.moved - self.began)
