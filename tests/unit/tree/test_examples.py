"""The examples that users copy: k8s/*/*.yaml and compose/*/*.yaml, without a cluster or an engine.

Each must load with the settings of the image it starts; k8s/ must satisfy the strict schemas of an old, a middle and
the newest Kubernetes and the restricted Pod Security Standard, and its variants must say the same. That they also run
is held by tests/pod and tests/container.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from kit.need import need, program, repository
from podparts.settings import load

ROOT = repository()
COMPONENTS = sorted(file.parent for file in ROOT.glob("k8s/*/kustomization.yaml"))
NATIVE = sorted(file.parent for file in ROOT.glob("k8s/*/native/kustomization.yaml"))
PODS = sorted(ROOT.glob("k8s/*/pod.yaml"))
EXAMPLES = sorted([*ROOT.glob("k8s/**/*.yaml"), *ROOT.glob("compose/*/*.yaml")])
VERSIONS = ("1.25", "1.31", "1.37")
NATIVE_VERSIONS = ("1.29", "1.33", "1.37")

APPLICATION = """
apiVersion: apps/v1
kind: {kind}
metadata:
  name: legacy
spec:
  selector:
    matchLabels: {{app: legacy}}
  {service_name}
  template:
    metadata:
      labels: {{app: legacy}}
    spec:
      containers:
        - name: legacy
          image: registry.example/legacy:1
"""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def documents(file: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def part_of(container: dict[str, Any]) -> str | None:
    """The part that a container of Kubernetes or a service of compose starts; None for an application."""
    found = re.match(r"(?:.*/)?podparts/([a-z-]+)(:|$)", str(container.get("image", "")))
    name = found.group(1) if found else None
    return name if name and (ROOT / "images" / name / "src").is_dir() and name != "base" else None


def part(name: str) -> Any:
    """What an image declares."""
    return import_module(f"{name.replace('-', '_')}.__main__").PART


def settings_of(name: str, container: dict[str, Any], directory: Path) -> Any:
    """The settings that a container starts with; files of secrets, which are mounted there, are made here."""
    secret = directory / "secret"
    secret.write_text("a secret\n")
    given = environment(container)
    given |= {variable: str(secret) for variable in given if variable.endswith("_FILE")}
    return load(part(name).settings, given)


def as_set(value: object) -> str:
    """A value as the shell of compose leaves it: ${NAME:-default} gives the default."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", str(value))


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Lists of name and value (Kubernetes), lists of NAME=value and mappings (both compose)."""
    given = container.get("env", container.get("environment", {}))
    if isinstance(given, dict):
        return {name: as_set(value) for name, value in given.items()}
    pairs = ([one["name"], one["value"]] if isinstance(one, dict) else one.split("=", 1) for one in given)
    return {name: as_set(value) for name, value in pairs}


def parts(found: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    """The parts in some documents, by name."""
    return [(name, one) for one in walk(found) if (name := part_of(one))]


def container_of(file: Path) -> dict[str, Any]:
    """The one part that a file of k8s/ adds."""
    ((_, container),) = parts(documents(file))
    return container


def built(kustomization: str, directory: Path, kind: str = "Deployment") -> list[Any]:
    """What kustomize makes of a plain application, deployment.yaml, and a kustomization beside it."""
    need("kubectl")
    service_name = "serviceName: legacy" if kind == "StatefulSet" else ""
    (directory / "deployment.yaml").write_text(APPLICATION.format(kind=kind, service_name=service_name))
    root = os.path.relpath(ROOT, directory.resolve())
    (directory / "kustomization.yaml").write_text(kustomization.replace("path/to/podparts", root))
    done = subprocess.run(
        [program("kubectl"), "kustomize", str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def overlay(component: Path, directory: Path, kind: str = "Deployment") -> list[Any]:
    """What kustomize makes of a plain application and a component."""
    path = f"path/to/podparts/{relative(component)}"
    return built(f"resources: [deployment.yaml]\ncomponents: [{path}]\n", directory, kind)


def kustomizations(readme: Path) -> list[str]:
    """The kustomizations that a README shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", readme.read_text(), flags=re.DOTALL)
    return [block for block in blocks if "components:" in block]


def validate(found: list[Any], version: str) -> None:
    for document in found:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("file", EXAMPLES, ids=relative)
def test_an_example_loads_with_the_settings_of_the_image_it_starts(file: Path, tmp_path: Path) -> None:
    for name, container in parts(documents(file)):
        settings_of(name, container, tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", PODS, ids=relative)
def test_a_pod_satisfies_the_strict_schema(file: Path, version: str) -> None:
    validate(documents(file), version)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_a_component_makes_a_valid_workload_of_each_kind(component: Path, kind: str, tmp_path: Path) -> None:
    made = overlay(component, tmp_path, kind)
    for version in VERSIONS:
        validate(made, version)


@pytest.mark.parametrize("component", NATIVE, ids=relative)
def test_a_native_sidecar_makes_a_valid_workload(component: Path, tmp_path: Path) -> None:
    made = overlay(component, tmp_path)
    for version in NATIVE_VERSIONS:
        validate(made, version)


@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_a_component_leaves_the_application_the_first_container(component: Path, tmp_path: Path) -> None:
    (made,) = overlay(component, tmp_path)
    names = [container["name"] for container in made["spec"]["template"]["spec"]["containers"]]
    assert names == ["legacy", component.name]


@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_what_the_readme_shows_can_be_built(component: Path, tmp_path: Path) -> None:
    shown = kustomizations(component / "README.md")
    assert len(shown) == 2
    for number, kustomization in enumerate(shown):
        directory = tmp_path / str(number)
        directory.mkdir()
        made = built(kustomization, directory)
        validate(made, VERSIONS[-1])
        ((name, container),) = parts(made)
        settings_of(name, container, tmp_path)


def test_both_parts_fit_into_one_pod() -> None:
    first, second = ((yaml.safe_load((path / "container.yaml").read_text())[0]["value"]) for path in COMPONENTS)
    for key in ("name", "containerPort"):
        taken = [[port[key] for port in container["ports"]] for container in (first, second)]
        assert not set(taken[0]) & set(taken[1])


@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_a_native_sidecar_is_the_same_container(component: Path) -> None:
    native = container_of(component / "native" / "sidecar.yaml")
    assert native.pop("restartPolicy") == "Always"
    assert native == container_of(component / "container.yaml")


@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_a_native_sidecar_gives_the_pod_the_same(component: Path) -> None:
    ordinary, native = (
        documents(component / file)[0]["spec"]["template"]["spec"] for file in ("template.yaml", "native/sidecar.yaml")
    )
    del native["initContainers"]
    assert native == ordinary


@pytest.mark.parametrize("file", PODS, ids=relative)
def test_the_pod_holds_the_container_of_the_component(file: Path) -> None:
    assert container_of(file) == container_of(file.parent / "container.yaml")


@pytest.mark.parametrize("file", PODS, ids=relative)
def test_a_pod_keeps_to_the_restricted_pod_security_standard(file: Path) -> None:
    pod = documents(file)[0]["spec"]
    for container in pod["containers"]:
        context = pod.get("securityContext", {}) | container["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


@pytest.mark.parametrize("file", PODS, ids=relative)
def test_a_pod_gives_its_parts_neither_service_links_nor_an_account(file: Path) -> None:
    pod = documents(file)[0]["spec"]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_the_drain_fits_into_the_usual_grace_period(component: Path, tmp_path: Path) -> None:
    settings = settings_of(component.name, container_of(component / "container.yaml"), tmp_path)
    grace = documents(component / "pod.yaml")[0]["spec"]["terminationGracePeriodSeconds"]
    assert settings.shutdown_delay + settings.shutdown_grace < grace <= 30


@pytest.mark.parametrize("component", COMPONENTS, ids=relative)
def test_the_probes_ask_the_admin_port(component: Path, tmp_path: Path) -> None:
    container = container_of(component / "container.yaml")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    admin = settings_of(component.name, container, tmp_path).admin_listen.port
    for probe, path in (("startupProbe", "/startupz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        asked = container[probe]["httpGet"]
        assert (asked["path"], ports[asked["port"]]) == (path, admin)
