"""Listening sockets: bound with clear errors, shared between workers when asked, closed for draining.

It knows nothing of what is spoken on the connections: a factory makes the Protocol of each.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from podparts.values import Address

# Connections the kernel keeps until they are accepted; net.core.somaxconn caps it (4096 since Linux 5.4).
BACKLOG = 4096


class CannotBind(OSError):
    """An address cannot be listened on; the text names it and says why."""


def bind(address: Address, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket. An empty host is every interface, IPv6 and IPv4 alike where the machine has both.

    `reuse_port` lets several workers bind the same address, each with a queue of its own. Raises CannotBind.
    """
    try:
        return _bind_unix(address.path) if address.path else _bind_tcp(address.host, address.port, reuse_port)
    except OSError as error:
        raise CannotBind(error.errno, f"cannot listen on {address}: {error.strerror or error}") from None


def _bind_tcp(host: str, port: int, reuse_port: bool) -> socket.socket:
    host = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - asked for by the empty host
    name = host.encode() if host.isascii() else host  # text would be encoded by a codec that costs 4 ms and 0.6 MB
    family, kind, protocol, _, where = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.bind(where)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)  # left over from a process that was killed
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """A bound address that is being served. `port` is the real one where 0 was asked for."""

    def __init__(self, sock: socket.socket, server: asyncio.AbstractServer, path: str) -> None:
        name = sock.getsockname()
        self.port: int = name[1] if isinstance(name, tuple) else 0
        self._server = server
        self._path = path

    def close(self) -> None:
        """Accept no more; connections that exist live on."""
        self._server.close()
        if self._path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)


async def listen(address: Address, factory: Callable[[], Any], *, reuse_port: bool = False) -> Listener:
    """Serve connections to the address with Protocols from the factory. Raises CannotBind."""
    sock = bind(address, reuse_port=reuse_port)
    loop = asyncio.get_running_loop()
    if address.path:
        server: asyncio.AbstractServer = await loop.create_unix_server(factory, sock=sock, backlog=BACKLOG)
    else:
        server = await loop.create_server(factory, sock=sock, backlog=BACKLOG)
    return Listener(sock, server, address.path)
