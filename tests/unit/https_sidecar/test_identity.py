"""What the application is told about a client certificate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from https_sidecar.identity import FIELDS, Identity, TooLargeError, distinguished_name, encoded, fields
from podparts.wire.fields import request_fields
from podparts.wire.http1 import Head

ALL = ("fields", "xfcc", "rfc9440")


def names(lines: bytes) -> set[bytes]:
    return {line.partition(b":")[0].lower() for line in lines.split(b"\r\n") if line}


def test_every_field_that_can_be_added_is_taken_from_clients() -> None:
    identity = Identity("s", "i", "cn", ("ou",), ("dns",), ("uri",), ("ip",), "01", 0, 0, b"der")
    assert names(fields(identity, ALL)) | names(fields(None, ALL)) <= set(FIELDS)


def test_without_a_certificate_the_application_is_told_so() -> None:
    assert fields(None, ALL) == b"X-Client-Cert-Verified: NONE\r\n"


@given(st.text(), st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_no_name_in_a_certificate_can_add_or_end_a_field(name: str, dns: list[str], uris: list[str]) -> None:
    identity = Identity(distinguished_name([("commonName", name)]), "", name, (name,), tuple(dns), tuple(uris))
    lines = fields(identity, ALL)
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"
    assert Head(1 << 20, 1000).request(head, 0, request_fields()) == 1
    assert names(lines) <= set(FIELDS)


@given(st.text())
def test_an_encoded_name_is_printable_and_no_list(name: str) -> None:
    text = encoded(name)
    assert text.isascii()
    assert not set(text) & set(',;"\\\r\n\0')


def test_a_distinguished_name_is_escaped() -> None:
    names = [("organizationName", "Fish, Chips & Co"), ("commonName", 'a"b')]
    assert distinguished_name(names) == 'CN=a\\"b,O=Fish\\, Chips & Co'


def test_more_names_than_a_request_should_carry_are_refused() -> None:
    identity = Identity(dns=tuple(f"host-{number}.example.test" for number in range(2000)))
    with pytest.raises(TooLargeError):
        fields(identity, ("fields",))
