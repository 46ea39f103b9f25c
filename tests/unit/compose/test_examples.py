"""The compose examples say only what the parts understand."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.need import repository
from podparts.settings import load

EXAMPLES = sorted((repository() / "compose").glob("*/compose.yaml"))


def services(example: Path) -> dict[str, dict[str, Any]]:
    """The services of an example that run one of our images, by name of the image."""
    found = yaml.safe_load(example.read_text())["services"].values()
    ours = [service for service in found if service["image"].startswith("podparts/")]
    return {service["image"].partition("/")[2]: service for service in ours}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_is_accepted_by_the_settings_of_its_parts(example: Path) -> None:
    assert services(example)
    for name, service in services(example).items():
        part = import_module(f"{name.replace('-', '_')}.__main__").PART
        load(part.settings, service.get("environment", {}))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_part_in_an_example_is_hardened_and_can_be_built_from_a_clone(example: Path) -> None:
    for name, service in services(example).items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert (example.parent / service["build"]).resolve() == repository() / "images" / name
