"""A namespace of a real cluster, driven by kubectl: apply, look, wait, ask from inside.

Requests are made from pods, never from this machine: in somebody's own cluster pod addresses lead nowhere from here.
What is waited for has a deadline, and when it passes, the failure shows the pods, their events and their logs.
"""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kit.certs import Pair
from kit.need import program, repository
from kit.wait import until

ROLLED_OUT = 60.0
"""Seconds for a rollout, an end or a heal: probes and back-offs take seconds each on two busy cores."""

FETCH = """
import http.client, json, ssl, sys, urllib.error, urllib.request
unverified = ssl._create_unverified_context()
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=10, context=unverified)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode()]))
"""

SERIAL = """
import socket, ssl, sys
context = ssl._create_unverified_context()
with socket.create_connection((sys.argv[1], 443), timeout=10) as plain, context.wrap_socket(plain) as tls:
    sys.stdout.write(ssl.DER_cert_to_PEM_cert(tls.getpeercert(True)))
"""

# Kills the processes whose command line holds the words. The kernel lets a user do that to its own.
KILL = """
import os, signal, sys
from pathlib import Path
found = 0
for entry in Path("/proc").glob("[0-9]*/cmdline"):
    try:
        words = entry.read_bytes().decode().split("\\0")
    except OSError:
        continue
    if sys.argv[1] in " ".join(words) and int(entry.parent.name) != os.getpid():
        os.kill(int(entry.parent.name), signal.SIGKILL)
        found += 1
sys.exit(0 if found else 1)
"""


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: str


class Failed(AssertionError):
    """kubectl ended with an error; its text is the message."""


def kubectl(*arguments: str, text: str | None = None, timeout: float = 60) -> str:
    """The output of kubectl. Raises Failed."""
    done = subprocess.run(
        [program("kubectl"), *arguments], input=text, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0:
        raise Failed(f"kubectl {' '.join(arguments)}\n{done.stderr.strip()}\n{done.stdout[-2000:]}")
    return done.stdout


class Namespace:
    """One test's own namespace; `directory` is where its overlays are written."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log: list[str] = []

    def kubectl(self, *arguments: str, text: str | None = None, timeout: float = 60) -> str:
        return kubectl("--namespace", self.name, *arguments, text=text, timeout=timeout)

    # --- to change it

    def apply(self, *manifests: str | dict[str, Any]) -> None:
        """YAML text, or the content of an object."""
        for manifest in manifests:
            self.kubectl("apply", "-f", "-", text=manifest if isinstance(manifest, str) else json.dumps(manifest))

    def apply_overlay(self, resources: str, *components: str, **more: Any) -> None:
        """`kubectl apply -k` of a kustomization with these resources and components of k8s/, as a user writes it."""
        (self.directory / "resources.yaml").write_text(resources)
        paths = [os.path.relpath(repository() / "k8s" / name, self.directory.resolve()) for name in components]
        content = {"resources": ["resources.yaml"], "components": paths, **more}
        (self.directory / "kustomization.yaml").write_text(yaml.safe_dump(content))
        self.kubectl("apply", "-k", str(self.directory))

    def put_certificate(self, pair: Pair) -> None:
        """The Secret that https-sidecar mounts, made or replaced."""
        files = {"tls.crt": pair.certificate, "tls.key": pair.key}
        data = {name: base64.b64encode(path.read_bytes()).decode() for name, path in files.items()}
        kind = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls"}
        self.apply({**kind, "metadata": {"name": "https-certificate"}, "data": data})

    def kill(self, pod: str, words: str, container: str = "legacy") -> None:
        """SIGKILL to the processes in the pod whose command line holds `words`, sent from `container`."""
        self.python(f"pod/{pod}", KILL, words, container=container)

    # --- to look at it

    def get(self, *what: str) -> Any:
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def pods(self, app: str = "legacy") -> list[Any]:
        """The pods of an application that are not on their way out."""
        found = self.get("pods", "-l", f"app={app}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod(self, app: str = "legacy") -> Any:
        (found,) = self.pods(app)
        return found

    def container(self, name: str, app: str = "legacy") -> Any:
        """The status of a container of the one pod of an application."""
        statuses = self.pod(app)["status"].get("containerStatuses", [])
        return next((one for one in statuses if one["name"] == name), {"ready": False, "restartCount": 0, "state": {}})

    def is_ready(self, name: str, app: str = "legacy") -> bool:
        return bool(self.container(name, app)["ready"])

    def address(self, service: str = "legacy") -> str:
        """The service's address; there may be no DNS in the cluster."""
        return str(self.get("service", service)["spec"]["clusterIP"])

    def logs(self, target: str, container: str) -> str:
        return self.kubectl("logs", target, "-c", container, "--tail", "200")

    # --- to ask from inside

    def python(self, target: str, code: str, *arguments: str, container: str = "legacy") -> str:
        """The output of a Python program that runs in a container which has Python. Raises Failed."""
        return self.kubectl("exec", target, "-c", container, "--", "python3", "-c", code, *arguments)

    def fetch(self, target: str, url: str, container: str = "legacy") -> Answer:
        """GET from a container; certificates are not verified, see `served_serial` for them."""
        return Answer(*json.loads(self.python(target, FETCH, url, container=container)))

    def served_certificate(self, service: str = "legacy") -> str:
        """The certificate that a client gets from the service, in PEM."""
        return self.python("pod/client", SERIAL, self.address(service), container="client")

    # --- to wait

    def until(self, condition: Callable[[], Any], why: str, timeout: float = ROLLED_OUT) -> Any:
        return until(condition, timeout=timeout, why=why, show=self.report)

    def rolled_out(self, name: str = "legacy") -> None:
        within = f"--timeout={ROLLED_OUT:g}s"
        try:
            self.kubectl("rollout", "status", f"deployment/{name}", within, timeout=2 * ROLLED_OUT)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.report()}") from None

    def report(self) -> str:
        """What one would look at by hand when a pod does not do what it should."""
        told = []
        for arguments in (
            ["get", "pods", "-o", "wide"],
            ["get", "events", "--sort-by", ".lastTimestamp"],
            ["logs", "-l", "app=legacy", "--all-containers", "--prefix", "--tail", "30"],
        ):
            try:
                told.append(f"$ kubectl {' '.join(arguments)}\n{self.kubectl(*arguments)}")
            except (Failed, subprocess.TimeoutExpired) as failed:
                told.append(str(failed))
        return "\n".join(told)
