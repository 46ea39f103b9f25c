"""Answers that are given here, as bytes that a strict reader takes."""

import time

import pytest

from kit.raw import parse
from podparts.proxy.response import PHRASES, REFUSALS, answer_bytes, http_date
from podparts.web import Answer


@pytest.mark.parametrize("status", sorted(REFUSALS))
def test_a_refusal_is_a_whole_answer_that_closes_and_tells_nothing(status: int) -> None:
    parsed = parse(REFUSALS[status])
    assert parsed is not None
    answer, end = parsed
    assert end == len(REFUSALS[status])
    assert answer.status == status
    assert answer.header("connection") == "close"
    assert answer.body.decode() == f"{status} {PHRASES[status]}\n"


def test_405_says_what_is_allowed() -> None:
    parsed = parse(REFUSALS[405])
    assert parsed is not None
    assert parsed[0].header("allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def test_every_status_that_a_proxy_gives_has_a_refusal() -> None:
    assert {400, 405, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505} <= set(REFUSALS)


def test_an_answer_has_its_length_type_date_and_fields() -> None:
    parsed = parse(answer_bytes(Answer(201, b"hi", "a/b", (("X-A", "c"),)), head_only=False, close=False, minor=1))
    assert parsed is not None
    answer = parsed[0]
    assert (answer.status, answer.reason, answer.body) == (201, "Created", b"hi")
    assert (answer.header("content-type"), answer.header("x-a"), answer.header("connection")) == ("a/b", "c", None)
    assert time.strptime(answer.header("date") or "", "%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize("status", [200, 204, 304])
def test_an_answer_to_head_ends_with_its_head(status: int) -> None:
    data = answer_bytes(Answer(status, b"hi"), head_only=True, close=True, minor=1)
    assert data.endswith(b"Connection: close\r\n\r\n")
    assert (b"Content-Length: 2\r\n" in data) == (status == 200)


def test_http_1_0_is_told_that_the_connection_stays() -> None:
    assert b"Connection: keep-alive\r\n" in answer_bytes(Answer(), head_only=False, close=False, minor=0)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nb", "a\rb"])
def test_a_field_cannot_break_its_line(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        answer_bytes(Answer(headers=(("X-A", value),)), head_only=False, close=False, minor=1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 GMT"),
    ],
)
def test_dates_are_those_of_the_rfc(seconds: int, text: str) -> None:
    assert http_date(seconds) == text
