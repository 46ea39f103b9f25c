"""https-sidecar beside an application on a real Kubernetes: how it starts, heals, takes new certificates and ends."""

import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.certs import Authority, Pair
from kit.need import program, repository
from pod.cluster import ROLLED_OUT, Namespace
from pod.legacy import deployment

ADMIN = "http://127.0.0.1:9101"
SIDECAR = "https-sidecar"


def same(served: str, pair: Pair) -> bool:
    """Whether the certificate that a client saw is this one."""
    return ssl.PEM_cert_to_DER_cert(served) == ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


def served_in(namespace: Namespace) -> bool:
    return namespace.fetch("pod/client", f"https://{namespace.address()}/hostname", container="client").status == 200


@pytest.fixture
def app(client: Namespace, authority: Authority) -> Namespace:
    """A plain Deployment with the component, its certificate and a client, rolled out."""
    client.put_certificate(authority.server("legacy"))
    client.apply_overlay(deployment(), SIDECAR)
    client.rolled_out()
    return client


def test_an_application_on_localhost_is_served_over_https_by_its_service(app: Namespace) -> None:
    answer = app.fetch("pod/client", f"https://{app.address()}/hostname", container="client")
    assert (answer.status, answer.body.strip()) == (200, app.pod()["metadata"]["name"])


def test_clients_get_the_certificate_of_the_secret(app: Namespace, authority: Authority) -> None:
    assert same(app.served_certificate(), authority.server("legacy"))


def test_the_complete_pod_serves_as_it_stands(client: Namespace, authority: Authority) -> None:
    client.put_certificate(authority.server("legacy"))
    client.apply((repository() / "k8s" / SIDECAR / "pod.yaml").read_text())
    client.until(lambda: client.is_ready(SIDECAR, app="legacy-https"), "the pod is ready")
    url = f"https://{client.address('legacy-https')}/"
    assert client.fetch("pod/client", url, container="client").status == 200


def test_a_pod_without_its_certificate_says_so_and_heals_when_the_secret_appears(
    client: Namespace, authority: Authority
) -> None:
    client.apply_overlay(deployment(), SIDECAR)
    client.until(lambda: client.container(SIDECAR).get("started"), "the sidecar has started")
    reasons = client.fetch("deployment/legacy", f"{ADMIN}/readyz?verbose")
    assert reasons.status == 503
    assert "/certificate/tls.crt" in reasons.body
    assert not client.is_ready(SIDECAR)
    client.put_certificate(authority.server("legacy"))
    client.until(lambda: client.is_ready(SIDECAR), "the sidecar is ready", timeout=2 * ROLLED_OUT)
    assert client.container(SIDECAR)["restartCount"] == 0


def test_a_renewed_secret_is_served_without_a_restart(app: Namespace, authority: Authority) -> None:
    renewed = authority.server("legacy", fresh=True)
    app.put_certificate(renewed)
    app.until(lambda: same(app.served_certificate(), renewed), "the new certificate is served", timeout=2 * ROLLED_OUT)
    assert app.container(SIDECAR)["restartCount"] == 0


def test_a_killed_sidecar_comes_back_and_serves(app: Namespace) -> None:
    app.kill(app.pod()["metadata"]["name"], SIDECAR)
    app.until(lambda: app.container(SIDECAR)["restartCount"] == 1, "the sidecar is started again")
    app.until(lambda: app.is_ready(SIDECAR), "the sidecar is ready again")
    app.until(lambda: served_in(app), "requests are answered")


def test_a_pod_whose_application_is_gone_is_not_ready_until_it_is_back(app: Namespace) -> None:
    def down() -> bool:
        # Kubernetes starts it again at once, the first time; only then it backs off for long enough to be seen.
        if app.container("legacy")["state"].get("running"):
            app.kill(app.pod()["metadata"]["name"], "http.server", container="legacy")
        return not app.is_ready(SIDECAR)

    app.until(down, "the pod is not ready")
    app.until(lambda: app.is_ready(SIDECAR), "the application is back and the pod ready", timeout=2 * ROLLED_OUT)
    assert app.container(SIDECAR)["restartCount"] == 0


def test_a_wrong_setting_is_told_where_one_looks_first(namespace: Namespace) -> None:
    wrong = [{"op": "replace", "path": "/spec/template/spec/containers/1/env/0/value", "value": "nowhere"}]
    patches = [{"target": {"kind": "Deployment"}, "patch": json.dumps(wrong)}]
    namespace.apply_overlay(deployment(), SIDECAR, patches=patches)

    def ended() -> object:
        status = namespace.container(SIDECAR)
        return status["state"].get("terminated") or status.get("lastState", {}).get("terminated")

    terminated = namespace.until(ended, "the sidecar has ended")
    assert terminated["exitCode"] == 2
    assert "UPSTREAM" in terminated["message"]


def test_a_deleted_pod_ends_within_its_grace_period_with_exit_code_0(app: Namespace) -> None:
    name = app.pod()["metadata"]["name"]
    app.kubectl("delete", "pod", name, "--wait=false")

    def ended() -> object:
        (status,) = [one for one in app.get("pod", name)["status"]["containerStatuses"] if one["name"] == SIDECAR]
        return status["state"].get("terminated")

    terminated = app.until(ended, "the sidecar has ended")
    assert terminated["exitCode"] == 0
    app.kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=60s", timeout=90)


def test_a_rolling_update_under_load_fails_no_request(client: Namespace, authority: Authority) -> None:
    client.put_certificate(authority.server("legacy"))
    client.apply_overlay(deployment(replicas=2), SIDECAR)
    client.rolled_out()
    before = {pod["metadata"]["name"] for pod in client.pods()}
    report = load_during(client, lambda: rolled_over(client, before))
    assert report["failed"] == []
    assert set(report["served"]) >= before
    assert set(report["served"]) >= {pod["metadata"]["name"] for pod in client.pods()}


def rolled_over(namespace: Namespace, before: set[str]) -> None:
    """Replace every pod, and wait until the old ones are gone."""
    namespace.kubectl("rollout", "restart", "deployment/legacy")
    namespace.rolled_out()
    namespace.until(
        lambda: not before & {pod["metadata"]["name"] for pod in namespace.get("pods")["items"]},
        "the old pods are gone",
        timeout=2 * ROLLED_OUT,
    )


def load_during(namespace: Namespace, change: Callable[[], None]) -> dict[str, Any]:
    """What a steady load from the client's pod saw while `change` ran."""
    code = (Path(__file__).parent / "load_client.py").read_text()
    command = [program("kubectl"), "--namespace", namespace.name, "exec", "-i", "client", "--", "python3", "-c", code]
    with subprocess.Popen(
        [*command, namespace.address()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as load:
        assert load.stdout is not None
        assert load.stdout.readline() == "started\n"
        change()
        told, _ = load.communicate(timeout=ROLLED_OUT)
    report: dict[str, Any] = json.loads(told.splitlines()[-1])
    return report
