"""Asks a running part's admin port for its health, without an HTTP client: for HEALTHCHECK and exec probes.

An image has no shell and no curl, so the part's own command does it (`IMAGE --health`).
"""

import socket
from collections.abc import Mapping

from podparts.settings import CommonSettings, SettingsError, read_one
from podparts.values import Address

_TIMEOUT = 2.0
_MOST = 64 * 1024


def ask_admin(settings: type[CommonSettings], environ: Mapping[str, str], path: str) -> tuple[bool, str]:
    """Whether the answer was 200, and what was said."""
    try:
        address: Address = read_one(settings, "admin_listen", environ)
    except SettingsError as error:
        return False, str(error)
    try:
        return ask(address, path)
    except OSError as error:
        return False, f"no answer from ADMIN_LISTEN={address}: {error.strerror or error}"


def ask(address: Address, path: str) -> tuple[bool, str]:
    """GETs a path from whoever listens on an address. Raises OSError when nobody answers."""
    with _connect(address) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while len(answer) < _MOST and (data := connection.recv(_MOST)):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ", 2)[1:2] == [b"200"], body.decode("utf-8", "replace").strip()


def _connect(address: Address) -> socket.socket:
    if address.path:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT)
        connection.connect(address.path)
        return connection
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
    return socket.create_connection((host, address.port), _TIMEOUT)
