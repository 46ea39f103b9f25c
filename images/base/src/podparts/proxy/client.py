"""HTTP/1.1 as clients speak it to us: requests in order, answers written as they stream. Compiled by Cython.

A `ClientConnection` is the asyncio Protocol of one client connection. It reads one request at a time; what a client
sends ahead waits, bounded, in `held`. Timeouts cost nothing per request: `tick` is called a few times a second for
every connection and compares two numbers. It stops reading from a client when the upstream takes no more, and starts
no new answer while the client has not taken the last one.
"""

import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import cython

from podparts.proxy.response import REFUSALS, answer_bytes

if cython.compiled:
    from cython.cimports.podparts.proxy.exchange import ANSWERING, GONE, IDLE, LINGER, TUNNEL, Exchange
    from cython.cimports.podparts.proxy.sides import Terms, Upstream, now
    from cython.cimports.podparts.wire.http1 import CHUNKED, COMPLETE, INCOMPLETE, NO_LENGTH, Head
else:
    from podparts.proxy.exchange import ANSWERING, GONE, IDLE, LINGER, TUNNEL, Exchange
    from podparts.proxy.sides import Terms, Upstream, now
    from podparts.wire.http1 import CHUNKED, COMPLETE, INCOMPLETE, NO_LENGTH, Head

MOST_HELD = 65536  # bytes a client may send ahead before it is no longer read
MOST_LINGERED = 16777216  # bytes that are thrown away after a last answer
# A head and the first piece of a body are joined into one write up to this size; beyond it the copy costs more than the
# second element of a writev (measured: tests/bench, 10 KB against 64 KB answers).
JOINED = 16384

RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 seconds: close() sends RST

# Why the client is not read; a bit each.
UPSTREAM_FULL = 1
SENT_AHEAD = 2

CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"
SWITCH = b"Connection: Upgrade\r\n"


class ClientConnection(Exchange):
    """One client connection. `opened(connection)` is told of the transport before the first byte: it sets `peer`,
    `trusts_peer`, `identity` and `info`."""

    def __init__(self, terms: Terms, scheme: bytes, opened: Any) -> None:
        Exchange.__init__(self, terms, scheme)
        self.opened = opened
        self.transport: Any = None
        self.held = b""
        self.pauses = 0
        self.blocked = self.consuming = self.closing = self.served = self.partial = False
        self.half_closed = self.endless = False
        self.lingered = self.unsent = 0

    # ---- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._write = transport.write
        self.opened(self)
        self.terms.exchanges.add(self)

    def data_received(self, data: bytes) -> None:
        if self.held:
            data = self.held + data
            self.held = b""
        self._consume(data)

    def eof_received(self) -> bool:
        if self.phase == TUNNEL:
            self.up.write_eof()
            return True
        if self.phase == ANSWERING and self.body.ended:
            self.half_closed = True
            self.closing = not self.held  # what was sent ahead is answered too
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.client_gone()
        self.held = b""
        self.transport = None
        self.terms.exchanges.discard(self)

    def pause_writing(self) -> None:
        self.blocked = True
        if self.up is not None:
            self.up.pause_reading()

    def resume_writing(self) -> None:
        self.blocked = False
        self.moved = now()
        if self.up is not None:
            self.up.resume_reading()
        elif self.phase == IDLE:
            self._next()

    # ---- reading

    def _consume(self, data: bytes) -> None:
        """Read what there is of requests; stop at an answer that is not complete."""
        at: cython.Py_ssize_t = 0
        n: cython.Py_ssize_t = len(data)
        self.consuming = True
        while 0 <= at < n:
            if self.phase == IDLE and not self.blocked:
                at = self._read_head(data, at)
            elif self.phase == ANSWERING and not self.body.ended:
                at = self.more(data, at)
            else:
                self._set_aside(data, at)
                at = -1
        self.consuming = False

    def _set_aside(self, data: bytes, at: cython.Py_ssize_t) -> None:
        """Bytes that are not for now: a tunnel's, thrown away after a last answer, or the next request's."""
        if self.phase == TUNNEL:
            self.moved = now()
            self.up.write(data if at == 0 else data[at:])
        elif self.phase == LINGER:
            self.lingered += len(data)
            if self.lingered > MOST_LINGERED:
                self.transport.abort()
        elif self.phase != GONE:
            self.held = data[at:]
            if len(self.held) > MOST_HELD:
                self._pause(SENT_AHEAD)

    def _next(self) -> None:
        """Between two requests: go on with what the client has sent ahead, or read on."""
        if self.pauses:
            self._resume(UPSTREAM_FULL | SENT_AHEAD)
        self._consume_held()
        if not self.half_closed or self.consuming or self.blocked:
            return
        if self.phase == IDLE:
            self._linger()
        elif self.phase == ANSWERING and not self.body.ended:
            self.fail(400, "the connection ended within a body")
        elif not self.held:
            self.closing = True

    def _consume_held(self) -> None:
        if self.held and not self.consuming:
            data: bytes = self.held
            self.held = b""
            self._consume(data)

    def _read_head(self, data: bytes, at: cython.Py_ssize_t) -> int:
        """A request's head at data[at:]. Returns where its body stops, or -1 when there is no more to read."""
        head: Head = self.head
        result: cython.int = head.request(data, at, self.terms.request_fields)
        if result == COMPLETE:
            self.served = True
            self.partial = False
            return self.start(data, head.end)
        if result == INCOMPLETE:
            if head.start == len(data):  # empty lines, as some clients send behind a body: no head has begun
                return -1
            if not self.partial:
                self.partial = True
                if self.served:  # the first head's clock runs since the connection was opened
                    self.moved = now()
            self.held = data if at == 0 else data[at:]
            return -1
        self.terms.report(result, self, head.reason)
        self.terms.own.count(result, 0.0)
        self.send_refusal(result)
        return -1

    def pause_reading(self) -> None:
        self._pause(UPSTREAM_FULL)

    def resume_reading(self) -> None:
        self.moved = now()
        if self.pauses & UPSTREAM_FULL:
            self._resume(UPSTREAM_FULL)

    def _pause(self, why: cython.int) -> None:
        if self.pauses == 0 and self.transport is not None:
            self.transport.pause_reading()
        self.pauses |= why

    def _resume(self, why: cython.int) -> None:
        self.pauses &= ~why
        if self.pauses == 0 and self.transport is not None:
            self.transport.resume_reading()

    # ---- writing

    def send_answer(self, answer: Any) -> None:
        self.status = answer.status
        self.closing = self.closing or self.head.close or self.terms.draining or not self.body.ended
        self._write(answer_bytes(answer, self.head_only, self.closing, self.head.minor))
        self.finish()

    def send_refusal(self, status: cython.int) -> None:
        self.closing = True
        self._write(REFUSALS[status])
        self._linger()

    def send_continue(self) -> None:
        self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def cut_off(self) -> None:
        self.phase = GONE
        if self.endless:
            # The client takes the connection's end for the body's: only a reset tells it that there was more.
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self.transport.abort()

    def interim(self, up: Upstream) -> None:
        self.moved = now()
        if self.head.minor == 1:
            self._write(up.head.forwarded(None, b"", 0, 0))

    def respond(self, up: Upstream, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> None:
        head: Head = up.head
        self.responded = True
        self.wire = None
        self.status = head.status
        self.moved = now()
        extra: bytes = self.forward.response_add
        self.endless = up.body.decode or (up.body.kind == NO_LENGTH and not up.body.ended)
        if self.head.close or self.closing or self.terms.draining or not self.body.ended or self.endless:
            self.closing = True
            extra = extra + CLOSE
        elif self.head.minor == 0:
            extra = extra + KEEP_ALIVE
        line: bytes | None = None
        if head.minor == 0:
            line = b"HTTP/1.1" + head.data[head.start + 8 : head.line_end]
        if up.body.decode:
            head.cut_names({b"transfer-encoding"})
        if end - start > JOINED or up.body.kind == CHUNKED:
            self._write(head.forwarded(line, extra, 0, 0))
            self._write_body(up, head.data, start, end)
        else:
            self.forward.stats.sent += end - start
            self._write(head.forwarded(line, extra, start, end))

    def _write_body(self, up: Upstream, data: bytes, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> None:
        out: bytes = up.body.payload(data) if up.body.decode else up.body.passed(data, start, end)
        if out:
            self.forward.stats.sent += len(out)
            self._write(out)

    def piece(self, up: Upstream, data: bytes, end: cython.Py_ssize_t) -> None:
        self.moved = now()
        self._write_body(up, data, 0, end)

    def finish(self) -> None:
        if self.phase == TUNNEL:
            self.up = None
            self.terms.in_flight -= 1
            self.phase = LINGER
            self.transport.close()
            return
        self.ended(self.status)
        self.phase = IDLE
        if not self.closing:
            if self.held or self.pauses or self.half_closed:
                self._next()
        elif self.head.close and self.body.ended:
            self.phase = LINGER
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """The last answer is written: end our side, and throw away what still comes until the client has ended too.

        Closing at once would send a reset if the client is still sending, and a reset can destroy the answer before
        the client has read it (RFC 9112 9.6).
        """
        self.phase = LINGER
        self.moved = now()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.pauses:
            self._resume(UPSTREAM_FULL | SENT_AHEAD)

    def tunnel(self, up: Upstream, start: cython.Py_ssize_t) -> None:
        head: Head = up.head
        self.phase = TUNNEL
        self.responded = True
        self.wire = None
        self.moved = now()
        self.forward.stats.count(101, self.moved - self.began)
        extra: bytes = SWITCH + b"Upgrade: " + head.upgrade_value + b"\r\n" + self.forward.response_add
        self._write(head.forwarded(None, extra, start, len(head.data)))
        if self.held:
            data: bytes = self.held
            self.held = b""
            up.write(data)
        if self.pauses:
            self._resume(UPSTREAM_FULL | SENT_AHEAD)

    def tunnel_write(self, data: bytes) -> None:
        self.moved = now()
        self._write(data)

    def tunnel_eof(self) -> None:
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
        elif self.transport is not None:
            self.transport.close()

    # ---- time

    def tick(self, moment: cython.double) -> None:
        """Called a few times a second with the time by `now`: end what took too long."""
        terms: Terms = self.terms
        quiet: cython.double = moment - self.moved
        if self.phase == ANSWERING:
            self._tick_answering(moment, quiet)
        elif self.phase == IDLE:
            self._tick_idle(quiet)
        elif self.phase == LINGER:
            self._tick_linger(moment, quiet)
        elif self.phase == TUNNEL and quiet > terms.tunnel_timeout > 0:
            self.transport.abort()

    def _tick_idle(self, quiet: cython.double) -> None:
        terms: Terms = self.terms
        if self.blocked:
            if quiet > terms.stall_timeout > 0:
                self.transport.abort()
        elif self.held or not self.served:
            if quiet > terms.head_timeout > 0:
                self._late()
        elif quiet > terms.idle_timeout > 0:
            self.phase = LINGER
            self.transport.close()

    def _tick_linger(self, moment: cython.double, quiet: cython.double) -> None:
        """The last answer may still be on its way to a slow reader: its time runs from the last byte that it took."""
        unsent: cython.Py_ssize_t = self.transport.get_write_buffer_size()
        if unsent != self.unsent:
            self.unsent = unsent
            self.moved = moment
            return
        patience: cython.double = self.terms.stall_timeout if unsent else self.terms.linger_timeout
        if quiet > patience > 0:
            self.transport.abort()

    def _late(self) -> None:
        """The head did not arrive in time. A client that sent nothing at all gets no answer, as with nginx."""
        if not self.held:
            self.phase = LINGER
            self.transport.close()
            return
        self.held = b""
        self.terms.report(408, self, "the request head did not arrive in time")
        self.terms.own.count(408, 0.0)
        self.send_refusal(408)

    def _tick_answering(self, moment: cython.double, quiet: cython.double) -> None:
        terms: Terms = self.terms
        if moment - self.began > terms.request_timeout > 0:
            self.fail(504, "the whole exchange took too long")
        elif self.blocked:
            if quiet > terms.stall_timeout > 0:
                self.fail(408, "the client takes no more of its answer")
        elif not self.body.ended and not self.pauses:
            if quiet > terms.stall_timeout > 0:
                self.fail(408, "the client sends no more of its body")
        elif quiet > terms.response_timeout > 0:
            self.fail(504, "the upstream sent nothing in time")

    def unfinished(self) -> bool:
        """Whether the client is owed anything that no exchange in flight stands for: a request that it has begun to
        send, an answer that is on its way."""
        return self.transport is not None and (
            (self.phase == IDLE and bool(self.held)) or self.transport.get_write_buffer_size() > 0
        )

    def drain(self) -> None:
        """Close at once if idle; a request that is under way is the connection's last."""
        if self.phase == IDLE and not self.held:
            self.phase = LINGER
            self.transport.close()

    def abort(self) -> None:
        """End the connection now, whatever it is doing."""
        if self.transport is not None:
            self.transport.abort()
