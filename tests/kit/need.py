"""What a test needs beyond Python, and what to say when the machine does not have it.

`need("redis")` at the head of a test (or of a module, with allow_module_level) skips it with the reason and the one
command that would make it run. REQUIRE=all, or REQUIRE=docker,nginx, turns those skips into failures: CI sets it, so
that nothing is left out unseen. conftest prints the skips counted per reason.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])  # Debian keeps nginx in sbin


def find_program(name: str) -> str | None:
    """The path of a program, looked for where Debian puts servers too."""
    return shutil.which(name, path=SEARCHED)


def program(name: str) -> str:
    """The path of a program that `need` has found."""
    path = find_program(name)
    assert path is not None, f"{name} is not installed"
    return path


def _installed(*names: str) -> Callable[[], str]:
    def missing() -> str:
        return ", ".join(f"no {name}" for name in names if find_program(name) is None)

    return missing


def _answers(*command: str) -> Callable[[], str]:
    def missing() -> str:
        if find_program(command[0]) is None:
            return f"no {command[0]}"
        try:
            done = subprocess.run(
                [program(command[0]), *command[1:]], capture_output=True, text=True, timeout=20, check=False
            )
        except subprocess.TimeoutExpired:
            return f"`{' '.join(command)}` does not answer"
        return "" if done.returncode == 0 else f"`{' '.join(command)}` fails"

    return missing


def _chromium() -> str:
    return "" if find_program("chromium") or find_program("google-chrome") else "no chromium"


def _kubernetes() -> str:
    """Only a cluster that KUBECONFIG names: ~/.kube/config may be somebody's production."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    return _answers("kubectl", "get", "--raw", "/readyz")()


def _control_groups() -> str:
    """Version 2, or version 1 with a hierarchy each for memory and CPU. A container has them read-only, root or not."""
    top = Path("/sys/fs/cgroup")
    folders = [top] if (top / "cgroup.controllers").exists() else [top / "memory", top / "cpu"]
    locked = [str(folder) for folder in folders if not os.access(folder, os.W_OK)]
    return f"{', '.join(locked)} cannot be written to" if locked else ""


def _clang_fuzzer() -> str:
    return "" if _importable("atheris") else "no atheris"


def _importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


@dataclass(frozen=True)
class Need:
    """`missing` returns why the need is not met, or an empty text; `remedy` is the one command that would meet it."""

    missing: Callable[[], str]
    remedy: str


def _apt(package: str) -> str:
    return f"apt-get install {package}"


NEEDS: dict[str, Need] = {
    "nginx": Need(_installed("nginx"), _apt("nginx-light")),
    "haproxy": Need(_installed("haproxy"), _apt("haproxy")),
    "redis": Need(_installed("redis-server"), _apt("redis-server")),
    "openssl": Need(_installed("openssl"), _apt("openssl")),
    "curl": Need(_installed("curl"), _apt("curl")),
    "wrk": Need(_installed("wrk"), _apt("wrk")),
    "ab": Need(_installed("ab"), _apt("apache2-utils")),
    "promtool": Need(_installed("promtool"), _apt("prometheus")),
    "chromium": Need(_chromium, _apt("chromium")),
    "taskset": Need(_installed("taskset"), _apt("util-linux")),
    "compiler": Need(_installed("cc"), _apt("build-essential")),
    "atheris": Need(_clang_fuzzer, "pip install atheris"),
    "docker": Need(_answers("docker", "version"), "make engine"),
    "compose": Need(_answers("docker", "compose", "version"), "make engine"),
    "kubectl": Need(_installed("kubectl"), "make kube"),
    "kubernetes": Need(_kubernetes, "make kube"),
    "control groups": Need(_control_groups, "sudo make test, outside of containers"),
    "namespaces": Need(
        _answers("unshare", "--pid", "--fork", "--mount-proc", "true"), "sudo make test, outside of containers"
    ),
    "root": Need(lambda: "" if os.geteuid() == 0 else "not root", "sudo make test"),
}


@functools.cache
def missing(name: str) -> str:
    """Why `name` cannot be had here, or an empty text. Asked once per run."""
    return NEEDS[name].missing()


def required(name: str) -> bool:
    wanted = os.environ.get("REQUIRE", "").replace(" ", "").split(",")
    return "all" in wanted or name in wanted


def need(*names: str, allow_module_level: bool = False) -> None:
    """Skip, or fail under REQUIRE, unless all of `names` (keys of NEEDS) are here."""
    for name in names:
        if reason := missing(name):
            text = f"needs {name}: {reason}. To run it: {NEEDS[name].remedy}"
            if required(name):
                pytest.fail(f"REQUIRE={os.environ['REQUIRE']}, and {text}", pytrace=False)
            pytest.skip(text, allow_module_level=allow_module_level)


def repository() -> Path:
    """The root of the working tree."""
    return Path(__file__).resolve().parents[2]
