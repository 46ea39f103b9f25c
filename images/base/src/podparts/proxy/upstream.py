"""Connections to a server, and the pool that lends them to exchanges. Compiled by Cython.

An `UpstreamConnection` is the asyncio Protocol of one connection: it reads responses strictly, hands them to the
Downstream of the exchange as they stream, and returns to its `Pool` when both messages are complete. The pool's policy
is synchronous: a request takes the connection used last, else waits in line while a new one is opened, within bounds; a
connection that becomes free serves whoever waits longest, whether it was opened for them or not. Opening connections
is the job of the `dial` function that the pool is given (`podparts.net.dial`).
"""

from collections import deque
from typing import Any

import cython

from podparts.wire.body import Body
from podparts.wire.http1 import Head

if cython.compiled:
    from cython.cimports.podparts.proxy.sides import Downstream, Terms, Upstream, now
    from cython.cimports.podparts.wire.http1 import CHUNKED, COMPLETE, INCOMPLETE, NO_LENGTH
else:
    from podparts.proxy.sides import Downstream, Terms, Upstream, now
    from podparts.wire.http1 import CHUNKED, COMPLETE, INCOMPLETE, NO_LENGTH

# What an upstream connection is doing.
IDLE = 0
AWAITING_HEAD = 1
READING_BODY = 2
TUNNEL = 3
GONE = 4


class UpstreamConnection(Upstream):
    """One connection to a server. `address` is where it leads, for a pool whose name moved elsewhere."""

    def __init__(self, pool: Any, address: object) -> None:
        self.pool = pool
        self.address = address
        self.terms = pool.terms
        self.head = Head(self.terms.head_limit, 0)
        self.body = Body()
        self.phase = IDLE
        self.held = b""
        self.down: Any = None
        self.transport: Any = None
        self.reused = self.answered = False
        self.full = self.paused = False
        self.parked = 0.0
        self.server_ended = self.client_ended = False

    # ---- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        if self.phase == READING_BODY:
            self._read_body(data)
        elif self.phase == AWAITING_HEAD:
            if self.held:
                data = self.held + data
                self.held = b""
            self._read_head(data, 0)
        elif self.phase == TUNNEL:
            self.down.tunnel_write(data)
        else:
            self.close()  # nobody asked: whatever this is, the next response would be taken for another's

    def eof_received(self) -> bool:
        if self.phase != TUNNEL or self.client_ended:
            return False
        self.server_ended = True
        self.down.tunnel_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        down: Downstream | None = self.down
        phase: cython.int = self.phase
        self._leave()
        if down is None:
            return
        if (phase == READING_BODY and self.body.kind == NO_LENGTH and exc is None) or phase == TUNNEL:
            down.finish()
        elif self.answered:
            down.broken(502, "the upstream closed the connection within a response")
        else:
            down.broken(502, "the upstream closed the connection without a response")

    def pause_writing(self) -> None:
        self.full = True
        if self.down is not None:
            self.down.pause_reading()

    def resume_writing(self) -> None:
        self.full = False
        if self.down is not None:
            self.down.resume_reading()

    # ---- the exchange

    def begin(self, down: Downstream, wire: bytes) -> None:
        self.down = down
        self.phase = AWAITING_HEAD
        self.answered = False
        self._write(wire)

    def write(self, data: bytes) -> None:
        if self.phase != GONE:
            self._write(data)

    def write_eof(self) -> None:
        self.client_ended = True
        if self.phase == GONE:
            return
        if self.server_ended or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()

    def abandon(self) -> None:
        self.down = None
        self.close()

    def pause_reading(self) -> None:
        if self.phase != GONE:
            self.paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.phase != GONE:
            self.paused = False
            self.transport.resume_reading()

    def close(self) -> None:
        """End the connection; its place in the pool is free at once."""
        transport = self.transport
        self._leave()
        if transport is not None:
            transport.abort()

    def _leave(self) -> None:
        if self.phase != GONE:
            self.phase = GONE
            self.down = None
            self.held = b""
            self.pool.lost(self)

    def _read_head(self, data: bytes, start: cython.Py_ssize_t) -> None:
        down: Downstream = self.down
        head: Head = self.head
        self.answered = True
        while True:
            result: cython.int = head.response(data, start, self.terms.response_fields)
            if result == INCOMPLETE:
                self.held = data[start:]
                return
            if result != COMPLETE:
                self._fail(head.reason)
                return
            if head.status >= 200:
                break
            if head.status == 101:
                self._switch(down)
                return
            down.interim(self)
            if self.down is not down:
                return
            start = head.end
            if start == len(data):
                return
        self._begin_body(down, data)

    def _begin_body(self, down: Downstream, data: bytes) -> None:
        head: Head = self.head
        length: cython.longlong = head.length
        if down.head_only or head.status == 204 or head.status == 304:
            length = 0
        self.body.begin(length, length == CHUNKED and not down.takes_chunks)
        end: cython.Py_ssize_t = head.end
        if not self.body.ended:
            self.phase = READING_BODY
            if end < len(data):
                end = self.body.feed(data, end, self.terms.response_fields)
                if end < 0:
                    self._fail(self.body.reason)
                    return
        down.respond(self, head.end, end)
        if self.body.ended and self.down is down:
            self._finish(down, end == len(data))

    def _read_body(self, data: bytes) -> None:
        down: Downstream = self.down
        end: cython.Py_ssize_t = self.body.feed(data, 0, self.terms.response_fields)
        if end < 0:
            self._fail(self.body.reason)
            return
        down.piece(self, data, end)
        if self.body.ended and self.down is down:
            self._finish(down, end == len(data))

    def _finish(self, down: Downstream, clean: cython.bint) -> None:
        """The response is complete: free the connection first, so that a pipelined request finds it."""
        self.down = None
        # A connection that still sends the last request cannot be lent: its end is unknown to the next exchange.
        if clean and not self.head.close and self.body.kind != NO_LENGTH and down.body.ended and not self.full:
            self.phase = IDLE
            if self.paused:
                self.resume_reading()
            self.reused = True
            self.pool.release(self)
        else:
            self.close()
        down.finish()

    def _switch(self, down: Downstream) -> None:
        if not down.wants_upgrade or not self.head.upgrade:
            self._fail("the upstream switched protocols though nobody asked")
            return
        self.phase = TUNNEL
        down.tunnel(self, self.head.end)

    def _fail(self, reason: str) -> None:
        down: Downstream = self.down
        self.down = None
        self.close()
        down.broken(502, reason)


class Pool:
    """The connections to one upstream.

    `limit` bounds the connections that exist or are being opened (0: no bound), `queue` those that wait for one.
    `dial(pool)` opens one connection in the background and calls `opened` or `dial_failed`. `host` is the Host of
    requests that come without one.
    """

    def __init__(self, name: str, terms: Terms, dial: Any, limit: int = 0, queue: int = 1024) -> None:
        self.name = name
        self.host = b"localhost"
        self.terms = terms
        self.dial = dial
        self.limit = limit
        self.queue = queue
        self.idle: list[UpstreamConnection] = []
        self.waiting: deque[Downstream] = deque()
        self.open = self.opening = 0
        self.closed = False
        self.opened_total = self.failed_total = self.reused_total = self.refused_total = 0

    def acquire(self, down: Downstream, fresh: cython.bint) -> UpstreamConnection | None:
        """A connection now, or None: `down.connected` or `down.unavailable` follows, perhaps before this returns.

        `fresh` asks for a connection that never served: the retry after a reused one was found dead.
        """
        if self.idle and not fresh:
            self.reused_total += 1
            return self.idle.pop()
        # Those whose connection is being opened, this one's included if there is room for it, do not stand in line.
        opening: cython.int = self.opening + (1 if self.limit == 0 or self.open + self.opening < self.limit else 0)
        if len(self.waiting) + 1 - opening > self.queue:
            self.refused_total += 1
            down.unavailable(503, "too many requests wait for a connection to the upstream")
            return None
        self.waiting.append(down)
        self._open_more()
        return None

    def forget(self, down: Downstream) -> None:
        """The client went away before its turn came."""
        if down in self.waiting:
            self.waiting.remove(down)

    def release(self, up: UpstreamConnection) -> None:
        """An exchange is complete and its connection can serve another."""
        if self.closed:
            up.close()
        elif self.waiting:
            self.waiting.popleft().connected(up)
        else:
            up.parked = now()
            up.reused = True  # it may be closed by the server while it waits: a request that it fails may be sent again
            self.idle.append(up)

    def opened(self, up: UpstreamConnection) -> None:
        """`dial` succeeded."""
        if up.phase == GONE:  # accepted and closed again before we came to use it
            self.open += 1  # `lost` has counted it already
            self.dial_failed(502, "the upstream closes connections as soon as they open")
            return
        self.opening -= 1
        self.open += 1
        self.opened_total += 1
        self.release(up)

    def dial_failed(self, status: cython.int, reason: str) -> None:
        """`dial` gave up: whoever waits longest is told, unless enough other connections are on their way."""
        self.opening -= 1
        self.failed_total += 1
        if self.waiting and len(self.waiting) > self.opening:
            self.waiting.popleft().unavailable(status, reason)

    def lost(self, up: UpstreamConnection) -> None:
        """A connection is gone."""
        self.open -= 1
        if up in self.idle:
            self.idle.remove(up)
        self._open_more()

    def _open_more(self) -> None:
        while self.opening < len(self.waiting) and (self.limit == 0 or self.open + self.opening < self.limit):
            self.opening += 1
            self.dial(self)

    def sweep(self, oldest: float) -> None:
        """Close idle connections that were parked before `oldest`. The longest parked come first in `idle`."""
        while self.idle and self.idle[0].parked < oldest:
            self.idle[0].close()

    def leave(self, addresses: Any) -> None:
        """Close idle connections to anywhere but these addresses: the name moved."""
        for up in [up for up in self.idle if up.address not in addresses]:
            up.close()

    def close(self) -> None:
        """Close what is idle; what is lent closes when it comes back."""
        self.closed = True
        for up in list(self.idle):
            up.close()
