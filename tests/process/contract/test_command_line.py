"""Every part answers the same options in the same way."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.contract import TOY, least, settings_of
from kit.process import Part, command, run


def test_version_names_the_part_and_its_version(name: str) -> None:
    done = run([*command(name), "--version"])
    assert done.returncode == 0
    assert done.stdout.split()[0] == Path(name).stem
    assert len(done.stdout.splitlines()) == 1


def test_asking_a_part_does_not_import_the_event_loop(name: str) -> None:
    """A probe runs every few seconds in every pod, and asyncio alone takes longer than all the rest of it."""
    done = run([sys.executable, "-X", "importtime", *command(name)[-1:], "--version"])
    assert done.returncode == 0
    assert "asyncio" not in done.stderr


def test_settings_lists_every_setting_with_type_default_and_meaning(name: str) -> None:
    done = run([*command(name), "--settings"])
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    for setting in settings_of(name):
        assert setting["type"] in lines[setting["variable"]]
        assert setting["help"] in lines[setting["variable"]]


def test_settings_for_machines_name_what_every_part_has(name: str) -> None:
    variables = [setting["variable"] for setting in settings_of(name)]
    assert variables[-5:] == ["ADMIN_LISTEN", "LOG_LEVEL", "LOG_FORMAT", "SHUTDOWN_DELAY", "SHUTDOWN_GRACE"]


def test_help_says_what_the_part_is_and_lists_the_options(name: str) -> None:
    done = run([*command(name), "--help"])
    assert done.returncode == 0
    assert done.stdout.startswith(f"{Path(name).stem}: ")
    assert "--check" in done.stdout


def test_an_unknown_option_is_refused_with_the_options_that_exist(name: str) -> None:
    done = run([*command(name), "--cheque"])
    assert done.returncode == 2
    assert "'--cheque': expected one of the options below" in done.stderr
    assert "--check" in done.stderr


def test_the_least_environment_is_good(name: str) -> None:
    done = run([*command(name), "--check"], least(name))
    assert (done.returncode, done.stdout, done.stderr) == (0, "settings are good\n", "")


BAD = {"LOG_LEVEL": "loud", "SHUTDOWN_GRACE": "soon", "ADMIN_LISTEN": "nowhere", "LOG_FROMAT": "json"}
EXPECTED = {
    "LOG_LEVEL": ("loud", "debug or info or warning or error"),
    "SHUTDOWN_GRACE": ("soon", "a duration such as 10 (seconds)"),
    "ADMIN_LISTEN": ("nowhere", "host:port"),
    "LOG_FROMAT": ("***", "did you mean LOG_FORMAT?"),
}


def test_check_tells_all_problems_at_once(name: str) -> None:
    done = run([*command(name), "--check"], BAD)
    assert done.returncode == 2
    lines = {line.partition("=")[0]: line for line in done.stderr.splitlines()}
    for variable, (value, expected) in EXPECTED.items():
        assert value in lines[variable]
        assert expected in lines[variable]


def test_a_bad_environment_exits_with_2_and_one_log_line_for_each_problem(name: str) -> None:
    done = run(command(name), BAD)
    assert done.returncode == 2
    assert done.stderr == ""
    lines = {line["variable"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert {line["event"] for line in lines.values()} == {"bad setting"}
    for variable, (value, expected) in EXPECTED.items():
        assert lines[variable]["value"] == value
        assert expected in lines[variable]["expected"]


def test_a_service_link_is_named_as_such() -> None:
    done = run([*command(TOY), "--check"], {"PROXY_PORT": "tcp://10.0.0.1:80"})
    assert done.returncode == 2
    assert "Kubernetes service link" in done.stderr


def test_a_secret_that_cannot_be_read_is_a_problem_that_names_the_file(tmp_path: Path) -> None:
    done = run([*command(TOY), "--check"], {"TOKEN_FILE": tmp_path / "none"})
    assert done.returncode == 2
    assert str(tmp_path / "none") in done.stderr


def test_health_says_what_the_admin_port_says(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    env = {"ADMIN_LISTEN": f"127.0.0.1:{part.admin_port}"}
    assert run([*command(name), "--health=live"], env).returncode == 0
    status, said = part.admin("/readyz")
    done = run([*command(name), "--health"], env)
    assert done.returncode == (0 if status == 200 else 1)
    assert (done.stdout or done.stderr) == said


def test_health_of_a_part_that_is_not_ready_says_why(toy: Callable[..., Part]) -> None:
    part = toy(ready=False, WAITING_FOR="certificate")
    done = run([*command(TOY), "--health"], {"ADMIN_LISTEN": f"127.0.0.1:{part.admin_port}"})
    assert (done.returncode, done.stderr) == (1, "certificate: still waiting\n")


def test_health_without_a_running_part_fails_and_names_the_address(name: str, free_port: Callable[[], int]) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = run([*command(name), "--health"], {"ADMIN_LISTEN": address})
    assert done.returncode == 1
    assert f"ADMIN_LISTEN={address}" in done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0:{}", ":{}", "[::]:{}"])
def test_health_finds_an_admin_port_that_listens_on_every_interface(
    listen: str, toy: Callable[..., Part], free_port: Callable[[], int]
) -> None:
    address = listen.format(free_port())
    toy(ready=False, ADMIN_LISTEN=address).until_ready()
    assert run([*command(TOY), "--health"], {"ADMIN_LISTEN": address}).returncode == 0
