"""compose/first-pod as its README says to start it: an application that knows nothing of the two parts beside it."""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from kit.container import built, command
from kit.need import need, repository
from kit.ports import free_port

FOLDER = repository() / "compose" / "first-pod"


class Pod:
    """The demo under a project name and ports of its own, so that a demo of the developer's may run beside it."""

    def __init__(self, project: str) -> None:
        self.ports = {name: free_port() for name in ("HTTPS_PORT", "TOPZ_PORT", "ADMIN_PORT")}
        self._compose = ["docker", "compose", "-p", project, "-f", str(FOLDER / "compose.yaml")]

    def compose(self, *words: str) -> str:
        variables = [f"{name}={port}" for name, port in self.ports.items()]
        return command("env", *variables, *self._compose, *words)

    def fetch(self, scheme: str, port: str, path: str) -> str:
        unverified = ssl._create_unverified_context()
        url = f"{scheme}://localhost:{self.ports[port]}{path}"
        with urllib.request.urlopen(url, timeout=10, context=unverified) as answer:
            return str(answer.read().decode())

    def processes(self) -> list[dict[str, Any]]:
        return list(json.loads(self.fetch("http", "TOPZ_PORT", "/api/v1/processes"))["processes"])


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    need("compose")
    for name in ("https-sidecar", "topz"):
        built(name)
    pod = Pod("podparts-test-first-pod")
    try:
        pod.compose("up", "--wait", "--quiet-pull")
        yield pod
    finally:
        pod.compose("down", "--timeout", "5", "--volumes")


def test_the_application_is_reached_over_https(pod: Pod) -> None:
    assert "Pydoc: package asyncio" in pod.fetch("https", "HTTPS_PORT", "/asyncio.html")


def test_the_application_speaks_http_on_localhost_only(pod: Pod) -> None:
    listeners = pod.compose("exec", "app", "cat", "/proc/net/tcp")
    port = f":{8080:04X} "
    addresses = {line.split()[1] for line in listeners.splitlines() if port in line and " 0A " in line}
    assert addresses == {"0100007F:1F90"}


def test_the_page_groups_the_processes_by_container(pod: Pod) -> None:
    containers = {
        name: {one["container"] for one in pod.processes() if name in one["cmdline"]}
        for name in ("-m pydoc", "/app/bin/https-sidecar", "/app/bin/topz")
    }
    assert all(len(found) == 1 for found in containers.values()), containers
    assert len(set.union(*containers.values())) == 3


def test_the_pid_namespace_is_shared(pod: Pod) -> None:
    assert json.loads(pod.fetch("http", "TOPZ_PORT", "/api/v1/processes"))["pid_namespace_shared"] is True


def test_the_sidecar_counts_what_it_served(pod: Pod) -> None:
    pod.fetch("https", "HTTPS_PORT", "/")
    metrics = pod.fetch("http", "ADMIN_PORT", "/metrics")
    assert "https_sidecar_requests_total" in metrics
