"""The tree holds itself to its own rules: what each part must have, and what no file may hold.

A part is a folder below images/ whose pyproject.toml names a console script. Nothing is registered anywhere: these
tests, the Makefile and the documents all find parts by looking.
"""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from kit.need import repository

ROOT = repository()
TOP = {
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "images",
    "compose",
    "k8s",
    "tests",
    "tools",
}
LONGEST_MODULE = 500  # lines; beyond it a module does more than one thing
# Longer than that today, and to be split (reading a head from asking and writing it); it must not grow meanwhile.
TOO_LONG = {"images/base/src/podparts/wire/http1.py": 562}

# Hosts of package registries, and folders of the machine that this was written on.
PRIVATE = re.compile(
    r"(?:pypi[.]org|pythonhosted[.]|(?:deb|security|ftp)[.]debian|npmjs[.](?:org|com))|(?<![\w.])/(?:wor"
    r"k|far"
    r"m)/"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def parts() -> list[str]:
    files = sorted(ROOT.glob("images/*/pyproject.toml"))
    return [file.parent.name for file in files if "scripts" in tomllib.loads(file.read_text())["project"]]


def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def test_the_top_holds_what_the_design_names_and_nothing_else() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} == TOP


@pytest.mark.parametrize("part", parts())
@pytest.mark.parametrize(
    "place",
    [
        "images/{part}/Dockerfile",
        "images/{part}/README.md",
        "images/{part}/requirements.txt",
        "images/{part}/src/{package}/__main__.py",
        "images/{part}/src/{package}/settings.py",
        "images/{part}/src/{package}/py.typed",
        "k8s/{part}/README.md",
        "k8s/{part}/kustomization.yaml",
        "k8s/{part}/pod.yaml",
        "tests/unit/{package}",
        "tests/process/{package}",
        "tests/pod/test_{package}.py",
    ],
)
def test_every_part_has_what_a_part_needs(part: str, place: str) -> None:
    assert (ROOT / place.format(part=part, package=part.replace("-", "_"))).exists()


@pytest.mark.parametrize("part", parts())
def test_every_part_is_shown_in_a_compose_example(part: str) -> None:
    assert any(f"podparts/{part}" in text(file) for file in ROOT.glob("compose/*/compose.yaml"))


@pytest.mark.parametrize("part", parts())
@pytest.mark.parametrize("heading", ["docker run", "How it fails", "<!-- settings -->", "<!-- metrics -->"])
def test_every_readme_says_how_to_run_the_part_and_how_it_fails(part: str, heading: str) -> None:
    assert heading.lower() in text(ROOT / "images" / part / "README.md").lower()


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:100]}"
        for path in tracked()
        for line in text(path).splitlines()
        if PRIVATE.search(line) and path != Path(__file__)
    ]
    assert not found, "\n".join(found)


def test_no_dockerfile_fetches_a_frontend() -> None:
    assert not [file for file in ROOT.glob("**/*Dockerfile*") if re.search(r"^#\s*syntax=", text(file), re.M)]


def test_no_module_grows_beyond_what_one_can_read() -> None:
    lines = {str(file.relative_to(ROOT)): text(file).count("\n") for file in ROOT.glob("images/*/src/**/*.py")}
    assert not {name: count for name, count in lines.items() if count > TOO_LONG.get(name, LONGEST_MODULE)}
