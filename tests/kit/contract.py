"""What the contract is held against: every image that holds a console script, and a toy part.

The images are the folders; there is no list. What a part is called, which settings it has and where it listens is
asked of the part itself.
"""

import json
import tomllib
from typing import Any

from kit.need import repository
from kit.ports import free_port
from kit.process import command, run

TOY = str(repository() / "tests/process/contract/toy.py")


def every_part() -> list[str]:
    """The console scripts of all images, and the toy."""
    files = sorted(repository().glob("images/*/pyproject.toml"))
    projects = [tomllib.loads(file.read_text())["project"] for file in files]
    return [TOY, *(name for project in projects for name in project.get("scripts", {}))]


def settings_of(name: str) -> list[dict[str, Any]]:
    """What `--settings=json` prints."""
    found: list[dict[str, Any]] = json.loads(run([*command(name), "--settings=json"]).stdout)
    return found


def least(name: str) -> dict[str, str]:
    """The least environment with which a part runs: empty, unless tests/process/NAME/contract.env says otherwise."""
    file = repository() / "tests/process" / name.replace("-", "_") / "contract.env"
    lines = file.read_text().splitlines() if name != TOY and file.exists() else []
    return dict(line.split("=", 1) for line in lines)


def on_free_ports(name: str) -> dict[str, str]:
    """The least environment, in which every address that the part listens on by default is a free one."""
    listening = [one for one in settings_of(name) if one["variable"].endswith("LISTEN") and one["default"]]
    return least(name) | {one["variable"]: f"127.0.0.1:{free_port()}" for one in listening}
