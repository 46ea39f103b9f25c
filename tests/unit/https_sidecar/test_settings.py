"""What https-sidecar accepts as settings."""

import pytest

from https_sidecar.settings import Hsts, Settings
from podparts.settings import SettingsError, load

GOOD = {"CERTIFICATE_PATH": "/certs/tls.crt"}


def problems(**env: str) -> list[str]:
    with pytest.raises(SettingsError) as told:
        load(Settings, env)
    return [problem.variable for problem in told.value.problems]


def test_the_books_two_names_are_enough() -> None:
    settings = load(Settings, GOOD | {"PROXY_PORT": "5000"})
    assert str(settings.application) == "127.0.0.1:5000"


def test_ghostunnels_words_are_understood() -> None:
    settings = load(
        Settings, {"CERT": "a", "KEY": "b", "CACERT": "c", "TARGET": "localhost:1", "UNSAFE_TARGET": "false"}
    )
    assert (settings.certificate_path, settings.key_path, settings.client_ca_path) == ("a", "b", "c")
    assert (str(settings.application), settings.wants_client) == ("localhost:1", "require")


@pytest.mark.parametrize("upstream", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/run/app.sock"])
def test_an_upstream_in_this_pod_is_good(upstream: str) -> None:
    assert str(load(Settings, GOOD | {"UPSTREAM": upstream}).application) == upstream


@pytest.mark.parametrize("upstream", ["10.0.0.1:1", "app:1", "0.0.0.0:1", "[::2]:1", "[::ffff:10.0.0.1]:1"])
def test_an_upstream_beyond_this_pod_needs_a_word_more(upstream: str) -> None:
    assert problems(**GOOD, UPSTREAM=upstream) == ["UPSTREAM"]
    assert load(Settings, GOOD | {"UPSTREAM": upstream, "UNSAFE_UPSTREAM": "true"})


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({"PROXY_PORT": "0"}, "PROXY_PORT"),
        ({"PROXY_PORT": "tcp://10.0.0.1:80"}, "PROXY_PORT"),
        ({"PROXY_PORT": "1", "UPSTREAM": "localhost:2"}, "PROXY_PORT"),
        ({"CLIENT_AUTH": "require"}, "CLIENT_AUTH"),
        ({"CLIENT_ALLOW": "cn=web"}, "CLIENT_ALLOW"),
        ({"CLIENT_CA_PATH": "ca", "CLIENT_ALLOW": "web"}, "CLIENT_ALLOW"),
        ({"SELF_SIGNED": "localhost"}, "SELF_SIGNED"),
        ({"TLS_MIN_VERSION": "1.1"}, "TLS_MIN_VERSION"),
        ({"TLS_CIPHERS": "NONSENSE"}, "TLS_CIPHERS"),
        ({"ALPN": "spdy"}, "ALPN"),
        ({"HSTS": "always"}, "HSTS"),
        ({"HSTS": "max-age=1\r\nX: y"}, "HSTS"),
        ({"MODE": "tcp", "HSTS": "1d"}, "HSTS"),
        ({"MODE": "tcp", "REDIRECT_LISTEN": ":80"}, "REDIRECT_LISTEN"),
        ({"PROXY_PROTOCOL_OUT": "v2"}, "PROXY_PROTOCOL_OUT"),
        ({"REDIRECT_EXCEPT": "acme"}, "REDIRECT_EXCEPT"),
        ({"H2_STREAMS": "0"}, "H2_STREAMS"),
        ({"RELOAD_INTERVAL": "0"}, "RELOAD_INTERVAL"),
    ],
)
def test_what_cannot_work_is_named(env: dict[str, str], variable: str) -> None:
    assert problems(**GOOD, **env) == [variable]


def test_without_a_certificate_nothing_starts() -> None:
    assert problems() == ["CERTIFICATE_PATH"]


@pytest.mark.parametrize("name", ["a b", "a,DNS:b\n", "-", "a..b", "[::1]"])
def test_only_names_can_be_self_signed(name: str) -> None:
    assert "SELF_SIGNED" in problems(SELF_SIGNED=name)


@pytest.mark.parametrize(
    ("text", "value"), [("365d", "max-age=31536000"), ("", ""), ("0", ""), ("max-age=5; preload", "max-age=5; preload")]
)
def test_hsts_is_a_duration_or_the_fields_own_words(text: str, value: str) -> None:
    assert Hsts.parse(text) == value
    assert Hsts.parse(str(Hsts.parse(text))) == value
