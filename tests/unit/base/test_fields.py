"""The table of field names, and the character classes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import builds
from kit.builds import Build

SOURCE = builds.uncompiled()
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
HELD = st.binary(min_size=1, max_size=63).filter(lambda name: name[0] not in b"-_")
REQUEST = {
    b"connection": "CONNECTION", b"content-length": "LENGTH", b"transfer-encoding": "ENCODING", b"host": "HOST",
    b"upgrade": "UPGRADE", b"expect": "EXPECT", b"x-forwarded-for": "FORWARDED", b"forwarded": "FORWARDED",
    b"keep-alive": "CUT", b"te": "CUT", b"proxy-connection": "CUT", b"http2-settings": "CUT",
}  # fmt: skip


def meaning(wire: Build, name: bytes, **options: tuple[bytes, ...]) -> int:
    table = wire.fields.request_fields(**options)
    return int(table.meaning(name, 0, len(name)))


@pytest.mark.parametrize(("name", "means"), REQUEST.items())
def test_a_name_means_the_same_in_any_case(name: bytes, means: str, wire: Build) -> None:
    for spelled in (name, name.upper(), name.title(), name.swapcase()):
        assert meaning(wire, spelled) == getattr(SOURCE.fields, means)


@pytest.mark.parametrize("name", [name for name in REQUEST if b"-" in name])
def test_the_twin_with_an_underscore_is_never_passed_on(name: bytes, wire: Build) -> None:
    """CGI and WSGI read both as one variable; only the real name has the meaning."""
    assert meaning(wire, name.replace(b"-", b"_")) == SOURCE.fields.CUT
    assert meaning(wire, name.replace(b"-", b"_").upper()) == SOURCE.fields.CUT


@pytest.mark.parametrize(
    "name",
    [b"h", b"hosts", b"hos", b"cookie", b"content-type", b"x", b"~", b"H0st", b"a" * 63, b"a" * 64, b"host" * 30],
)
def test_other_names_mean_nothing(name: bytes, wire: Build) -> None:
    assert meaning(wire, name) == SOURCE.fields.PLAIN


def test_names_that_a_part_drops_are_cut_with_their_twins(wire: Build) -> None:
    drop = (b"X-Client-Cert", b"x-client-dn")
    for name in (b"x-client-cert", b"X-CLIENT-DN", b"x_client_cert", b"X-Client_Dn"):
        assert meaning(wire, name, drop=drop) == SOURCE.fields.CUT
    assert meaning(wire, b"x-client-cer", drop=drop) == SOURCE.fields.PLAIN


def test_a_name_is_looked_up_where_it_lies(wire: Build) -> None:
    data = b"\x00\xffhOsT: x"
    assert wire.fields.request_fields().meaning(data, 2, 4) == SOURCE.fields.HOST


def test_a_table_refuses_names_it_cannot_hold(wire: Build) -> None:
    with pytest.raises(ValueError, match="expected at most 255 names of 1 to 63 bytes"):
        wire.fields.Fields({b"a" * 64: 1})
    with pytest.raises(ValueError, match="expected"):
        wire.fields.Fields({b"": 1})
    for first in (b"-", b"_"):
        with pytest.raises(ValueError, match="does not start with - or _"):
            wire.fields.Fields({first + b"host": 1})


@RELAXED
@given(names=st.lists(HELD, max_size=40), asked=st.binary(min_size=1, max_size=70))
def test_a_table_finds_what_is_in_it_and_nothing_else(names: list[bytes], asked: bytes, wire: Build) -> None:
    def folded(name: bytes) -> bytes:
        return name.lower().replace(b"_", b"-")

    plain = {folded(name): 7 for name in names}
    table = wire.fields.Fields(plain)
    for name in plain:
        assert table.meaning(name, 0, len(name)) == 7
    expected = 0 if folded(asked) not in plain else 1 if b"_" in asked else 7
    assert table.meaning(asked, 0, len(asked)) == expected


def test_character_classes_are_those_of_the_rfcs() -> None:
    classes, fields = SOURCE.fields.CLASSES, SOURCE.fields
    token = {c for c in range(256) if classes[c] & fields.TOKEN}
    assert token == set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    value = {c for c in range(256) if classes[c] & fields.VALUE}
    assert value == {9, *range(0x20, 0x7F), *range(0x80, 0x100)}
    target = {c for c in range(256) if classes[c] & fields.TARGET}
    assert target == set(range(0x21, 0x7F)) - {ord("#")}
    assert not any(classes[c] & fields.AUTHORITY for c in b' @/\\"<>,?#{}|^`\x00\x7f\x80')
