"""A TCP proxy that stands between a part and its server and can be told to misbehave.

    async with Chaos(server.port) as link:
        link.stall()        # bytes stop in both directions, connections stay open
        link.flow()         # and go on
        link.cut()          # every connection is reset
        link.refuse()       # the port is closed; accept() opens it again

It works on bytes and knows no protocol. `slow(rate)` lets that many bytes per second through.
"""

import asyncio
import contextlib
import socket
import struct

PIECE = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST


class _Link:
    """One connection and its way on to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server

    def reset(self) -> None:
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class Chaos:
    """Listens on `.port` and passes bytes on to `target` on 127.0.0.1."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.opened = 0
        self._rate: float | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def stall(self) -> None:
        """Let no byte through until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Undo `stall` and `slow`."""
        self._rate = None
        self._flowing.set()

    def slow(self, rate: float) -> None:
        """Let `rate` bytes per second through, in each direction of each connection."""
        self._rate = rate

    def cut(self) -> None:
        """Reset every connection; new ones are accepted."""
        for link in tuple(self._links):
            link.reset()

    def end_from_server(self) -> None:
        """Send FIN to every client, as a server that closes does; what clients send still goes through."""
        for link in self._links:
            with contextlib.suppress(OSError):
                link.client.write_eof()

    def end_from_client(self) -> None:
        """Send FIN to the server on every connection."""
        for link in self._links:
            with contextlib.suppress(OSError):
                link.server.write_eof()

    def refuse(self) -> None:
        """Close the port: new connections are refused, open ones live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def accept(self) -> None:
        """Open the port, on the same number as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.opened += 1
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a connection that breaks is this proxy's trade
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))
        finally:
            self._links.discard(link)
            server_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE if self._rate is None else 1 + int(self._rate / 20)):
            await self._flowing.wait()
            if self._rate is not None:
                await asyncio.sleep(len(piece) / self._rate)
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    async def __aenter__(self) -> "Chaos":
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
