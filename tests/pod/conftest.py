"""A cluster with our images in it, and a namespace for each test, whose state is shown when the test fails."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.need import need, program, repository
from pod.cluster import Namespace, kubectl

PARTS = ("https-sidecar", "topz")
PYTHON = "python:3.13-slim-trixie"

CLIENT = f"""
apiVersion: v1
kind: Pod
metadata:
  name: client
  labels: {{app: client}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: client
      image: {PYTHON}
      imagePullPolicy: IfNotPresent
      command: [sleep, "3600"]
"""

_numbers = itertools.count()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    namespace = getattr(item, "funcargs", {}).get("namespace")
    if report.failed and isinstance(namespace, Namespace):
        report.sections.append(("the namespace", namespace.report()[-20_000:]))


def _docker(*arguments: str) -> bool:
    return (
        subprocess.run([program("docker"), *arguments], capture_output=True, timeout=120, check=False).returncode == 0
    )


def _has(image: str) -> bool:
    return _docker("image", "inspect", image)


@pytest.fixture(scope="session")
def cluster() -> None:
    """A cluster that answers and has the images of the parts."""
    need("kubernetes", "docker")
    images = [PYTHON, *(f"podparts/{part}:latest" for part in PARTS)]
    if not _has(PYTHON):
        _docker("pull", "--quiet", PYTHON)  # a build does not leave what it starts from among the engine's images
    missing = [image for image in images if not _has(image)]
    assert not missing, f"{', '.join(missing)} not built: make images"
    command = [str(repository() / "tools" / "kube.sh"), "load", *images]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def namespace(cluster: None, tmp_path: Path) -> Iterator[Namespace]:
    name = f"podparts-{os.getpid()}-{next(_numbers)}"
    kubectl("create", "namespace", name)
    try:
        yield Namespace(name, tmp_path)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def client(namespace: Namespace) -> Namespace:
    """The namespace with a pod `client` in it, from which requests can be made."""
    namespace.apply(CLIENT)
    namespace.until(lambda: namespace.is_ready("client", app="client"), "the client runs")
    return namespace
