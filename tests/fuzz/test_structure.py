"""Structured messages from hypothesis: what was written is what is read, however the stream is cut."""

from collections.abc import Callable
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from fuzz.rules import CHUNKED, COMPLETE, INCOMPLETE
from podparts.wire.body import Body
from podparts.wire.fields import request_fields
from podparts.wire.http1 import Head
from podparts.wire.proxy_header import SIGNATURE, BadHeader, parse, version1, version2

TABLE = request_fields()
TOKEN = st.text(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=30
)
TARGET = st.text([chr(c) for c in range(0x21, 0x7F) if chr(c) != "#"], max_size=60).map(lambda text: "/" + text)
VALUE = st.text([chr(c) for c in (9, *range(0x20, 0x7F), *range(0x80, 0x100))], max_size=40).map(
    lambda text: text.strip(" \t")
)
RESERVED = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"}
FIELDS = st.lists(
    st.tuples(TOKEN.filter(lambda name: name.lower().replace("_", "-") not in RESERVED), VALUE), max_size=20
)


def _encode(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in fields]


@given(method=TOKEN, target=TARGET, fields=FIELDS, body=st.binary(max_size=20))
def test_a_well_formed_request_is_read_as_it_was_written(
    method: str, target: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    pairs = [(b"Host", b"h.example"), *_encode(fields), (b"Content-Length", b"%d" % len(body))]
    block = b"%b %b HTTP/1.1\r\n" % (method.encode(), target.encode())
    block += b"".join(b"%b: %b\r\n" % pair for pair in pairs) + b"\r\n"
    head = Head()
    assert head.request(block + body, 0, TABLE) == COMPLETE, head.reason
    assert (head.method, head.target) == (method.encode(), target.encode())
    assert head.fields() == pairs
    assert (head.end, head.length) == (len(block), len(body))


@given(data=st.binary(max_size=200))
def test_no_bytes_make_the_scanner_raise(data: bytes) -> None:
    assert Head().request(data, 0, TABLE) in {INCOMPLETE, COMPLETE, 400, 405, 414, 417, 431, 501, 505}
    assert Head().response(data, 0, TABLE) in {INCOMPLETE, COMPLETE, 502}


@given(chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6), cuts=st.lists(st.integers(1, 300), max_size=8))
def test_a_chunked_body_is_read_as_it_was_written_however_it_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX-T: v\r\n\r\n"
    edges = [0, *sorted(cut for cut in set(cuts) if cut < len(data)), len(data)]
    body = Body()
    body.begin(CHUNKED, True)
    payload = passed = b""
    for start, stop in pairwise(edges):
        piece = data[start:stop]
        end = body.feed(piece, 0, TABLE)
        assert end == len(piece), body.reason
        payload += body.payload(piece)
        passed += body.passed(piece, 0, end)
    assert body.ended
    assert payload == b"".join(chunks)
    assert passed == data


@given(
    data=st.binary(max_size=200),
    lead=st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"!\x11"]),
)
def test_no_bytes_make_the_proxy_header_raise_anything_but_a_bad_header(data: bytes, lead: bytes) -> None:
    for stop in range(len(lead + data) + 1):
        try:
            header = parse((lead + data)[:stop])
        except BadHeader:
            return
        assert header is None or header.size <= stop


@given(
    client=st.ip_addresses(), server=st.ip_addresses(), port=st.integers(0, 65535), rest=st.binary(max_size=20),
    write=st.sampled_from([version1, version2]),
)  # fmt: skip
def test_a_proxy_header_is_read_as_it_was_written_and_not_before_it_is_whole(
    client: Any, server: Any, port: int, rest: bytes, write: Callable[..., bytes]
) -> None:
    assume(client.version == server.version)
    data = write((str(client), port), (str(server), 443))
    for stop in range(1, len(data)):
        assert parse(data[:stop]) is None
    header = parse(data + rest)
    assert header is not None
    assert header.size == len(data)
    assert header.client is not None
    assert (ip_address(header.client[0]), header.client[1]) == (client, port)
