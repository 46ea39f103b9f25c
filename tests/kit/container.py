"""Our images as tests see them: which there are, how they are built, and containers that never outlive a test.

An image is a folder below images/ with a Dockerfile. A part's folder declares in pyproject.toml, under
[tool.podparts], how large its image may be and which settings make it ready without anything beside it. Everything
goes through the engine that `docker` talks to. It knows nothing of what a part does.
"""

import functools
import io
import json
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from kit.need import repository
from kit.wait import until

HARDENED: dict[str, Any] = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
PYTHON_IMAGE = "python:3.13-slim-trixie"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Image:
    """One folder below images/ that has a Dockerfile."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def tag(self) -> str:
        return f"podparts/{self.name}"

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def project(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def is_part(self) -> bool:
        """Whether it can be run by its own name; the base image cannot."""
        return "scripts" in self.project["project"]

    @property
    def largest(self) -> int:
        """How many bytes it may have, uncompressed."""
        return int(self.project["tool"]["podparts"]["max-image-mb"]) * MEGABYTE

    @property
    def ready_with(self) -> dict[str, str]:
        """The settings with which it becomes ready when nothing else is there."""
        return dict(self.project["tool"]["podparts"].get("ready-with", {}))


def images() -> list[Image]:
    """All of them, in the order in which they are built."""
    folders = [path.parent for path in (repository() / "images").glob("*/Dockerfile")]
    return [Image(folder) for folder in sorted(folders, key=lambda folder: (folder.name != "base", folder.name))]


def command(*words: str) -> str:
    """Runs a command of the machine; its standard output. Raises CalledProcessError with what it said on failure."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-8000:]}"
        )
    return done.stdout


@functools.cache
def built(name: str) -> str:
    """Builds the image of that name, and the base before it; its tag."""
    if name == "base":
        command(str(repository() / "tools" / "standin.sh"))
    else:
        built("base")
    image = Image(repository() / "images" / name)
    command("docker", "build", "-q", "-t", image.tag, str(image.folder))
    return image.tag


@functools.cache
def engine() -> docker.DockerClient:
    return docker.from_env(timeout=60)


class Container:
    """A container that runs; what it logs, how it is and how it ended."""

    def __init__(self, running: Any) -> None:
        self._running = running

    def log(self) -> str:
        text: bytes = self._running.logs()
        return text.decode("utf-8", "replace")

    def events(self) -> list[dict[str, Any]]:
        """Its log, one event per line."""
        return [json.loads(line) for line in self.log().splitlines()]

    @property
    def state(self) -> dict[str, Any]:
        self._running.reload()
        return dict(self._running.attrs["State"])

    @property
    def health(self) -> str:
        return str(self.state.get("Health", {}).get("Status", "none"))

    @property
    def address(self) -> str:
        """Its address in the engine's own network, which this machine reaches."""
        self._running.reload()
        networks = self._running.attrs["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    @property
    def id(self) -> str:
        return str(self._running.id)

    def run(self, *words: str) -> tuple[int, str]:
        """Runs a command inside, as an exec probe does: exit code and output."""
        code, output = self._running.exec_run(list(words))
        return code, output.decode("utf-8", "replace")

    def until_healthy(self) -> "Container":
        until(lambda: self.health == "healthy", timeout=30, why="the container is healthy", show=self.log)
        return self

    def stop(self, within: int) -> int:
        """SIGTERM, and SIGKILL after `within` seconds; the exit code, which is 137 in that case."""
        self._running.stop(timeout=within)
        return self.ended()

    def ended(self) -> int:
        """Waits for its end; the exit code."""
        return int(self._running.wait(timeout=60)["StatusCode"])


@contextmanager
def container(tag: str, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Iterator[Container]:
    """A container of the image, hardened as in the k8s examples; removed at the end, whatever happens."""
    running = engine().containers.run(
        tag, list(arguments), environment=dict(env or {}), detach=True, **HARDENED | options
    )
    try:
        yield Container(running)
    finally:
        running.remove(force=True, v=True)


def once(tag: str, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> tuple[int, str]:
    """Runs a container to its end: exit code and output."""
    with container(tag, *arguments, env=env, **options) as running:
        code = running.ended()
        return code, running.log()


def python(tag: str, script: str) -> str:
    """What a script prints that the image's own interpreter runs inside it. Fails when the script does."""
    code, output = once(tag, "-c", script, entrypoint=["python3"])
    assert code == 0, output
    return output


@functools.cache
def files(tag: str) -> tuple[tarfile.TarInfo, ...]:
    """Every file of the image, as tar describes it."""
    with _exported(tag) as tar:
        return tuple(tar)


def read(tag: str, path: str) -> bytes:
    """The content of a file of the image."""
    with _exported(tag) as tar:
        member = tar.extractfile(path.lstrip("/"))
        assert member is not None, f"{path} is no file"
        return member.read()


@contextmanager
def _exported(tag: str) -> Iterator[tarfile.TarFile]:
    made = engine().containers.create(tag)
    try:
        export: Any = made.export()  # bytes, which its stub calls text
        with tarfile.open(fileobj=io.BytesIO(b"".join(export))) as tar:
            yield tar
    finally:
        made.remove()


def inspected(tag: str) -> dict[str, Any]:
    """What the engine says of the image: size, labels, user, ports."""
    return dict(engine().images.get(tag).attrs)
