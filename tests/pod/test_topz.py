"""topz beside an application on a real Kubernetes: what it sees of the pod, and that it starts, heals and ends."""

import json
from typing import Any

import pytest

from kit.certs import Authority
from kit.need import repository
from pod.cluster import Namespace
from pod.legacy import deployment

PAGE = "http://127.0.0.1:8088"


def processes(namespace: Namespace, target: str = "deployment/legacy") -> dict[str, Any]:
    answer = namespace.fetch(target, f"{PAGE}/api/v1/processes")
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def containers_of(found: dict[str, Any], words: str) -> set[str]:
    """In which containers processes run whose command line holds the words."""
    return {process["container"] for process in found["processes"] if words in process["cmdline"]}


@pytest.fixture
def app(namespace: Namespace) -> Namespace:
    """A plain Deployment with the component, rolled out. It shares no PID namespace by itself."""
    namespace.apply_overlay(deployment(shared=False), "topz")
    namespace.rolled_out()
    return namespace


def test_the_processes_of_the_pod_are_seen_by_container(app: Namespace) -> None:
    found = processes(app)
    assert found["pid_namespace_shared"] is True
    (application,), (own,) = containers_of(found, "http.server"), containers_of(found, "topz")
    assert application != own


def test_containers_are_known_by_the_identity_that_kubernetes_gives_them(app: Namespace) -> None:
    (application,) = containers_of(processes(app), "http.server")
    assert app.container("legacy")["containerID"].endswith(application)


def test_the_page_is_served(app: Namespace) -> None:
    page = app.fetch("deployment/legacy", f"{PAGE}/topz")
    assert page.status == 200
    assert "http.server" in page.body


def test_a_pod_that_does_not_share_its_pid_namespace_is_told_so(namespace: Namespace) -> None:
    apart = [{"op": "replace", "path": "/spec/template/spec/shareProcessNamespace", "value": False}]
    patches = [{"target": {"kind": "Deployment"}, "patch": json.dumps(apart)}]
    namespace.apply_overlay(deployment(), "topz", patches=patches)
    namespace.rolled_out()
    assert processes(namespace)["pid_namespace_shared"] is False


def test_both_parts_serve_in_one_pod(client: Namespace, authority: Authority) -> None:
    client.put_certificate(authority.server("legacy"))
    client.apply_overlay(deployment(), "https-sidecar", "topz")
    client.rolled_out()
    assert client.fetch("pod/client", f"https://{client.address()}/hostname", container="client").status == 200
    assert len(containers_of(processes(client), "https-sidecar")) == 1


def test_the_complete_pod_serves_as_it_stands(namespace: Namespace) -> None:
    namespace.apply((repository() / "k8s" / "topz" / "pod.yaml").read_text())
    namespace.until(lambda: namespace.is_ready("topz", app="legacy-topz"), "the pod is ready")
    assert containers_of(processes(namespace, "pod/legacy-topz"), "http.server")


def test_a_killed_topz_comes_back(app: Namespace) -> None:
    app.kill(app.pod()["metadata"]["name"], "topz")
    app.until(lambda: app.container("topz")["restartCount"] == 1, "topz is started again")
    app.until(lambda: app.is_ready("topz"), "topz is ready again")
    assert containers_of(processes(app), "http.server")
