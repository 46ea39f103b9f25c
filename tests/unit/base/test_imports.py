"""Imports: directions are kept, and what answers at once stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from kit.need import repository

LIBRARY = repository() / "images/base/src/podparts"
PURE = {"values", "errors", "web", "metrics", "exposition", "health", "names", "wire"}
HEAVY = ("asyncio", "ssl", "logging", "argparse", "json", "urllib", "ipaddress", "http", "email", "importlib.metadata")
LIGHT = ("podparts.cli", "podparts.part", "podparts.probe", "podparts.log", "podparts.exposition")


def imported(file: Path) -> set[str]:
    """The modules that a file imports, wherever in it and under whatever condition but TYPE_CHECKING."""
    found = set()
    for node in ast.walk(_without_type_checking(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _without_type_checking(tree: ast.Module) -> ast.Module:
    tree.body = [one for one in tree.body if not (isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING")]
    return tree


def layer(module: str) -> str:
    """`podparts.net.tls` belongs to net; `podparts.values` to values."""
    return module.split(".")[1] if module.startswith("podparts.") else ""


def files(part: str) -> list[Path]:
    path = LIBRARY / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [LIBRARY / f"{part}.py"]


@pytest.mark.parametrize("part", sorted(PURE))
def test_pure_modules_import_pure_modules_alone(part: str) -> None:
    for file in files(part):
        layers = {layer(module) for module in imported(file)} - {"", part}
        assert layers <= PURE, file.name


def test_net_does_not_import_proxy() -> None:
    for file in files("net"):
        assert "proxy" not in {layer(module) for module in imported(file)}, file.name


def test_the_library_imports_no_component_and_no_component_another() -> None:
    sources = sorted(repository().glob("images/*/src/*"))
    names = {source.name for source in sources if source.is_dir() and not source.name.endswith(".egg-info")}
    for source in sources:
        for file in source.rglob("*.py"):
            others = {module.split(".")[0] for module in imported(file)} & names
            assert others <= {"podparts", source.name}, file


@pytest.mark.parametrize("module", LIGHT)
def test_what_answers_at_once_imports_nothing_heavy(module: str) -> None:
    ask = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(HEAVY)
