"""A listener behind a proxy that says who the client is, on the event loop that the parts run on."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from kit.raw import AsyncRawClient
from podparts.net.proxy_header import ProxyHeader
from podparts.wire.proxy_header import version2


class _Names(asyncio.Protocol):
    """Says whom it was made for, then what it is sent."""

    def __init__(self, peer: str | None) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(f"{self._peer} {data.decode()}\n".encode())


class _Listener:
    port: int
    trusted = True

    def __init__(self) -> None:
        self.bad: list[tuple[str, str]] = []

    def make(self) -> ProxyHeader:
        return ProxyHeader(_Names, lambda peer: self.trusted, 5.0, lambda peer, reason: self.bad.append((peer, reason)))


@pytest.fixture
async def listener() -> AsyncIterator[_Listener]:
    made = _Listener()
    server = await asyncio.get_running_loop().create_server(made.make, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.mark.parametrize(
    "header",
    [b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n", version2(("192.0.2.1", 5000), ("192.0.2.2", 443))],
)
async def test_the_client_is_whom_the_header_names_and_the_rest_is_handed_on(
    listener: _Listener, header: bytes
) -> None:
    async with AsyncRawClient(listener.port) as client:
        await client.send(header + b"hello")
        assert await client.read(16) == b"192.0.2.1 hello\n"


async def test_a_header_from_somebody_else_ends_the_connection(listener: _Listener) -> None:
    listener.trusted = False
    async with AsyncRawClient(listener.port) as client:
        assert await client.rest() == b""
    assert "TRUSTED_PROXIES" in listener.bad[0][1]


async def test_a_connection_without_a_header_is_ended(listener: _Listener) -> None:
    async with AsyncRawClient(listener.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.rest() == b""
    assert listener.bad == [("127.0.0.1", "no PROXY header")]
