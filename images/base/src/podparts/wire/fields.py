"""Which header fields mean something to a proxy, and the character classes of HTTP/1.1. Pure; compiled by Cython.

A `Fields` table is asked once per header line, so a name that means nothing must cost almost nothing: the slot for its
length and first letter is empty. Names are compared without regard to case, and `_` counts as `-`: CGI and WSGI
applications see both as the same variable, so `X_Forwarded_For` must not slip past a rule for `X-Forwarded-For`
(nginx drops every name with an underscore for this reason).
"""

import cython

# Character classes (RFC 9110 5.6.2, 5.5; RFC 9112 3.2; RFC 3986 3.2.2), one bit each.
TOKEN = 1
TARGET = 2
VALUE = 4
AUTHORITY = 8

# What a field means: nothing, not to be passed on, or something that `Head` looks at.
PLAIN = 0
CUT = 1
CONNECTION = 2
LENGTH = 3
ENCODING = 4
HOST = 5
UPGRADE = 6
EXPECT = 7
FORWARDED = 8

LONGEST_NAME = 63


def _classes() -> bytes:
    alnum = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    table = bytearray(256)
    for members, bit in (
        (b"!#$%&'*+-.^_`|~" + alnum, 1),
        (bytes(c for c in range(0x21, 0x7F) if c != ord("#")), 2),  # a fragment never travels (RFC 9112 3.2.1)
        (b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100)), 4),
        (b"-._~!$&'()*+;=:[]%" + alnum, 8),
    ):
        for character in members:
            table[character] |= bit
    return bytes(table)


CLASSES = _classes()
FOLDED = bytes(range(256)).lower().replace(b"_", b"-")

_HOP_BY_HOP = (b"keep-alive", b"proxy-connection", b"te", b"http2-settings")
_FRAMING = {
    b"connection": CONNECTION,
    b"content-length": LENGTH,
    b"transfer-encoding": ENCODING,
    b"upgrade": UPGRADE,
}
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded")


class Fields:
    """A table from field names to what they mean. `request` and `response` build the two that proxies use."""

    def __init__(self, meanings: dict[bytes, int]) -> None:
        slots = bytearray((LONGEST_NAME + 1) * 32)
        following = bytearray()
        self.names = []
        for number, name in enumerate(meanings, 1):
            if not 0 < len(name) <= LONGEST_NAME or number > 255:
                raise ValueError(f"{name!r}: expected at most 255 names of 1 to {LONGEST_NAME} bytes")
            if name[0] in b"-_":  # they count as the same, but the slot goes by the first byte as it is
                raise ValueError(f"{name!r}: expected a name that does not start with - or _")
            slot = (len(name) << 5) | (name[0] & 31)
            following.append(slots[slot])
            slots[slot] = number
            self.names.append(name.lower())
        self.slots = bytes(slots)
        self.following = bytes(following)
        self.meanings = bytes(meanings.values())

    def meaning(self, data: cython.p_const_uchar, start: cython.Py_ssize_t, length: cython.Py_ssize_t) -> int:
        """What the name at data[start:start + length] means; PLAIN when it is none of the table's."""
        if length > LONGEST_NAME:
            return PLAIN
        slots: cython.p_const_uchar = self.slots
        number: cython.int = slots[(length << 5) | (data[start] & 31)]
        while number:
            name: bytes = self.names[number - 1]
            same: cython.int = _same(data, start, length, name)
            if same:
                meanings: cython.p_const_uchar = self.meanings
                return meanings[number - 1] if same == 1 else CUT
            following: cython.p_const_uchar = self.following
            number = following[number - 1]
        return PLAIN


@cython.cfunc
@cython.exceptval(check=False)
def _same(
    data: cython.p_const_uchar, start: cython.Py_ssize_t, length: cython.Py_ssize_t, name: cython.p_const_uchar
) -> cython.int:
    """0: another name; 1: the same but for case; 2: the same once `_` counts as `-`."""
    folded: cython.p_const_uchar = FOLDED
    result: cython.int = 1
    i: cython.Py_ssize_t = 0
    while i < length:
        if folded[data[start + i]] != name[i]:
            return 0
        if data[start + i] == 95:
            result = 2
        i += 1
    return result


def request_fields(drop: tuple[bytes, ...] = ()) -> Fields:
    """The table for requests. `drop` names fields that a client must not be able to set (identity headers)."""
    return Fields(
        dict.fromkeys(_HOP_BY_HOP, CUT)
        | _FRAMING
        | {b"host": HOST, b"expect": EXPECT}
        | dict.fromkeys(_FORWARDED, FORWARDED)
        | {name.lower(): CUT for name in drop}
    )


def response_fields(drop: tuple[bytes, ...] = ()) -> Fields:
    """The table for responses. `drop` names fields that the part sets itself."""
    return Fields(dict.fromkeys(_HOP_BY_HOP, CUT) | _FRAMING | {name.lower(): CUT for name in drop})
