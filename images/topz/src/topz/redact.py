"""Secrets in command lines, hidden before anything is shown, kept or sent.

Pure. A command line is a list of arguments; the same number comes back, and the first word, the program, is never
touched. It errs towards hiding: `--token --verbose` keeps --verbose, but `--token -x` loses the -x. What it cannot
know is a secret with no name and no known shape (`login alice hunter2`), so a page with command lines still deserves
a TOKEN.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

HIDDEN = "***"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A name is sensitive when one of its words is here ...
_SENSITIVE = _set(
    """
    password passwd passwort passphrase passcode pwd pass secret secrets token tokens apikey credential credentials
    creds auth authorization bearer cookie requirepass masterauth userpass sas accesskey secretkey privatekey
    signature otp pin pgpassword mysqlpwd passin passout
    """
)
# ... or two that follow each other, unless the last word says that the value is about the secret and not the secret.
_SENSITIVE_PAIRS = frozenset(
    {
        ("api", "key"),
        ("access", "key"),
        ("secret", "key"),
        ("private", "key"),
        ("account", "key"),
        ("encryption", "key"),
        ("signing", "key"),
        ("master", "key"),
        ("shared", "key"),
        ("connection", "string"),
    }
)
_ABOUT = _set(
    """
    file files path dir directory folder type mode method methods plugin provider ttl timeout lifetime expiry length
    size policy name endpoint url uri enabled required prompt store helper count limit audience issuer
    """
)

# Programs whose one-letter options carry a secret: glued ("-psecret"), apart ("-p secret"), or a user:secret pair.
_GLUED, _APART, _PAIR = 1, 2, 4
_EITHER = _GLUED | _APART
_RULES: tuple[tuple[str, dict[str, int]], ...] = (
    (
        "mysql mysqldump mysqladmin mysqlshow mysqlimport mysqlcheck mysqlslap mysqlpump mysqlbinlog mysqlsh",
        {"-p": _GLUED},
    ),
    ("mariadb mariadb-dump mariadb-admin mariadb-check mariadb-show mariadb-import mariadb-backup", {"-p": _GLUED}),
    ("mongo mongosh mongodump mongorestore mongoimport mongoexport", {"-p": _EITHER}),
    ("redis-cli valkey-cli", {"-a": _EITHER}),
    ("curl", {"-u": _EITHER | _PAIR, "-U": _EITHER | _PAIR, "-b": _EITHER}),
    ("ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldappasswd", {"-w": _EITHER}),
    ("docker podman nerdctl skopeo buildah helm sshpass sqlcmd bcp", {"-p": _EITHER, "-P": _EITHER}),
    ("rabbitmqadmin influx cqlsh clickhouse-client", {"-p": _APART}),
    ("unzip zip 7z", {"-P": _EITHER, "-p": _GLUED}),
)
_SHORT = {program: options for programs, options in _RULES for program in programs.split()}
# `docker run -p 80:80` is a port. Only the subcommand "login" has a password.
_ONLY_WITH_LOGIN = frozenset({"docker", "podman", "nerdctl", "skopeo", "buildah", "helm"})
# Long options that hold user:password as one value.
_PAIR_OPTIONS = frozenset({"--user", "--proxy-user"})

_NAME = r"[A-Za-z][A-Za-z0-9_.\-]{0,63}"
_QUERY = re.compile(rf"(?P<lead>[?&;])(?P<name>{_NAME})=(?P<value>[^&;\s\"'#]+)")
_INSIDE = re.compile(
    rf"(?<![A-Za-z0-9_.\-])(?P<name>{_NAME})(?P<between>[\"']?\s?[=:]\s?)"
    r"(?P<value>\"[^\"]*\"?|'[^']*'?|(?:(?:Bearer|Basic|Token|Digest)\s+)?[^\s\"',;&}]+)"
)
_USERINFO = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]{0,30}://)(?P<user>[^\s/?#@:\"']*)(?P<password>:[^\s/?#\"']*)?@"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY.*", re.DOTALL)
_SCHEME_VALUE = re.compile(r"\b(?P<scheme>Bearer|Basic)(?P<space>\s+)[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{16,}"
    r"|xox[abeprs]-[A-Za-z0-9\-]{10,}|AIza[A-Za-z0-9_\-]{35}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)*"
    r")"
)
_PASS_SOURCE = re.compile(r"^pass:.+", re.DOTALL)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SPACES = re.compile(r"(\s+)")


def sensitive(name: str) -> bool:
    """Whether a value under this name is a secret. Words are split at case changes and punctuation, so "tokenizer" is
    not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    return not _SENSITIVE.isdisjoint(words) or any(pair in _SENSITIVE_PAIRS for pair in pairwise(words))


def redact(arguments: list[str]) -> list[str]:
    """The arguments with every recognised secret replaced by ***; as many as before, the program's name unchanged."""
    if not arguments:
        return []
    program, gap, title = _split_once(arguments[0])
    # A process that sets its title ("postgres: alice shop SELECT …") has all of its text in the first argument.
    first = program + gap + _text(title)
    return [first, *_redact_words(arguments[1:], program)]


def _split_once(text: str) -> tuple[str, str, str]:
    parts = _SPACES.split(text, maxsplit=1)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (text, "", "")


def _redact_words(words: list[str], program: str) -> list[str]:
    """Redacts one word after the other, remembering which program's options they are and whether a value is due."""
    options = _options(program, words)
    hidden: list[str] = []
    due: Callable[[str], str] | None = None
    for word in words:
        if due is not None and not word.startswith("--"):
            hidden.append(due(word))
            due = None
            continue
        options = _options(word, words) or options
        due = _expects(word, options)
        hidden.append(_word(word, options))
    return hidden


def _options(program: str, words: list[str]) -> dict[str, int]:
    name = program.rpartition("/")[2]
    return {} if name in _ONLY_WITH_LOGIN and "login" not in words else _SHORT.get(name, {})


def _expects(word: str, options: dict[str, int]) -> Callable[[str], str] | None:
    """How to hide the word after this one, if this is an option whose value is a secret."""
    kind = options.get(word, 0)
    if kind & _APART:
        return _pair if kind & _PAIR else _whole
    if word in _PAIR_OPTIONS:
        return _pair
    return (
        _whole
        if word.startswith("-") and "=" not in word and sensitive(word) and not word.startswith("--no-")
        else None
    )


def _whole(_: str) -> str:
    return HIDDEN


def _pair(word: str) -> str:
    user, colon, _ = word.partition(":")
    return f"{user}:{HIDDEN}" if colon else word


def _word(word: str, options: dict[str, int]) -> str:
    kind = options.get(word[:2], 0)
    if kind & _GLUED and len(word) > 2:
        return word[:2] + (_pair(word[2:]) if kind & _PAIR else HIDDEN)
    name, equals, value = word.partition("=")
    if equals and value and not _SPACES.search(name):
        if name in _PAIR_OPTIONS:
            return f"{name}={_pair(value)}"
        if "://" not in name and sensitive(name):
            return f"{name}={HIDDEN}"
    if _PASS_SOURCE.match(word):  # openssl's -passin pass:secret
        return f"pass:{HIDDEN}"
    return _sentence(word)


def _sentence(text: str) -> str:
    """A word that is itself a command line, such as what follows `sh -c`; its spaces stay as they are."""
    if not _SPACES.search(text):
        return _text(text)
    parts = _SPACES.split(_text(text))
    parts[::2] = _redact_words(parts[::2], "")[: len(parts[::2])] if len(parts) > 1 else parts[::2]
    return "".join(parts)


def _text(text: str) -> str:
    """Secrets inside of running text: in URLs, after sensitive names, and of known shapes."""
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _USERINFO.sub(_hide_userinfo, text)
    text = _QUERY.sub(_hide_named, text)
    text = _INSIDE.sub(_hide_inside, text)
    text = _SCHEME_VALUE.sub(rf"\g<scheme>\g<space>{HIDDEN}", text)
    return _SHAPES.sub(HIDDEN, text)


def _hide_userinfo(match: re.Match[str]) -> str:
    if match["password"]:
        return f"{match['scheme']}{match['user']}:{HIDDEN}@"
    # A lone user is a name ("git@"), unless it is as long as an access token.
    return f"{match['scheme']}{HIDDEN}@" if len(match["user"]) >= 16 else match[0]


def _hide_named(match: re.Match[str]) -> str:
    return f"{match['lead']}{match['name']}={HIDDEN}" if sensitive(match["name"]) else match[0]


def _hide_inside(match: re.Match[str]) -> str:
    if not sensitive(match["name"]):
        return match[0]
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['name']}{match['between']}{quote}{HIDDEN}{quote}"
