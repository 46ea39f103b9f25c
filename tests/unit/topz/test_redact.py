"""Secrets in command lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topz.redact import HIDDEN, redact, sensitive

SECRET = "hunter2horse"

HIDES = [
    ["app", f"--password={SECRET}"],
    ["app", "--password", SECRET],
    ["app", f"-password={SECRET}"],
    ["app", "--db-password", SECRET],
    ["app", f"--dbPassword={SECRET}"],
    ["app", "--api-key", SECRET],
    ["app", f"--apiKey={SECRET}"],
    ["app", "--token", f"-{SECRET}"],
    ["env", f"AWS_SECRET_ACCESS_KEY={SECRET}", "app"],
    ["env", f"PGPASSWORD={SECRET}", "psql"],
    ["app", f"DB_PASS={SECRET}"],
    ["mysql", "-u", "root", f"-p{SECRET}", "shop"],
    ["/usr/bin/mysqldump", f"-p{SECRET}"],
    ["mongosh", "-u", "x", "-p", SECRET],
    ["redis-cli", "-a", SECRET, "ping"],
    ["redis-server", "--requirepass", SECRET],
    ["curl", "-u", f"alice:{SECRET}", "http://x"],
    ["curl", f"-ualice:{SECRET}"],
    ["curl", "--user", f"alice:{SECRET}"],
    ["curl", f"--user=alice:{SECRET}"],
    ["curl", "-H", f"Authorization: Bearer {SECRET}"],
    ["curl", "-H", f"X-Api-Key: {SECRET}"],
    ["curl", "-b", f"session={SECRET}"],
    ["app", f"postgres://alice:{SECRET}@db/shop"],
    ["app", f"--dsn=redis://:{SECRET}@cache:6379/0"],
    ["git", "clone", "https://ghp_0123456789abcdefghijABCDEFGHIJ456789@host/x.git"],
    ["app", f"https://host/hook?token={SECRET}&x=1"],
    ["app", f"host=db user=alice password={SECRET} dbname=shop"],
    ["app", f"Server=db;Password={SECRET};Database=shop"],
    ["app", f'{{"user":"alice","password":"{SECRET}"}}'],
    ["app", f'{{"user":"alice", "password" : "{SECRET} with spaces"}}'],
    ["sh", "-c", f"mysql -p{SECRET} < dump"],
    ["sh", "-c", f"exec app --token {SECRET}"],
    ["sh", "-c", f"PASSWORD={SECRET} app"],
    ["sh", "-c", f"PASSWORD='{SECRET} x' app"],
    ["openssl", "rsa", "-passin", f"pass:{SECRET}"],
    ["openssl", "x", f"pass:{SECRET}"],
    ["docker", "login", "-u", "alice", "-p", SECRET],
    ["sshpass", f"-p{SECRET}", "ssh", "host"],
    ["ldapsearch", "-w", SECRET],
    [f"postgres: alice shop password={SECRET}"],
    ["app", f"-----BEGIN RSA PRIVATE KEY-----\\x0a{SECRET}"],
]

SHAPES = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ456789",
    "glpat-0123456789abcdefghij",
    "xoxb-123456789012-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "Bearer 0123456789abcdef",
]

KEEPS = [
    ["nginx", "-g", "daemon off;"],
    ["app", "--password-file=/run/secrets/db"],
    ["app", "--token-ttl", "30m"],
    ["app", "--tokenizer=fast"],
    ["app", "--auth-mode", "mtls"],
    ["docker", "run", "-p", "80:80", "web"],
    ["mysql", "-p", "shop"],
    ["git", "clone", "ssh://git@host/x.git"],
    ["app", "http://host:8080/path?page=2"],
    ["java", "-Xmx2g", "-Dserver.port=8080", "-jar", "app.jar"],
    ["python", "-m", "http.server", "--bind", "127.0.0.1"],
    ["app", "--secret-name=db", "--no-password"],
    ["grep", "-u", "alice:bob"],
    ["app", "--compass=north", "--bypass", "cache"],
    ["postgres: alice shop 10.0.0.1(5432) idle"],
]


@pytest.mark.parametrize("arguments", HIDES, ids=lambda arguments: " ".join(arguments)[:60])
def test_a_secret_is_hidden(arguments: list[str]) -> None:
    shown = " ".join(redact(arguments))
    assert SECRET not in shown
    assert "ghp_" not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize("secret", SHAPES)
def test_a_secret_of_a_known_shape_needs_no_name(secret: str) -> None:
    shown = redact(["app", secret, f"x={secret}"])
    assert secret not in " ".join(shown)


@pytest.mark.parametrize("arguments", KEEPS, ids=lambda arguments: " ".join(arguments)[:60])
def test_what_is_no_secret_stays(arguments: list[str]) -> None:
    assert redact(arguments) == arguments


def test_what_surrounds_a_secret_stays() -> None:
    assert redact(["curl", "-s", "-u", "alice:x", "http://bob:y@host/z?a=1"]) == [
        "curl",
        "-s",
        "-u",
        f"alice:{HIDDEN}",
        f"http://bob:{HIDDEN}@host/z?a=1",
    ]


def test_the_option_after_a_secret_without_a_value_stays() -> None:
    assert redact(["app", "--token", "--verbose"]) == ["app", "--token", "--verbose"]


def test_spaces_within_an_argument_stay_as_they_are() -> None:
    assert redact(["sh", "-c", "a  --token\tx   b"]) == ["sh", "-c", f"a  --token\t{HIDDEN}   b"]


arguments = st.lists(st.text(max_size=30), min_size=1, max_size=8)
secrets = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=24).map(lambda text: "Zq" + text)


@given(arguments)
def test_the_program_is_never_lost(words: list[str]) -> None:
    shown = redact(words)
    assert len(shown) == len(words)
    assert shown[0].split()[:1] == words[0].split()[:1]


@given(arguments)
def test_hiding_twice_changes_nothing(words: list[str]) -> None:
    once = redact(words)
    assert redact(once) == once


@given(
    arguments,
    secrets,
    st.sampled_from(["--password={}", "TOKEN={}", "postgres://u:{}@h/d", "--a.b.secret={}", "x?api_key={}"]),
)
def test_a_named_secret_is_hidden_whatever_stands_around_it(words: list[str], secret: str, shape: str) -> None:
    assert secret not in " ".join(redact([*words, shape.format(secret), *words]))


@given(arguments, secrets, st.sampled_from(["--password", "--token", "--client-secret", "-passphrase", "--apiKey"]))
def test_the_value_after_a_sensitive_option_is_hidden(words: list[str], secret: str, option: str) -> None:
    assert secret not in " ".join(redact(["app", option, secret, *words]))


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "clientSecret", "api-key", "AWS_SECRET_ACCESS_KEY", "x.auth.token"]
)
def test_a_name_is_sensitive_by_its_words(name: str) -> None:
    assert sensitive(name)


@pytest.mark.parametrize(
    "name", ["", "port", "tokenizer", "password_file", "author", "passenger", "keyboard", "secret-name"]
)
def test_a_name_is_not_sensitive_by_its_letters(name: str) -> None:
    assert not sensitive(name)


def test_a_long_command_line_takes_linear_time() -> None:
    """4 KiB is all that is read; the patterns must not need more than a moment for the worst of it."""
    for piece in ("a=", "://", "a:b@", "--token ", "'", 'password="', "eyJaaaaaaaa.", "-----BEGIN "):
        assert redact(["app", piece * (4096 // len(piece))])
