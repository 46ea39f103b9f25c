"""A TCP proxy: bytes both ways, with half close and back-pressure, for any protocol. Compiled by Cython.

A `TcpClient` is the Protocol of an accepted connection, a `TcpServer` that of the connection it opened for it; each is
the other's `other`. What one side does not take makes the other side be read no more. Until the server is there one
read of the client's bytes waits in `early` and no more is read (uvloop begins to read after `connection_made`, so
reading cannot be put off from there).
"""

from typing import Any

import cython

if cython.compiled:
    from cython.cimports.podparts.proxy.sides import now
else:
    from podparts.proxy.sides import now


class TcpSide:
    """What both ends have in common. `other` is the end that gets what this one receives."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._write: Any = None
        self.other: Any = None
        self.moved = now()
        self.received = self.sent = 0
        self.early = b""
        self.ended = False

    def data_received(self, data: bytes) -> None:
        self.moved = now()
        self.received += len(data)
        if self.other is not None:
            self.other._write(data)
        elif self.transport is not None:
            self.early += data
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """This end sends no more: pass that on and keep the other direction (RFC 9293 3.6) unless that has ended."""
        other: TcpSide | None = self.other
        self.ended = True
        if other is None:
            return True  # the two ends have not been joined yet; `_join` passes it on
        if other.ended or other.transport is None or not other.transport.can_write_eof():
            return False
        other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.moved = now()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def _join(self, other: "TcpSide") -> None:
        """From now on `other` gets what this end receives, and first what it received before they were joined."""
        self.other = other
        if self.early:
            other._write(self.early)
            self.early = b""
        if self.transport is None or self.ended:
            other.transport.write_eof()
        else:
            self.transport.resume_reading()

    def _part(self, exc: object) -> None:
        """This end is gone: so is the other, after what was written to it has been sent; at once after an error."""
        other: TcpSide | None = self.other
        self.transport = None
        self.other = None
        if other is None:
            return
        other.other = None
        other.sent = self.received
        self.sent = other.received
        if other.transport is not None:
            if exc is None:
                other.transport.close()
            else:
                other.transport.abort()


class TcpServer(TcpSide):
    """The connection to the upstream. `greeting` is sent first (a PROXY header)."""

    def __init__(self, greeting: bytes) -> None:
        TcpSide.__init__(self)
        self.greeting = greeting

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._write = transport.write
        if self.greeting:
            self._write(self.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self._part(exc)


class TcpClient(TcpSide):
    """An accepted connection.

    `opened(connection)` is told once the transport is there and decides: it refuses by closing, or has a server
    dialled, which ends in `opened_server` or `failed`. `closed(connection, reason)` is told at the end, None for a
    connection that ended by itself.
    """

    def __init__(self, opened: Any, closed: Any) -> None:
        TcpSide.__init__(self)
        self.opened_by = opened
        self.closed_by = closed
        self.peer = "unknown"
        self.name = "tcp"
        self.info: Any = None
        self.reason: str | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._write = transport.write
        self.opened_by(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._part(exc)
        self.closed_by(self, self.reason)

    # ---- what podparts.net.dial.Dialer asks of a pool

    def opened(self, server: TcpServer) -> None:
        """The server is there."""
        if self.transport is None:
            if server.transport is not None:
                server.transport.abort()
            return
        self.moved = server.moved = now()
        if server.transport is None:  # it has said all and closed before we came to join them
            if server.early:
                self._write(server.early)
            self.transport.close()
            return
        self._join(server)
        server._join(self)
        if self.ended and server.ended:
            server.transport.close()

    def dial_failed(self, status: cython.int, reason: str) -> None:
        """There is no server to be had."""
        self.end(reason)

    def leave(self, addresses: object) -> None:
        """The upstream's name moved; this connection stays where it is."""

    # ---- time

    def idle_since(self) -> cython.double:
        """When a byte moved last in either direction, by `now`."""
        server: TcpSide = self.other
        return max(self.moved, server.moved) if server is not None else self.moved

    def end(self, reason: str) -> None:
        """Close both ends at once; `reason` is counted and logged."""
        self.reason = reason
        if self.transport is not None:
            self.transport.abort()
