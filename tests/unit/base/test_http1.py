"""Heads: whole, split at every byte, generated; what is accepted means the same once it is passed on."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import builds
from kit.builds import Build
from kit.vectors import FRAMING, LINES, TARGETS, Vector

SOURCE = builds.uncompiled()
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
HEADS = [one for one in FRAMING + LINES + TARGETS if one.name != "a method without an end"]

FULL = (
    b"\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nX-A: b\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
    b"X-Forwarded-For: 6.6.6.6\r\nContent-Length: 5\r\nX-Hop: 2\r\nX-B:\r\nX-C: \t d e \t\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 All right\r\nServer: s\r\nConnection: X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
    b"Transfer-Encoding: chunked\r\nX-Z: \xff\r\n\r\n"
)


def request(wire: Build, data: bytes, start: int = 0, **limits: int):  # type: ignore[no-untyped-def]
    """The result of reading a request and the Head that did."""
    head = wire.http1.Head(**limits)
    return head.request(data, start, wire.fields.request_fields()), head


def response(wire: Build, data: bytes, **limits: int):  # type: ignore[no-untyped-def]
    head = wire.http1.Head(**limits)
    return head.response(data, 0, wire.fields.response_fields()), head


@pytest.mark.parametrize("vector", HEADS, ids=lambda vector: vector.name)
def test_is_refused(vector: Vector, wire: Build) -> None:
    result, head = request(wire, vector.data)
    assert result == vector.status
    assert head.reason


@pytest.mark.parametrize("vector", HEADS, ids=lambda vector: vector.name)
def test_is_refused_however_it_arrives(vector: Vector, wire: Build) -> None:
    """Never complete at any earlier byte, and refused at the latest with the last."""
    results = []
    for end in range(len(vector.data) + 1):
        result, _ = request(wire, vector.data[:end])
        assert result != SOURCE.http1.COMPLETE
        results.append(result)
        if result != SOURCE.http1.INCOMPLETE:
            break
    assert results[-1] >= 400


def test_a_request_is_read(wire: Build) -> None:
    result, head = request(wire, FULL + b"hello")
    assert result == SOURCE.http1.COMPLETE
    assert (head.method, head.target, head.path, head.query) == (b"POST", b"/a/b?c=d", b"/a/b", b"c=d")
    assert (head.host, head.minor, head.length) == (b"a.example:80", 1, 5)
    assert (head.start, head.end) == (2, len(FULL))
    assert (head.close, head.keep_alive, head.upgrade, head.expects) == (False, True, False, False)
    assert head.forwarded_fields == 1
    assert head.header(b"x-hop") == b"1, 2"
    assert head.header(b"x-c") == b"d e"
    assert head.header(b"x-b") == b""
    assert head.header(b"x-none") is None


@pytest.mark.parametrize(
    "data", [FULL, FULL.replace(b"POST /a/b?c=d", b"GET http://h/x?y")], ids=["origin", "absolute"]
)
def test_a_request_split_at_every_byte_waits_and_is_then_read_the_same(data: bytes, wire: Build) -> None:
    whole, expected = request(wire, data)
    assert whole == SOURCE.http1.COMPLETE
    head = wire.http1.Head()
    table = wire.fields.request_fields()
    for end in range(len(data)):
        assert head.request(data[:end], 0, table) == SOURCE.http1.INCOMPLETE
    assert head.request(data, 0, table) == SOURCE.http1.COMPLETE
    assert head.kept() == expected.kept()
    assert head.forwarded(None, b"", 0, 0) == expected.forwarded(None, b"", 0, 0)


def test_an_answer_split_at_every_byte_waits_and_is_then_read_the_same(wire: Build) -> None:
    head = wire.http1.Head()
    table = wire.fields.response_fields()
    for end in range(len(ANSWER)):
        assert head.response(ANSWER[:end], 0, table) == SOURCE.http1.INCOMPLETE
    assert head.response(ANSWER, 0, table) == SOURCE.http1.COMPLETE
    assert (head.status, head.length, head.minor) == (200, SOURCE.http1.CHUNKED, 1)
    assert head.forwarded(None, b"", 0, 0) == (
        b"HTTP/1.1 200 All right\r\nServer: s\r\nTransfer-Encoding: chunked\r\nX-Z: \xff\r\n\r\n"
    )


def test_what_is_passed_on_is_what_was_not_cut_and_what_is_added(wire: Build) -> None:
    _, head = request(wire, FULL + b"hello")
    passed = head.forwarded(b"PUT /z HTTP/1.1\r\n", b"X-New: 1\r\n", len(FULL), len(FULL) + 5)
    assert passed == (
        b"PUT /z HTTP/1.1\r\nHost: a.example:80\r\nX-A: b\r\nContent-Length: 5\r\nX-B:\r\nX-C: \t d e \t\r\n"
        b"X-New: 1\r\n\r\nhello"
    )


def test_a_head_is_found_behind_another(wire: Build) -> None:
    data = FULL + b"hello" + b"GET /next HTTP/1.0\r\n\r\n"
    result, head = request(wire, data, len(FULL) + 5)
    assert result == SOURCE.http1.COMPLETE
    assert (head.target, head.end, head.minor, head.close, head.host) == (b"/next", len(data), 0, True, b"")


def test_a_reader_forgets_the_message_before(wire: Build) -> None:
    table = wire.fields.request_fields()
    head = wire.http1.Head()
    eventful = (
        b"POST http://h/ HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade, x-a\r\nUpgrade: u\r\nContent-Length: 0\r\n"
    )
    assert (
        head.request(eventful + b"Expect: 100-continue\r\nForwarded: for=1\r\n\r\n", 0, table) == SOURCE.http1.COMPLETE
    )
    assert head.request(b"GET / HTTP/1.1\r\nHost: y\r\nX-A: b\r\n\r\n", 0, table) == SOURCE.http1.COMPLETE
    assert (head.close, head.upgrade, head.expects, head.absolute, head.forwarded_fields) == (
        False,
        False,
        False,
        False,
        0,
    )
    assert (head.length, head.host, head.upgrade_value) == (SOURCE.http1.NO_LENGTH, b"y", b"")
    assert head.kept() == [(b"Host", b"y"), (b"X-A", b"b")]


@pytest.mark.parametrize(
    ("lines", "version", "close", "keep_alive"),
    [
        (b"", b"1.1", False, False),
        (b"Connection: close\r\n", b"1.1", True, False),
        (b"", b"1.0", True, False),
        (b"Connection: keep-alive\r\n", b"1.0", False, True),
        (b"Connection: Keep-Alive, CLOSE\r\n", b"1.0", True, True),
        (b"Connection: a\r\nConnection:\tclose \r\n", b"1.1", True, False),
        (b"Connection: closed\r\n", b"1.1", False, False),
        (b"Connection: ,,close\r\n", b"1.1", True, False),
    ],
)
def test_persistence_is_as_connection_says(
    lines: bytes, version: bytes, close: bool, keep_alive: bool, wire: Build
) -> None:
    result, head = request(wire, b"GET / HTTP/" + version + b"\r\nHost: x\r\n" + lines + b"\r\n")
    assert result == SOURCE.http1.COMPLETE
    assert (head.close, head.keep_alive) == (close, keep_alive)


@pytest.mark.parametrize(
    ("target", "origin", "host"),
    [
        (b"http://h:1/a?b", b"/a?b", b"h:1"), (b"HTTPS://h", b"/", b"h"), (b"http://h?q", b"/?q", b"h"),
        (b"http://[::1]:80/", b"/", b"[::1]:80"), (b"/http://h/", b"/http://h/", b"x"), (b"/", b"/", b"x"),
    ],
)  # fmt: skip
def test_the_host_is_that_of_the_target_or_of_host(target: bytes, origin: bytes, host: bytes, wire: Build) -> None:
    result, head = request(wire, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert result == SOURCE.http1.COMPLETE
    assert (head.origin, head.host) == (origin, host)
    assert (b"Host" in dict(head.kept())) == (not head.absolute)


@pytest.mark.parametrize("length", [b"0", b"5", b"00005", b"999999999999999999", b" 7\t"])
def test_a_length_is_a_number_of_at_most_eighteen_digits(length: bytes, wire: Build) -> None:
    result, head = request(wire, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:" + length + b"\r\n\r\n")
    assert (result, head.length) == (SOURCE.http1.COMPLETE, int(length))


def test_the_limits_of_a_head_are_exact(wire: Build) -> None:
    frame = b"GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n"
    for extra, expected in ((1000 - len(frame), 1), (1001 - len(frame), 431)):
        data = frame.replace(b"X: ", b"X: " + b"a" * extra)
        assert request(wire, data, head_limit=1000)[0] == expected
    for size, expected in ((100, 1), (101, 414)):
        data = b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        assert request(wire, data, target_limit=100)[0] == expected


def test_a_hundred_fields_are_read_and_one_more_is_not(wire: Build) -> None:
    for count, expected in ((99, 1), (100, 431)):
        assert request(wire, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * count + b"\r\n")[0] == expected


def test_more_gaps_than_can_be_held_are_refused(wire: Build) -> None:
    lines = b"".join(b"TE: a\r\nX-%d: b\r\n" % i for i in range(33))
    assert request(wire, b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")[0] == 431


def test_empty_lines_without_end_are_refused(wire: Build) -> None:
    assert request(wire, b"\r\n" * 400, head_limit=1000)[0] == SOURCE.http1.INCOMPLETE
    assert request(wire, b"\r\n" * 501, head_limit=1000)[0] == 431


@pytest.mark.parametrize("code", [b"099", b"000", b"1x0", b"20", b"2000"])
def test_a_status_is_three_digits_from_100(code: bytes, wire: Build) -> None:
    assert response(wire, b"HTTP/1.1 " + code + b" X\r\n\r\n")[0] == 502


def test_a_status_without_a_reason_is_read(wire: Build) -> None:
    for line in (b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200 \r\n\r\n"):
        result, head = response(wire, line)
        assert (result, head.status) == (SOURCE.http1.COMPLETE, 200)


TOKENS = st.text("abcXYZ09-_.!~", min_size=1, max_size=20).map(str.encode)
VALUES = st.binary(max_size=30).map(lambda value: bytes(c for c in value if c in range(0x21, 0x7F) or c > 0x7F))
NAMES = st.one_of(
    TOKENS,
    st.sampled_from(
        [b"TE", b"Keep-Alive", b"X-Forwarded-For", b"Forwarded", b"X_Forwarded_Host", b"Upgrade", b"X-Id", b"x-id"]
    ),
)
FIELD_LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=25)


@RELAXED
@given(
    fields=FIELD_LISTS,
    nominated=st.lists(st.sampled_from([b"x-id", b"te", b"close", b"abc"]), max_size=3),
    body=st.binary(max_size=30),
)
def test_the_head_that_is_passed_on_reads_as_what_was_kept(
    fields: list[tuple[bytes, bytes]], nominated: list[bytes], body: bytes, wire: Build
) -> None:
    pairs = [*fields, (b"Connection", b", ".join(nominated)), (b"Content-Length", b"%d" % len(body)), (b"hOST", b"h")]
    data = b"POST /p HTTP/1.1\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in pairs) + b"\r\n" + body
    result, head = request(wire, data)
    if result != SOURCE.http1.COMPLETE:  # a generated name that is another Content-Length, too many gaps
        assert result in (400, 431, 417, 501)
        return
    passed = head.forwarded(None, b"", head.end, len(data))
    again, second = request(wire, passed)
    assert again == SOURCE.http1.COMPLETE
    assert second.fields() == head.kept()
    assert (second.method, second.target, second.host, second.length) == (b"POST", b"/p", b"h", len(body))
    assert passed[second.end :] == body
    gone = {b"te", b"keep-alive", b"connection", b"upgrade", b"forwarded", b"x-forwarded-for", *nominated} - {b"close"}
    assert not gone & {name.lower() for name, _ in second.fields()}


@RELAXED
@given(data=st.binary(max_size=300), start=st.integers(0, 5))
def test_no_bytes_make_a_reader_raise_or_read_beyond(data: bytes, start: int, wire: Build) -> None:
    result, head = request(wire, b"x" * start + data, start)
    assert result in {0, 1, 400, 405, 414, 417, 431, 501, 505}
    if result == 1:
        assert start < head.end <= start + len(data)
    assert response(wire, data)[0] in {0, 1, 502}


@RELAXED
@given(at=st.integers(0, len(FULL) - 1), byte=st.integers(0, 255))
def test_both_builds_agree_on_a_request_with_one_wrong_byte(at: int, byte: int, wire: Build) -> None:
    from podparts.wire.fields import request_fields
    from podparts.wire.http1 import Head

    data = FULL[:at] + bytes([byte]) + FULL[at + 1 :]
    ours = Head()
    expected = ours.request(data, 0, request_fields())
    result, head = request(wire, data)
    assert (result, head.reason) == (expected, ours.reason)
    if result == 1:
        assert (head.kept(), head.length, head.close) == (ours.kept(), ours.length, ours.close)
