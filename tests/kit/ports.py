"""Free ports that stay free for us, so that test runs beside each other never meet.

The socket that found the port stays bound, without listening, until the test process ends. With SO_REUSEADDR on both
sides Linux lets one other socket bind and listen on the same port (nginx, redis, haproxy, asyncio and uvloop all set
it), while nobody who asks the kernel for any free port is given this one.
"""

import socket

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A TCP port on which a child of this test process can listen, on any IPv4 address."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("0.0.0.0", 0))
    _reserved.append(keeper)
    port: int = keeper.getsockname()[1]
    return port


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there now."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
