"""The PROXY protocol's bytes, both versions, both ways."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podparts.wire.proxy_header import LONGEST_V1, SIGNATURE, BadHeader, parse, version1, version2

IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(lambda ip: socket.inet_ntop(socket.AF_INET6, ip.packed))
PORT = st.integers(0, 65535)


@given(
    ips=st.one_of(st.tuples(IPV4, IPV4), st.tuples(IPV6, IPV6)), ports=st.tuples(PORT, PORT), rest=st.binary(max_size=9)
)
def test_what_is_written_is_read(ips: tuple[str, str], ports: tuple[int, int], rest: bytes) -> None:
    client, server = (ips[0], ports[0]), (ips[1], ports[1])
    for data in (version1(client, server), version2(client, server), version2(client, server, b"\x04\x00\x01x")):
        header = parse(data + rest)
        assert header is not None
        assert (header.client, header.size) == (client, len(data))
        assert all(parse(data[:end]) is None for end in range(len(data)))


def test_families_that_differ_are_unknown_in_text_and_mapped_in_binary() -> None:
    mixed = ("192.0.2.1", 1), ("::1", 2)
    assert version1(*mixed) == b"PROXY UNKNOWN\r\n"
    header = parse(version2(*mixed))
    assert header is not None
    assert header.client == ("::ffff:192.0.2.1", 1)


@given(
    data=st.binary(max_size=250),
    prefix=st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
)
def test_no_bytes_do_more_than_be_refused(data: bytes, prefix: bytes) -> None:
    try:
        header = parse(prefix + data)
    except BadHeader:
        return
    assert header is None or header.size <= len(prefix + data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4\x00 1.2.3.4 1 2\r\n",
        b"PROXY " + b"x" * (LONGEST_V1 - 6),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x23" + bytes(35),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_is_refused(data: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(data)


@pytest.mark.parametrize("kind", [0x00, 0x12, 0x22, 0x31, 0x32])
def test_families_without_an_address_for_us_leave_the_connections_own(kind: int) -> None:
    header = parse(SIGNATURE + bytes([0x21, kind, 0, 4]) + b"abcd")
    assert header is not None
    assert (header.client, header.size) == (None, 20)
