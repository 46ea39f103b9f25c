"""The PROXY protocol, versions 1 and 2: who the client is, said by a proxy before the first byte. Pure.

Format: the HAProxy project's proxy-protocol.txt, sections 2.1 (text) and 2.2 (binary). Both directions: `parse` what a
proxy in front sends us, `version1`/`version2` what we send an upstream.
"""

import socket
import struct
from dataclasses import dataclass

LONGEST_V1 = 107  # bytes with CRLF, section 2.1
LONGEST_V2 = 16 + 4096  # the format allows 64 KiB of extensions; nobody sends more than a few hundred bytes
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

_FAMILIES = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}
# family and transport byte -> address family, bytes of one address
_V2_FAMILIES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}


@dataclass(frozen=True, slots=True)
class Header:
    """A complete header: the client's address (None for LOCAL and UNKNOWN: the connection's own counts), its size."""

    client: tuple[str, int] | None
    size: int


class BadHeader(ValueError):
    """What came is not a PROXY header; the text says why."""


def parse(data: bytes) -> Header | None:
    """The header at the beginning of data, None while it is incomplete. Raises BadHeader."""
    if data[:12] == SIGNATURE[: len(data)]:
        return _parse_v2(data) if len(data) >= 16 else None
    if data[:6] == b"PROXY "[: len(data)]:
        return _parse_v1(data)
    raise BadHeader("no PROXY header")


def _parse_v1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise BadHeader("a PROXY line that is too long")
        return None
    words = data[:end].split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return Header(None, end + 2)
    if len(words) != 6 or words[1] not in _FAMILIES:
        raise BadHeader("a PROXY line without family, two addresses and two ports")
    family = _FAMILIES[words[1]]
    client = _address(family, words[2])
    _address(family, words[3])
    ports = [_port(word) for word in words[4:]]
    return Header((client, ports[0]), end + 2)


def _address(family: int, text: bytes) -> str:
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text.decode("ascii")))
    except (OSError, ValueError):
        raise BadHeader("a PROXY line with a malformed address") from None


def _port(text: bytes) -> int:
    if not (text.isdigit() and len(text) <= 5 and int(text) <= 65535 and (text == b"0" or text[:1] != b"0")):
        raise BadHeader("a PROXY line with a malformed port")
    return int(text)


def _parse_v2(data: bytes) -> Header | None:
    version, kind, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if version not in (0x20, 0x21):
        raise BadHeader("a PROXY header of another version or command")
    if 16 + length > LONGEST_V2:
        raise BadHeader("a PROXY header that is too long")
    if len(data) < 16 + length:
        return None
    if version == 0x20 or kind not in _V2_FAMILIES:  # LOCAL, or a family that carries no IP address
        return Header(None, 16 + length)
    family, width = _V2_FAMILIES[kind]
    if length < 2 * width + 4:
        raise BadHeader("a PROXY header shorter than its addresses")
    port = int.from_bytes(data[16 + 2 * width : 18 + 2 * width], "big")
    return Header((socket.inet_ntop(family, data[16 : 16 + width]), port), 16 + length)


def version1(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The text form; UNKNOWN where the two addresses are of different families."""
    if (":" in client[0]) != (":" in server[0]):
        return b"PROXY UNKNOWN\r\n"
    family = "TCP6" if ":" in client[0] else "TCP4"
    return f"PROXY {family} {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode("ascii")


def version2(client: tuple[str, int], server: tuple[str, int], extensions: bytes = b"") -> bytes:
    """The binary form; `extensions` are complete TLVs."""
    six = ":" in client[0] or ":" in server[0]
    family = socket.AF_INET6 if six else socket.AF_INET
    packed = [
        socket.inet_pton(family, f"::ffff:{ip}" if six and ":" not in ip else ip) for ip in (client[0], server[0])
    ]
    body = b"".join(packed) + struct.pack("!HH", client[1], server[1]) + extensions
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21 if six else 0x11, len(body)) + body
