"""Where plain HTTP is sent."""

import pytest

from https_sidecar.redirect import is_excepted, location, redirect


@pytest.mark.parametrize(
    ("host", "port", "where"),
    [
        (b"example.test", 443, b"https://example.test/a?b"),
        (b"example.test:8080", 443, b"https://example.test/a?b"),
        (b"example.test", 8443, b"https://example.test:8443/a?b"),
        (b"[::1]:80", 443, b"https://[::1]/a?b"),
        (b"192.0.2.1", 443, b"https://192.0.2.1/a?b"),
    ],
)
def test_the_same_url_with_https(host: bytes, port: int, where: bytes) -> None:
    assert location(host, b"/a?b", port) == where


@pytest.mark.parametrize("host", [b"", b"a b", b"a/b", b"user@evil.test", b"a\\b", b"a:b", b"a:1:2", b"a?b", b"a\n"])
def test_a_host_that_could_lead_elsewhere_is_refused(host: bytes) -> None:
    assert redirect(host, b"/", 443, 308).status == 400


@pytest.mark.parametrize("target", [b"*", b"http://evil.test/", b"evil.test:443", b""])
def test_a_target_that_is_no_path_is_refused(target: bytes) -> None:
    assert redirect(b"a", target, 443, 308).status == 400


@pytest.mark.parametrize(
    ("path", "excepted"),
    [
        (b"/acme/x", True), (b"/acme", True), (b"/acme/", True), (b"/acmex", False), (b"/", False),
        (b"/acme/../admin", False), (b"/acme/./x", False), (b"/acme/%2e%2e/admin", False), (b"/acme/%2E./a", False),
    ],
)  # fmt: skip
def test_a_path_is_excepted_by_whole_segments_without_dots(path: bytes, excepted: bool) -> None:
    assert is_excepted(path, (b"/acme/",)) is excepted
