"""Settings: declared once, read from an environment, every problem told at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from kit.wait import until
from podparts.names import edits, is_slip
from podparts.settings import (
    CommonSettings,
    Problem,
    Secret,
    SettingsError,
    WorkerSettings,
    declared,
    load,
    read_one,
    setting,
    shown,
)
from podparts.values import Address, Duration


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    upstream: Address = setting("127.0.0.1:8080", help="Where the application listens.", aliases=("TARGET",))
    proxy_port: int | None = setting(None, help="The book's name.")
    mode: Literal["http", "tcp"] = setting("http", help="What is spoken.")
    hosts: tuple[str, ...] = setting("", help="Names.")
    hsts: bool = setting("true", help="Whether to send it.")
    token: Secret = setting(None, secret=True, help="What a client presents.")
    folder: Path = setting("/tmp", help="A folder.")
    certificate_path: str = setting(help="Where the certificate is.")
    admin_listen: Address = setting("0.0.0.0:9101", help="Admin.")


GOOD = {"CERTIFICATE_PATH": "/tls"}


def problems(**environ: str) -> dict[str, Problem]:
    with pytest.raises(SettingsError) as caught:
        load(Settings, GOOD | environ)
    return {problem.variable: problem for problem in caught.value.problems}


def test_defaults_are_read_as_if_they_had_been_typed() -> None:
    settings = load(Settings, GOOD)
    assert settings.upstream == Address("127.0.0.1", 8080)
    assert settings.proxy_port is None
    assert settings.hosts == ()
    assert settings.hsts is True
    assert not settings.token
    assert settings.folder == Path("/tmp")
    assert settings.shutdown_grace == 20.0


def test_a_subclass_gives_a_common_setting_its_own_default() -> None:
    assert load(Settings, GOOD).admin_listen.port == 9101


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("UPSTREAM", "app:80", "upstream", Address("app", 80)),
        ("TARGET", "app:80", "upstream", Address("app", 80)),
        ("PROXY_PORT", "80", "proxy_port", 80),
        ("PROXY_PORT", "", "proxy_port", None),
        ("MODE", "tcp", "mode", "tcp"),
        ("HOSTS", "a, b", "hosts", ("a", "b")),
        ("HSTS", "false", "hsts", False),
        ("SHUTDOWN_DELAY", "250ms", "shutdown_delay", Duration(0.25)),
    ],
)
def test_a_variable_sets_its_field(variable: str, text: str, field: str, value: Any) -> None:
    assert getattr(load(Settings, GOOD | {variable: text}), field) == value


def test_all_problems_are_told_at_once_with_variable_value_and_what_was_expected() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Settings, {"UPSTREAM": "nowhere", "HSTS": "yes", "MODE": "udp", "PROXY_PORT": "80x"})
    lines = [str(problem) for problem in caught.value.problems]
    assert lines == [
        "UPSTREAM='nowhere': expected host:port, [::1]:port, :port (every interface) or unix:/path",
        "PROXY_PORT='80x': expected a whole number",
        "MODE='udp': expected http or tcp",
        "HSTS='yes': expected true or false",
        "CERTIFICATE_PATH='': expected to be set: Where the certificate is.",
    ]


def test_two_names_for_one_setting_are_a_problem() -> None:
    assert "only one of UPSTREAM and TARGET" in problems(UPSTREAM="a:1", TARGET="b:1")["UPSTREAM"].expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [("UPSTRAEM", "UPSTREAM"), ("UPSTREM", "UPSTREAM"), ("SHUTDOWNDELAY", "SHUTDOWN_DELAY"), ("loglevel", None)],
)
def test_a_near_miss_of_a_setting_is_a_problem_that_names_it(name: str, meant: str | None) -> None:
    if meant is None:
        load(Settings, GOOD | {name: "x"})
    else:
        assert problems(**{name: "x"})[name].expected == f"not a setting; did you mean {meant}?"


def test_a_near_miss_does_not_show_its_value_which_may_be_a_secret() -> None:
    assert "hunter2" not in str(problems(TOKEN_FIEL="hunter2")["TOKEN_FIEL"])


@pytest.mark.parametrize(
    ("name", "meant", "near"),
    [
        ("upstream", "UPSTREAM", True),
        ("LISTNE", "LISTEN", True),
        ("UPDATE_FREQENCY", "UPDATE_FREQUENCY", True),
        ("NODE", "MODE", False),
        ("HOSTS", "HSTS", False),
        ("HOSTNAME", "UPSTREAM", False),
        ("LOG_LEVELS_X", "LOG_LEVEL", False),
    ],
)
def test_a_near_miss_is_a_slip_and_not_another_word(name: str, meant: str, near: bool) -> None:
    assert is_slip(name, meant) is near


@pytest.mark.parametrize(
    ("a", "b", "count"), [("", "AB", 2), ("AB", "AB", 0), ("AB", "BA", 1), ("ABC", "CA", 3), ("ABCD", "BADC", 2)]
)
def test_edits_are_insertions_deletions_replacements_and_swaps(a: str, b: str, count: int) -> None:
    assert edits(a, b) == count


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "HOSTNAME", "LANG", "PWD", "KUBERNETES_PORT", "UPSTREAM_PORT_80_TCP_ADDR"]
)
def test_what_any_environment_holds_is_no_problem(name: str) -> None:
    load(Settings, GOOD | {name: "tcp://10.0.0.1:80"})


def test_a_kubernetes_service_link_is_recognised_and_named() -> None:
    said = problems(PROXY_PORT="tcp://10.0.0.1:80")["PROXY_PORT"].expected
    assert "Kubernetes service link" in said
    assert "Service called proxy" in said
    assert "enableServiceLinks: false" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PROXY2_PORT", "tcp://10.0.0.1:80"),
        ("PROXY_SERVICE_PORT", "80"),
        ("UPSTREA_SERVICE_HOST", "10.0.0.1"),
        ("PROXY_PORT_80_TCP", "tcp://10.0.0.1:80"),
    ],
)
def test_what_kubernetes_sets_for_other_services_is_no_near_miss(name: str, text: str) -> None:
    load(Settings, GOOD | {name: text})


def test_a_class_checks_across_its_fields() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Paired(CommonSettings):
        key: str | None = setting(None, help="Key.")
        cert: str | None = setting(None, help="Certificate.")

        def problems(self) -> Iterable[Problem]:
            if self.key and not self.cert:
                yield Problem("CERT", "", "expected beside KEY")

    with pytest.raises(SettingsError, match="expected beside KEY"):
        load(Paired, {"KEY": "x"})


def test_the_number_of_workers_is_bounded() -> None:
    assert load(WorkerSettings, {}).workers == 1
    with pytest.raises(SettingsError, match="from 1 to 64"):
        load(WorkerSettings, {"WORKERS": "65"})


def test_own_settings_are_listed_before_those_that_every_part_has() -> None:
    names = [one.variable for one in declared(Settings)]
    assert names[0] == "UPSTREAM"
    assert names[-5:] == ["ADMIN_LISTEN", "LOG_LEVEL", "LOG_FORMAT", "SHUTDOWN_DELAY", "SHUTDOWN_GRACE"]


def test_one_setting_can_be_read_whatever_the_others_hold() -> None:
    assert read_one(Settings, "admin_listen", {"HSTS": "bad", "ADMIN_LISTEN": ":1"}) == Address("", 1)


def test_settings_are_shown_as_typed_with_secrets_masked() -> None:
    values = shown(load(Settings, GOOD | {"TOKEN": "hunter2", "HOSTS": "a,b"}))
    assert values["TOKEN"] == "***"
    assert values["HOSTS"] == "a,b"
    assert values["HSTS"] == "true"
    assert values["SHUTDOWN_DELAY"] == "5s"
    assert values["PROXY_PORT"] is None


# --- secrets ---


def test_a_secret_is_never_shown() -> None:
    secret = load(Settings, GOOD | {"TOKEN": "hunter2"}).token
    assert secret.text() == "hunter2"
    assert f"{secret} {secret!r}" == "*** Secret('***')"


def test_a_bad_environment_does_not_show_a_secret(tmp_path: Path) -> None:
    found = problems(TOKEN="hunter2", TOKEN_FILE=str(tmp_path / "none"))
    assert "hunter2" not in str(found)


def test_a_secret_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    secret = load(Settings, GOOD | {"TOKEN_FILE": str(file)}).token
    assert secret.text() == "one"
    file.write_text("two\n")
    until(lambda: secret.text() == "two", why="the new secret is in force")


def test_a_secret_file_that_is_swapped_by_a_symlink_is_read_again(tmp_path: Path) -> None:
    """This is how the kubelet updates a mounted Secret."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(version)
    data = tmp_path / "..data"
    data.symlink_to(tmp_path / "one")
    secret = Secret.from_file(str(data / "token"))
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to(tmp_path / "two")
    fresh.replace(data)
    assert secret.text() == "two"


def test_a_secret_file_that_is_gone_or_empty_does_not_lose_the_last_good_value(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    secret = Secret.from_file(str(file))
    file.write_text("")
    assert secret.text() == "one"
    assert secret.problem == f"{file} is empty"
    file.unlink()
    assert secret.text() == "one"
    assert "No such file" in (secret.problem or "")
    file.write_text("two")
    assert secret.text() == "two"
    assert not secret.problem


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is empty"), (b"\xff", "is not UTF-8 text"), (b"x" * 70000, "more than 65536 bytes")]
)
def test_a_secret_file_that_cannot_be_used_is_a_problem(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    assert why in problems(TOKEN_FILE=str(file))["TOKEN_FILE"].expected


def test_a_secret_matches_itself_alone_and_nothing_when_unset() -> None:
    secret = Secret("hunter2")
    assert secret.matches("hunter2")
    assert not secret.matches("hunter")
    assert not secret.matches("hünter2\udc80")
    assert not Secret().matches("")
