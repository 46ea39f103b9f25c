"""compose/first-pod as its README says to start it: an application that knows nothing of the two parts beside it."""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_docker.plugin import Services

from kit.container import built, command
from kit.need import need, repository

COMPOSE_FILE = repository() / "compose" / "first-pod" / "compose.yaml"


@pytest.fixture(scope="session")
def docker_compose_file() -> Path:
    return COMPOSE_FILE


@pytest.fixture(scope="session")
def docker_setup() -> Iterator[list[str]]:
    """Builds the images and lets the engine choose free ports: a demo of the developer's may run beside this one."""
    need("compose")
    for name in ("https-sidecar", "topz"):
        built(name)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("HTTPS_PORT", "TOPZ_PORT", "ADMIN_PORT"):
            environment.setenv(name, "0")
        yield ["up --wait --quiet-pull"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 5"]


class Pod:
    """The demo as one meets it from outside."""

    def __init__(self, services: Services, project: str) -> None:
        self._services = services
        self._project = project

    def fetch(self, scheme: str, port: int, path: str) -> str:
        """What the pod answers; `port` is the one inside."""
        unverified = ssl._create_unverified_context()
        url = f"{scheme}://localhost:{self._services.port_for('app', port)}{path}"
        with urllib.request.urlopen(url, timeout=10, context=unverified) as answer:
            return str(answer.read().decode())

    def processes(self) -> list[dict[str, Any]]:
        return list(json.loads(self.fetch("http", 8081, "/api/v1/processes"))["processes"])

    def in_app(self, *words: str) -> str:
        """What a command prints in the application's container."""
        return command("docker", "compose", "-p", self._project, "-f", str(COMPOSE_FILE), "exec", "-T", "app", *words)


@pytest.fixture(scope="session")
def pod(docker_services: Services, docker_compose_project_name: str) -> Pod:
    return Pod(docker_services, docker_compose_project_name)


def test_the_application_is_reached_over_https(pod: Pod) -> None:
    assert "Pydoc: package asyncio" in pod.fetch("https", 8443, "/asyncio.html")


def test_the_application_speaks_http_on_localhost_only(pod: Pod) -> None:
    listeners = pod.in_app("cat", "/proc/net/tcp")
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
    assert json.loads(pod.fetch("http", 8081, "/api/v1/processes"))["pid_namespace_shared"] is True


def test_the_sidecar_counts_what_it_served(pod: Pod) -> None:
    pod.fetch("https", 8443, "/")
    metrics = pod.fetch("http", 9101, "/metrics")
    assert "https_sidecar_requests_total" in metrics
