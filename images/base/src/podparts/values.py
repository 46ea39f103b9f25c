"""Values that people type into an environment: durations, sizes, addresses, networks.

Each type reads text with `parse`, which raises `ValueError("expected …")`, and writes with `str()` what `parse` reads
back. Pure: names are not resolved and nothing is opened. Which variable holds a value is the business of `settings`.
"""

import socket
from dataclasses import dataclass
from typing import ClassVar, Self

_DIGITS = "0123456789"
_NUMBER = _DIGITS + "."
_HOST_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_LONGEST_NUMBER = 16
_LONGEST_HOST_NAME = 253  # RFC 1035, section 2.3.4: 255 octets on the wire


class Duration(float):
    """Seconds, to the microsecond. `10`, `10s`, `250ms`, `5m`, `1h30m`, `7d`; a bare number is seconds for ever."""

    __slots__ = ()

    expected: ClassVar[str] = "expected a duration such as 10 (seconds), 250ms, 5m or 1h30m"
    _units: ClassVar[dict[str, float]] = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}

    @classmethod
    def parse(cls, text: str) -> Self:
        seconds, rest = 0.0, text
        while rest:
            number, unit, rest = _next_number(rest)
            if not number or (unit not in cls._units and (unit or number != text)):
                raise ValueError(cls.expected)
            try:
                seconds += float(number) * cls._units[unit or "s"]
            except ValueError:
                raise ValueError(cls.expected) from None
        if not text:
            raise ValueError(cls.expected)
        return cls(round(seconds, 6))

    def __str__(self) -> str:
        for unit, seconds in self._units.items():
            count = self / seconds
            if count >= 1 and count == int(count):
                return f"{int(count)}{unit}"
        if not self:
            return "0s"
        return f"{self:.6f}".rstrip("0") + "s"


def _next_number(text: str) -> tuple[str, str, str]:
    """Splits `1h30m` into its first number, that number's unit, and the rest."""
    after_number = text.lstrip(_NUMBER)
    number = text[: len(text) - len(after_number)]
    end = next((at for at, character in enumerate(after_number) if character in _NUMBER), len(after_number))
    if len(number) > _LONGEST_NUMBER:
        number = ""
    return number, after_number[:end], after_number[end:]


class Size(int):
    """Bytes. `65536`, `64KiB`, `1MiB`, `1GiB`, and nginx's `64k`, `1m`, `1g`; each unit is 1,024 of the one below."""

    __slots__ = ()

    expected: ClassVar[str] = "expected a size such as 65536 (bytes), 64KiB, 1MiB or 64k"
    _units: ClassVar[dict[str, int]] = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
    _read: ClassVar[dict[str, int]] = {
        "": 1,
        "b": 1,
        **{name.lower(): size for name, size in _units.items()},
        **{name[0].lower(): size for name, size in _units.items()},
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        unit = text.lstrip(_DIGITS)
        number = text[: len(text) - len(unit)]
        if not 0 < len(number) <= _LONGEST_NUMBER or unit.lower() not in cls._read:
            raise ValueError(cls.expected)
        return cls(int(number) * cls._read[unit.lower()])

    def __str__(self) -> str:
        for unit, size in self._units.items():
            if self and self % size == 0:
                return f"{self // size}{unit}"
        return int.__repr__(self)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where to listen or to connect: `host:port`, `[::1]:80`, `:8080` (every interface), `unix:/run/app.sock`.

    `path` is set for a Unix socket and empty otherwise. An empty `host` means every interface to a listener, and this
    machine to a client. Port 0 lets the system choose, which only makes sense to a listener.
    """

    host: str
    port: int
    path: str = ""

    expected: ClassVar[str] = "expected host:port, [::1]:port, :port (every interface) or unix:/path"

    @classmethod
    def parse(cls, text: str) -> Self:
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path.startswith("/") or "\0" in path:
                raise ValueError(cls.expected)
            return cls("", 0, path)
        host, colon, port = text.rpartition(":")
        if not colon or not _is_port(port):
            raise ValueError(cls.expected)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            if packed_ip(host.partition("%")[0], socket.AF_INET6) is None:
                raise ValueError(cls.expected)
        elif host == "*":
            host = ""
        elif host and not _is_host(host):
            raise ValueError(cls.expected)
        return cls(host, int(port))

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_port(text: str) -> bool:
    return 0 < len(text) <= 5 and not text.strip(_DIGITS) and int(text) <= 65535


def _is_host(text: str) -> bool:
    """A host name, or an IPv4 address in four parts; `1.2.3` and `256.1.1.1` are neither."""
    if len(text) > _LONGEST_HOST_NAME or not _HOST_NAME.issuperset(text) or not all(text.removesuffix(".").split(".")):
        return False
    looks_like_ip = not text.strip(_NUMBER)
    return packed_ip(text, socket.AF_INET) is not None if looks_like_ip else True


class Addresses(tuple[Address, ...]):
    """One or more addresses, comma separated."""

    __slots__ = ()

    expected: ClassVar[str] = "expected addresses such as 10.0.0.1:80,10.0.0.2:80"

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(Address.parse(part.strip()) for part in text.split(","))

    def __str__(self) -> str:
        return ",".join(map(str, self))


@dataclass(frozen=True, slots=True)
class Network:
    """A range of IP addresses, `10.0.0.0/8`, `fd00::/8`, or one address. `"10.1.2.3" in network` asks for membership.

    An IPv4 address written inside IPv6 (`::ffff:10.1.2.3`, which a dual-stack socket reports) counts as IPv4.
    """

    address: bytes
    prefix: int

    expected: ClassVar[str] = "expected a network such as 10.0.0.0/8, fd00::/8 or 192.0.2.7"

    @classmethod
    def parse(cls, text: str) -> Self:
        host, slash, length = text.partition("/")
        address = packed_ip(host)
        if address is None or (slash and (length.strip(_DIGITS) or not 0 < len(length) <= 3)):
            raise ValueError(cls.expected)
        bits = len(address) * 8
        prefix = int(length) if slash else bits
        if prefix > bits:
            raise ValueError(cls.expected)
        if int.from_bytes(address) & ((1 << bits - prefix) - 1):
            raise ValueError(f"{cls.expected}: {host} has bits set beyond /{prefix}")
        return cls(address, prefix)

    def __contains__(self, ip: str) -> bool:
        packed = packed_ip(ip)
        if packed is None or len(packed) != len(self.address):
            return False
        shift = len(packed) * 8 - self.prefix
        return int.from_bytes(packed) >> shift == int.from_bytes(self.address) >> shift

    def __str__(self) -> str:
        family = socket.AF_INET if len(self.address) == 4 else socket.AF_INET6
        return f"{socket.inet_ntop(family, self.address)}/{self.prefix}"


_MAPPED = bytes(10) + b"\xff\xff"


def packed_ip(text: str, family: int | None = None) -> bytes | None:
    """The 4 or 16 bytes of an IP address, or None if it is not one. Without a family, a mapped IPv4 becomes IPv4."""
    wanted = family if family is not None else (socket.AF_INET6 if ":" in text else socket.AF_INET)
    try:
        packed = socket.inet_pton(wanted, text)
    except (OSError, ValueError):  # ValueError: an embedded NUL, or characters beyond ASCII
        return None
    return packed[12:] if family is None and packed.startswith(_MAPPED) else packed
