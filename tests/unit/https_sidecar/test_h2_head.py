"""HTTP/2 heads as lines, and the sizes of frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from https_sidecar.h2_head import BadRequestError, FrameSizes, head_of, trailer_of

PSEUDO = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x")]


def test_a_head_becomes_lines() -> None:
    head, chunked = head_of([*PSEUDO, (b"x", b"1")], True)
    assert (head, chunked) == (b"GET /x HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n", False)


def test_a_body_of_unknown_length_is_chunked() -> None:
    head, chunked = head_of(PSEUDO, False)
    assert chunked
    assert b"transfer-encoding: chunked\r\n" in head


def test_crumbs_of_a_cookie_are_joined() -> None:
    head, _ = head_of([*PSEUDO, (b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2")], True)
    assert b"cookie: a=1; b=2\r\n" in head


@pytest.mark.parametrize("left_out", range(4))
def test_a_pseudo_header_that_is_missing_is_refused(left_out: int) -> None:
    headers = PSEUDO[:left_out] + PSEUDO[left_out + 1 :]
    if PSEUDO[left_out][0] == b":scheme":
        assert head_of(headers, True)
    else:
        with pytest.raises(BadRequestError):
            head_of(headers, True)


@given(st.binary(), st.binary())
def test_no_field_can_hold_a_line_end(name: bytes, value: bytes) -> None:
    try:
        head, _ = head_of([*PSEUDO, (name, value)], True)
    except BadRequestError:
        return
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n") <= 4
    assert b"\0" not in head


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb"), (b"X", b"a"), (b"", b"a"), (b"x", b"\0")])
def test_a_trailer_that_is_no_line_is_refused(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequestError):
        trailer_of([field])


def frame(size: int) -> bytes:
    return size.to_bytes(3) + bytes(6) + bytes(size)


@given(st.lists(st.integers(0, 100), max_size=5), st.integers(1, 40))
def test_frames_within_the_size_pass_however_they_are_cut(sizes: list[int], step: int) -> None:
    stream = bytes(24) + b"".join(map(frame, sizes))
    seen = FrameSizes(100)
    assert not any(seen.exceeded(stream[at : at + step]) for at in range(0, len(stream), step))


@given(st.lists(st.integers(0, 100), max_size=5), st.integers(1, 40))
def test_a_frame_beyond_the_size_is_seen_by_its_head(sizes: list[int], step: int) -> None:
    stream = bytes(24) + b"".join(map(frame, sizes)) + (101).to_bytes(3) + bytes(6)
    seen = FrameSizes(100)
    assert any(seen.exceeded(stream[at : at + step]) for at in range(0, len(stream), step))
