"""What fuzzing has found stays fixed. Each was accepted, or left waiting, where llhttp read something else."""

import pytest

from fuzz.rules import CHUNKED, COMPLETE
from podparts.wire.body import Body
from podparts.wire.fields import request_fields, response_fields
from podparts.wire.http1 import Head

REQUEST, RESPONSE = request_fields(), response_fields()


def test_a_coding_that_a_tab_follows_is_refused() -> None:
    """llhttp takes `chunked<tab>` for an unknown coding, and reads a response with it until close."""
    assert Head().request(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\t\r\n\r\n", 0, REQUEST) == 501
    assert Head().response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \t\r\n\r\n", 0, RESPONSE) == 502


@pytest.mark.parametrize("body", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_an_upgrade_that_announces_a_body_is_no_upgrade(body: bytes) -> None:
    """llhttp would take the body for the first bytes after the switch."""
    head = Head()
    lines = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n%b\r\n\r\n" % body
    assert head.request(lines, 0, REQUEST) == COMPLETE
    assert not head.upgrade


def test_an_upgrade_to_nothing_is_no_upgrade() -> None:
    head = Head()
    assert head.request(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n", 0, REQUEST) == COMPLETE
    assert not head.upgrade


@pytest.mark.parametrize("byte", [b"\x80", b"\xf9", b"\xff"])
def test_a_trailer_name_beyond_ascii_is_refused(byte: bytes) -> None:
    """The compiled table look-up used a signed index, and read what lies before the table."""
    body = Body()
    body.begin(CHUNKED, False)
    assert body.feed(b"0\r\nX" + byte + b": v\r\n\r\n", 0, REQUEST) == -1


def test_a_start_line_that_is_too_short_is_refused_at_once() -> None:
    """Not waited for: nothing that may follow can complete it."""
    assert Head().response(b"HTTP/1.1 \r\n\r\n", 0, RESPONSE) == 502
    assert Head().request(b"GET / HTTP/\r\n\r\n", 0, REQUEST) == 400
