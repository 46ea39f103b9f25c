"""Every part's admin port answers the same questions."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from kit.contract import settings_of
from kit.need import need, program
from kit.process import Part
from kit.wait import until


def test_livez_is_ok(name: str, live: Callable[..., Part]) -> None:
    assert live(name).admin("/livez") == (200, "ok\n")


def test_healthz_is_readyz(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    assert part.admin("/healthz") == part.admin("/readyz")


def test_the_index_names_the_endpoints(name: str, live: Callable[..., Part]) -> None:
    status, page = live(name).admin("/")
    assert status == 200
    assert "/metrics" in page


def test_an_unknown_path_is_404_and_a_wrong_method_405(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    assert part.admin("/nothing")[0] == 404
    assert part.admin("/quitquitquit")[0] == 405


def test_metrics_pass_promtool(name: str, live: Callable[..., Part]) -> None:
    need("promtool")
    body = live(name).admin("/metrics")[1]
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=body, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_metrics_carry_the_part_as_their_prefix(name: str, live: Callable[..., Part]) -> None:
    body = live(name).admin("/metrics")[1]
    prefix = Path(name).stem.replace("-", "_")
    names = {line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")}
    assert f"{prefix}_build_info" in names
    assert all(one.startswith((f"{prefix}_", "process_", "python_")) for one in names)


def test_metrics_are_openmetrics_when_asked_for(name: str, live: Callable[..., Part]) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    body = live(name).admin("/metrics", headers=accept)[1]
    kinds = dict(line.split()[2:4] for line in body.splitlines() if line.startswith("# TYPE"))
    assert body.endswith("# EOF\n")
    assert not [one for one, kind in kinds.items() if kind == "counter" and one.endswith("_total")]
    assert kinds[f"{Path(name).stem.replace('-', '_')}_build"] == "info"


def test_settings_in_force_are_shown(name: str, live: Callable[..., Part]) -> None:
    part = live(name)
    shown = json.loads(part.admin("/settings")[1])
    assert shown["ADMIN_LISTEN"] == f"127.0.0.1:{part.admin_port}"
    assert list(shown) == [one["variable"] for one in settings_of(name)]


def test_a_secret_is_not_shown(toy: Callable[..., Part]) -> None:
    part = toy(TOKEN="hunter2", LOG_LEVEL="debug")
    assert json.loads(part.admin("/settings")[1])["TOKEN"] == "***"
    assert part.stop() == 0
    assert "hunter2" not in part.log()


def test_a_secret_file_is_read_again_when_it_changes(toy: Callable[..., Part], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    part = toy(TOKEN_FILE=file)
    assert part.admin("/token?is=one")[1] == "yes\n"
    file.write_text("two\n")
    until(lambda: part.admin("/token?is=two")[1] == "yes\n", why="the new secret is in force")
    assert part.admin("/token?is=one")[1] == "no\n"


def test_a_secret_file_that_went_away_is_logged_and_the_last_good_value_stays(
    toy: Callable[..., Part], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    part = toy(TOKEN_FILE=file)
    file.unlink()
    part.until_logged("secret file cannot be used")
    assert part.admin("/token?is=one")[1] == "yes\n"


def test_an_endpoint_that_crashes_is_500_to_the_client_and_a_traceback_in_the_log(
    toy: Callable[..., Part],
) -> None:
    part = toy()
    assert part.admin("/broken") == (500, "internal error\n")
    part.until_logged("the inside of an endpoint")


def test_readyz_says_why_it_is_not_ready(toy: Callable[..., Part]) -> None:
    part = toy(ready=False, WAITING_FOR="certificate")
    until(lambda: part.admin("/readyz") == (503, "certificate: still waiting\n"), why="the reason is told")
    assert part.admin("/livez")[0] == 200
    assert "[-]certificate: still waiting\n" in part.admin("/readyz?verbose")[1]
