"""One HTTP/2 stream: an exchange whose request came in frames and whose answer goes out in frames.

What it sends waits until the client's window and the connection have room; beyond HIGH_WATER the upstream is read no
more. A body is acknowledged only as far as the upstream takes it. Which frames there are is the connection's business.
"""

import time
from collections import deque
from typing import Any, Protocol

from https_sidecar.h2_head import BadRequestError, Headers, head_of, trailer_of
from podparts.proxy.exchange import Exchange
from podparts.proxy.response import PHRASES, http_date
from podparts.proxy.sides import now

HIGH_WATER = 65536  # bytes of an answer that wait for the client's window before the upstream is read no more
INTERNAL_ERROR = 2  # RFC 9113 section 7

# Compiled modules keep their constants to themselves: Exchange.phase, and what Head.request returns for a whole head.
IDLE = 0
ANSWERING = 1
COMPLETE = 1


class Connection(Protocol):
    """What a stream asks of its connection (`https_sidecar.h2.H2Connection`)."""

    terms: Any
    scheme: bytes
    peer: str
    identity: bytes
    info: Any
    trusts_peer: bool

    def headers(self, number: int, fields: Headers, end: bool) -> None: ...
    def pump(self, stream: Any) -> None: ...
    def acknowledge(self, amount: int, number: int) -> None: ...
    def reset(self, number: int, code: int) -> None: ...


class Stream(Exchange):
    """One stream: a request and its answer."""

    # What the compiled class below declares in its .pxd, said again for the type checker.
    terms: Any
    info: Any
    forward: Any
    up: Any

    def __init__(self, connection: "Connection", number: int) -> None:
        super().__init__(connection.terms, connection.scheme)
        self.connection = connection
        self.number = number
        self.peer = connection.peer
        self.identity = connection.identity
        self.info = connection.info
        self.trusts_peer = connection.trusts_peer
        self.chunked = False
        self.paused = False
        self.unacknowledged = 0
        self.waiting: deque[bytes] = deque()
        self.queued = 0
        self.complete = False
        self.trailers: Headers = []
        self.held_upstream = False

    # ---- the request

    def request(self, headers: Headers, ended: bool) -> None:
        """The stream's head arrived."""
        try:
            head, self.chunked = head_of(headers, ended)
        except BadRequestError as error:
            self._refuse(400, str(error))
            return
        result = self.head.request(head, 0, self.terms.request_fields)
        if result != COMPLETE:
            self._refuse(result or 431, self.head.reason)
            return
        if self.start(head, self.head.end) >= 0:
            self.takes_chunks = False

    def _refuse(self, status: int, reason: str) -> None:
        self.terms.report(status, self, reason)
        self.terms.own.count(status, 0.0)
        self.send_refusal(status)

    def data(self, data: bytes, flow: int) -> None:
        """A piece of the body; `flow` is what it took of the window."""
        self.unacknowledged += flow
        if self.phase == ANSWERING and data and not self.body.ended:
            self.more(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data, 0)
        self._acknowledge()

    def end(self, trailers: Headers) -> None:
        """The client's side of the stream is complete."""
        if self.phase != ANSWERING or self.body.ended:
            return
        if not self.chunked:
            self.fail(400, "the body is shorter than its Content-Length")
            return
        try:
            self.more(trailer_of(trailers), 0)
        except BadRequestError as error:
            self.fail(400, str(error))

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Open the window by what was taken from us, or thrown away because nobody wants it."""
        if self.unacknowledged and (not self.paused or self.phase != ANSWERING):
            amount, self.unacknowledged = self.unacknowledged, 0
            self.connection.acknowledge(amount, self.number)

    # ---- the answer

    def interim(self, up: Any) -> None:
        self.moved = now()
        self._headers(up.head.status, [(name.lower(), value) for name, value in up.head.kept()], False)

    def respond(self, up: Any, start: int, end: int) -> None:
        self.responded = True
        self.status = up.head.status
        self.moved = now()
        self._headers(up.head.status, self._response_fields(up), False)
        self._queue(self._payload(up, up.head.data, start, end))

    def _response_fields(self, up: Any) -> Headers:
        kept = [(name.lower(), value) for name, value in up.head.kept()]
        added = [line.partition(b":") for line in self.forward.response_add.split(b"\r\n") if line]
        fields = [pair for pair in kept if pair[0] != b"transfer-encoding"]
        return fields + [(name.lower(), value.strip()) for name, _, value in added]

    def piece(self, up: Any, data: bytes, end: int) -> None:
        self.moved = now()
        self._queue(self._payload(up, data, 0, end))

    def _payload(self, up: Any, data: bytes, start: int, end: int) -> bytes:
        if up.body.ended and up.body.trailers:
            lines = [line.partition(b":") for line in up.body.trailers.split(b"\r\n") if line]
            self.trailers = [(name.lower(), value.strip()) for name, _, value in lines]
        return up.body.payload(data) if up.body.decode else data[start:end]

    def _queue(self, data: bytes) -> None:
        """Send as much as the client's window takes; the rest waits, and the upstream with it."""
        if data:
            self.forward.stats.sent += len(data)
            self.waiting.append(data)
            self.queued += len(data)
        self.pump()
        if self.queued > HIGH_WATER and not self.held_upstream and self.up is not None:
            self.held_upstream = True
            self.up.pause_reading()

    def finish(self) -> None:
        self.ended(self.status)
        self.phase = IDLE
        self.complete = True
        self.pump()

    def pump(self) -> None:
        """Move queued data into frames as far as windows and the transport allow."""
        self.connection.pump(self)
        if self.held_upstream and self.queued <= HIGH_WATER // 2:
            self.held_upstream = False
            if self.up is not None:
                self.up.resume_reading()

    def send_answer(self, answer: Any) -> None:
        self.status = answer.status
        fields = [(b"date", http_date(time.time()).encode())]
        empty = answer.status in (204, 304)
        if not empty:
            fields.append((b"content-type", answer.content_type.encode("latin-1")))
            fields.append((b"content-length", b"%d" % len(answer.body)))
        fields += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        self._headers(answer.status, fields, False)
        if answer.body and not self.head_only and not empty:
            self.waiting.append(answer.body)
            self.queued += len(answer.body)
        self.finish()

    def send_refusal(self, status: int) -> None:
        text = f"{status} {PHRASES[status]}\n".encode()
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
        self._headers(status, fields, False)
        self.waiting.append(text)
        self.queued += len(text)
        self.phase = IDLE
        self.complete = True
        self.pump()

    def send_continue(self) -> None:
        self._headers(100, [], False)

    def cut_off(self) -> None:
        self.phase = IDLE
        self.connection.reset(self.number, INTERNAL_ERROR)

    def _headers(self, status: int, fields: Headers, end: bool) -> None:
        self.connection.headers(self.number, [(b":status", b"%d" % status), *fields], end)

    # ---- time

    def tick(self, moment: float) -> None:
        """As a ClientConnection's: end what takes too long."""
        if self.phase != ANSWERING:
            return
        terms, quiet = self.terms, moment - self.moved
        if moment - self.began > terms.request_timeout > 0:
            self.fail(504, "the whole exchange took too long")
        elif self.queued or (not self.body.ended and not self.paused):
            if quiet > terms.stall_timeout > 0:
                self.fail(408, "the client neither sends nor takes more of a body")
        elif quiet > terms.response_timeout > 0:
            self.fail(504, "the upstream sent nothing in time")
