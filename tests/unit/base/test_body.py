"""Bodies: by length, chunked, until close; whole, split at every byte, generated."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import builds
from kit.builds import Build
from kit.vectors import CHUNKS, Vector

SOURCE = builds.uncompiled()
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def reader(wire: Build, length: int, decode: bool = False):  # type: ignore[no-untyped-def]
    body = wire.body.Body()
    body.begin(length, decode)
    return body, wire.fields.request_fields()


def chunks_of(vector: Vector) -> bytes:
    return vector.data.partition(b"\r\n\r\n")[2]


def feed(wire: Build, pieces: list[bytes], decode: bool = False) -> tuple[bytes | None, bytes, bytes]:
    """(what is passed on, payload, rest); None for a malformed body."""
    body, table = reader(wire, SOURCE.body.CHUNKED, decode)
    passed = payload = rest = b""
    for piece in pieces:
        if body.ended:
            rest += piece
            continue
        end = body.feed(piece, 0, table)
        if end < 0:
            assert body.reason
            return None, payload, rest
        passed += body.passed(piece, 0, end)
        payload += body.payload(piece) if decode else b""
        rest += piece[end:]
    return passed, payload, rest


@pytest.mark.parametrize("vector", CHUNKS, ids=lambda vector: vector.name)
def test_is_refused(vector: Vector, wire: Build) -> None:
    assert feed(wire, [chunks_of(vector)])[0] is None


@pytest.mark.parametrize("vector", CHUNKS, ids=lambda vector: vector.name)
def test_is_refused_byte_by_byte(vector: Vector, wire: Build) -> None:
    assert feed(wire, [bytes([c]) for c in chunks_of(vector)])[0] is None


STREAM = b'5\r\nhello\r\nA;x="y"\r\n0123456789\r\n00b\r\nhello world\r\n0;last\r\nX-A: b\r\nX-B:\r\n\r\n'
CLEAN = b"5\r\nhello\r\nA\r\n0123456789\r\n00b\r\nhello world\r\n0\r\nX-A: b\r\nX-B:\r\n\r\n"
PAYLOAD = b"hello0123456789hello world"
NEXT = b"GET / HTTP/1.1\r\n"


def test_a_chunked_body_whole(wire: Build) -> None:
    assert feed(wire, [STREAM + NEXT], decode=True) == (CLEAN, PAYLOAD, NEXT)


def test_a_chunked_body_split_at_every_byte(wire: Build) -> None:
    data = STREAM + NEXT
    for at in range(len(data) + 1):
        assert feed(wire, [data[:at], data[at:]], decode=True) == (CLEAN, PAYLOAD, NEXT)


def test_a_chunked_body_split_at_every_two_bytes(wire: Build) -> None:
    for first in range(0, len(STREAM), 3):
        for second in range(first, len(STREAM), 2):
            pieces = [STREAM[:first], STREAM[first:second], STREAM[second:]]
            assert feed(wire, pieces, decode=True)[:2] == (CLEAN, PAYLOAD)


def test_a_chunked_body_byte_by_byte(wire: Build) -> None:
    assert feed(wire, [bytes([c]) for c in STREAM + NEXT], decode=True) == (CLEAN, PAYLOAD, NEXT)


@RELAXED
@given(
    chunks=st.lists(
        st.tuples(st.binary(min_size=1, max_size=50), st.sampled_from([b"", b";a", b';b="c d"', b";\t;"])), max_size=8
    ),
    cuts=st.lists(st.integers(1, 400), max_size=10),
    trailers=st.lists(st.sampled_from([b"X-A: b\r\n", b"ETag: c\r\n", b"Empty:\r\n"]), max_size=3),
)
def test_what_is_passed_on_means_the_same(
    chunks: list[tuple[bytes, bytes]], cuts: list[int], trailers: list[bytes], wire: Build
) -> None:
    end = b"0\r\n" + b"".join(trailers) + b"\r\n"
    data = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk, extension in chunks) + end
    edges = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    passed, payload, rest = feed(wire, [data[a:b] for a, b in pairwise(edges)] + [NEXT], decode=True)
    assert payload == b"".join(chunk for chunk, _ in chunks)
    assert rest == NEXT
    assert passed == b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk, _ in chunks) + end
    assert feed(wire, [passed], decode=True) == (passed, payload, b"")


@RELAXED
@given(size=st.integers(0, 200), pieces=st.lists(st.binary(max_size=60), max_size=8))
def test_a_body_with_a_length_ends_where_it_says(size: int, pieces: list[bytes], wire: Build) -> None:
    body, table = reader(wire, size)
    data, taken = b"".join(pieces), b""
    for piece in pieces:
        if not body.ended:
            end = body.feed(piece, 0, table)
            taken += body.passed(piece, 0, end)
    assert taken == data[:size]
    assert body.ended == (len(data) >= size)
    assert body.size == len(taken)


def test_a_body_until_close_never_ends(wire: Build) -> None:
    body, table = reader(wire, SOURCE.body.UNTIL_CLOSE)
    assert body.feed(b"0\r\n\r\n", 0, table) == 5
    assert not body.ended
    assert body.passed(b"0\r\n\r\n", 0, 5) == b"0\r\n\r\n"


def test_a_reader_forgets_the_body_before(wire: Build) -> None:
    """The first piece of a message may hold nothing of its body; the ranges of the last one must not be read in it."""
    body, table = reader(wire, SOURCE.body.CHUNKED, decode=True)
    body.feed(b"5\r\nhello\r\n0\r\n\r\n", 0, table)
    body.begin(SOURCE.body.CHUNKED, True)
    assert body.payload(b"HTTP/1.1 200 OK\r\n\r\n") == b""
    assert (body.trailers, body.size, body.ended) == (b"", 0, False)


def test_the_bounds_of_framing_are_exact(wire: Build) -> None:
    longest = b"5;" + b"a" * 255 + b"\r\nhello\r\n"
    assert feed(wire, [longest])[0] == b"5\r\nhello\r\n"
    assert feed(wire, [b"5;" + b"a" * 256 + b"\r\nhello\r\n"])[0] is None
    assert feed(wire, [b"000000000000005\r\nhello\r\n"])[0] is not None
    assert feed(wire, [b"0000000000000005\r\nhello\r\n"])[0] is None
    fits = b"X: " + b"a" * (8192 - 3 - 2) + b"\r\n"
    assert feed(wire, [b"0\r\n" + fits + b"\r\n"])[0] == b"0\r\n" + fits + b"\r\n"
    assert feed(wire, [b"0\r\nX: " + b"a" * 8200 + b"\r\n\r\n"])[0] is None
    assert feed(wire, [b"0\r\nX: ", *[b"a" * 100] * 90])[0] is None


def test_extensions_of_a_whole_body_are_bounded_however_they_arrive(wire: Build) -> None:
    line = b"1;" + b"a" * 200 + b"\r\nx\r\n"
    assert feed(wire, [line] * 80)[0] is not None
    assert feed(wire, [line] * 90)[0] is None


def test_a_long_extension_costs_its_length_not_that_of_the_piece(wire: Build) -> None:
    """What is cut is remembered as ranges: a piece of a megabyte with one extension is joined from two slices."""
    chunk = b"x" * (1 << 20)
    data = b"100000;a=b\r\n" + chunk + b"\r\n0\r\n\r\n"
    body, table = reader(wire, SOURCE.body.CHUNKED)
    assert body.passed(data, 0, body.feed(data, 0, table)) == b"100000\r\n" + chunk + b"\r\n0\r\n\r\n"


@RELAXED
@given(data=st.binary(max_size=200))
def test_no_bytes_make_a_reader_raise_or_read_beyond(data: bytes, wire: Build) -> None:
    body, table = reader(wire, SOURCE.body.CHUNKED, decode=True)
    end = body.feed(data, 0, table)
    assert -1 <= end <= len(data)
    if end >= 0:
        assert len(body.passed(data, 0, end)) <= end
