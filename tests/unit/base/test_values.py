"""Values: what people type is read as meant, written so that it reads back, and refused with a sentence."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podparts.values import Address, Addresses, Duration, Network, Size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10.0),
        ("10s", 10.0),
        ("0", 0.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1m30s", 90.0),
        ("7d", 604800.0),
        ("0.5", 0.5),
    ],
)
def test_a_duration_is_seconds_unless_it_names_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "1 s", "s", "10x", "1.2.3", ".", "inf", "nan", "1e3", "5m3", "٣s", "9" * 17]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a duration such as 10 \(seconds\)"):
        Duration.parse(text)


@given(st.integers(0, 10**15))
def test_a_duration_reads_back_what_it_writes(microseconds: int) -> None:
    duration = Duration(round(microseconds / 1e6, 6))
    assert Duration.parse(str(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.25, "250ms"), (1, "1s"), (90, "90s"), (300, "5m"), (0.0005, "0.0005s")]
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("65536", 65536), ("64KiB", 65536), ("64k", 65536), ("1m", 1 << 20), ("1MiB", 1 << 20), ("2G", 2 << 30)],
)
def test_a_size_is_bytes_unless_it_names_a_unit(text: str, size: int) -> None:
    assert Size.parse(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "1KB", "1 k", "1TiB", "٣", "9" * 17])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        Size.parse(text)


@given(st.integers(0, 1 << 50))
def test_a_size_reads_back_what_it_writes(number: int) -> None:
    assert Size.parse(str(Size(number))) == number


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, ""),
        ("app.default.svc:80", "app.default.svc", 80, ""),
        ("my_app:80", "my_app", 80, ""),
        ("[::1]:443", "::1", 443, ""),
        ("[fe80::1%eth0]:443", "fe80::1%eth0", 443, ""),
        (":8080", "", 8080, ""),
        ("unix:/run/app.sock", "", 0, "/run/app.sock"),
    ],
)
def test_an_address_reads_back_what_it_writes(text: str, host: str, port: int, path: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, address.path) == (host, port, path)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "app",
        "app:",
        "app:http",
        "app:65536",
        "app:-1",
        "app:٣",
        "::1:80",
        "[::1]",
        "[app]:80",
        "1.2.3:80",
        "256.1.1.1:80",
        "a b:80",
        "a..b:80",
        "http://app:80",
        "unix:run/app.sock",
        "unix:",
        "x" * 254 + ":80",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        Address.parse(text)


@given(st.text(alphabet=string.printable, max_size=40))
def test_any_text_is_an_address_that_reads_back_or_is_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address


def test_addresses_are_a_comma_list() -> None:
    addresses = Addresses.parse("a:1, [::1]:2")
    assert [one.host for one in addresses] == ["a", "::1"]
    assert str(addresses) == "a:1,[::1]:2"
    with pytest.raises(ValueError, match="expected host:port"):
        Addresses.parse("a:1,")


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("fd00::/8", "fd12::1", "fe80::1"),
        ("0.0.0.0/0", "8.8.8.8", "::1"),
        ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
        ("::/0", "::1", "not an address"),
    ],
)
def test_a_network_knows_its_members(network: str, inside: str, outside: str) -> None:
    assert inside in Network.parse(network)
    assert outside not in Network.parse(network)
    assert Network.parse(str(Network.parse(network))) == Network.parse(network)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "10.0.0.0/33", "10/8", "app", "10.0.0.0/", "10.0.0.0/-1", "::1/129"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a network"):
        Network.parse(text)
