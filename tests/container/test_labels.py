"""What an image says of itself without being run: labels, ports and defaults, equal to what its code declares."""

from importlib import import_module
from typing import Any

from kit.container import Image, inspected
from podparts.part import Part
from podparts.settings import declared


def config(image: Image) -> dict[str, Any]:
    return dict(inspected(image.tag)["Config"])


def declaration(image: Image) -> Part[Any]:
    part: Part[Any] = import_module(f"{image.package}.__main__").PART
    return part


def test_labels_say_name_purpose_version_and_licence(part_image: Image) -> None:
    project = part_image.project["project"]
    labels = config(part_image)["Labels"]
    assert {name.rpartition(".")[2]: labels[name] for name in labels if not name.endswith(".revision")} == {
        "title": part_image.name,
        "description": declaration(part_image).summary,
        "version": project["version"],
        "licenses": project["license"],
    }


def test_exposed_ports_are_those_that_it_declares(part_image: Image) -> None:
    declared_ports = {f"{port.number}/{port.protocol}" for port in declaration(part_image).ports}
    assert set(config(part_image)["ExposedPorts"]) == declared_ports


def test_the_environment_holds_the_declared_defaults(part_image: Image) -> None:
    environment = dict(entry.split("=", 1) for entry in config(part_image)["Env"])
    known = {one.variable: one.default for one in declared(declaration(part_image).settings)}
    assert {name: environment[name] for name in environment.keys() & known.keys()} == {
        name: known[name] for name in environment.keys() & known.keys()
    }
    assert "ADMIN_LISTEN" in environment


def test_no_secret_stands_in_the_environment(part_image: Image) -> None:
    environment = {entry.partition("=")[0] for entry in config(part_image)["Env"]}
    secrets = {one.variable for one in declared(declaration(part_image).settings) if one.secret}
    assert environment & secrets == set()


def test_it_has_a_health_check_that_needs_no_shell(part_image: Image) -> None:
    assert config(part_image)["Healthcheck"]["Test"] == ["CMD", part_image.name, "--health"]


def test_every_image_says_the_version_of_its_package(image: Image) -> None:
    assert config(image)["Labels"]["org.opencontainers.image.version"] == image.project["project"]["version"]
