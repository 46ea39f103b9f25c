"""Children: a part's console script, or any program, started the way an operator starts it and never left behind.

A child gets exactly the environment that the test names (and PATH), so nothing of the developer's shell leaks in. What
it prints goes to files: no pipe can fill up, and the log is still there when a test fails (conftest prints it). Each
child leads its own process group, which is killed at the end together with what it started; should the test process
itself be killed, the kernel kills the child (PR_SET_PDEATHSIG). It knows nothing of HTTP beyond asking the admin port.
"""

import atexit
import contextlib
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from kit.ports import free_port
from kit.wait import until

SCRIPTS = Path(sys.executable).parent
TESTS = Path(__file__).resolve().parents[1]
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl

alive: set["Child"] = set()


def _begin() -> None:
    """In the child: die with the parent, and take Ctrl-C whatever started the tests (nohup and `&` have it ignored)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _environment(env: Mapping[str, object]) -> dict[str, str]:
    base = {"PATH": os.environ.get("PATH", os.defpath)}
    return base | {name: str(value) for name, value in env.items()}


class EndedEarly(Exception):
    """A child ended although the test still waits for it. Not an AssertionError: waiting longer cannot help."""


class Child:
    """One running program. `env` is its whole environment, PATH aside."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        env: Mapping[str, object] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = [str(word) for word in command]
        self.name = Path(self.command[0]).name
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            self._popen = subprocess.Popen(
                self.command,
                env=_environment(env or {}),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=_begin,
            )
            self._out, self._err = os.dup(out.fileno()), os.dup(err.fileno())
        for descriptor in (self._out, self._err):  # kept open after the end, so that the log can still be read
            weakref.finalize(self, os.close, descriptor)
        alive.add(self)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    def stdout(self) -> str:
        return _read(self._out)

    def stderr(self) -> str:
        return _read(self._err)

    def log(self) -> str:
        """Everything it has printed so far, standard output first."""
        return self.stdout() + self.stderr()

    def until_logged(self, text: str, timeout: float = 10.0) -> None:
        """Wait until it has printed `text`; a child that ends before is a failure at once."""

        def seen() -> bool:
            ended = self.code is not None
            found = text in self.log()
            if ended and not found:
                raise EndedEarly(f"{self.name} ended with {self.code} before it printed {text!r}\n{self.log()}")
            return found

        until(seen, timeout=timeout, why=f"{self.name} prints {text!r}", show=self.log)

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, timeout: float = 20.0) -> int:
        """Wait until it ends by itself; returns its exit code."""
        until(lambda: self.code is not None, timeout=timeout, why=f"{self.name} ends", show=self.log)
        assert self.code is not None
        return self.code

    def stop(self, timeout: float = 20.0) -> int:
        """SIGTERM, then wait; returns the exit code."""
        if self.code is None:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and its children at once. Safe to call twice."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        alive.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def command(name: str) -> list[str]:
    """What starts a part: the console script of its image, or Python with the part's file."""
    if name.endswith(".py"):
        return [sys.executable, name]
    assert script(name).exists(), f"{script(name)} is missing: make setup"
    return [str(script(name))]


class Part(Child):
    """A part of ours by the name of its image (or a part's Python file), with an admin port of its own."""

    def __init__(
        self, name: str, *arguments: str, env: Mapping[str, object] | None = None, cwd: Path | None = None
    ) -> None:
        env = {"ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "SHUTDOWN_DELAY": "0"} | dict(env or {})
        self.admin_port = int(str(env["ADMIN_LISTEN"]).rpartition(":")[2])
        super().__init__([*command(name), *arguments], env, cwd)

    def admin(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and body that the admin port answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def ready(self) -> bool:
        """Whether /readyz says yes now."""
        if self.code is not None:
            raise EndedEarly(f"{self.name} ended with {self.code}\n{self.log()}")
        return self.admin("/readyz")[0] == 200

    def live(self) -> bool:
        """Whether /livez says yes now."""
        if self.code is not None:
            raise EndedEarly(f"{self.name} ended with {self.code}\n{self.log()}")
        return self.admin("/livez")[0] == 200

    def until_live(self, timeout: float = 10.0) -> "Part":
        until(self.live, timeout=timeout, why=f"{self.name} is alive", show=self.log)
        return self

    def until_ready(self, timeout: float = 10.0) -> "Part":
        until(self.ready, timeout=timeout, why=f"{self.name} is ready", show=self.log)
        return self

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples called `name` whose labels include `labels`; 0 when there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(label in series for label in wanted):
                total += float(value)
        return total


def run(
    command: Sequence[str | os.PathLike[str]], env: Mapping[str, object] | None = None, timeout: float = 20.0
) -> subprocess.CompletedProcess[str]:
    """Run a program that ends by itself (`https-sidecar --check`); nothing is raised for its exit code."""
    return subprocess.run(
        [str(word) for word in command],
        env=_environment(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def script(name: str) -> Path:
    """The console script of a part in this virtual environment."""
    return SCRIPTS / name


def _read(descriptor: int) -> str:
    """The whole file, without moving the offset at which the child goes on writing."""
    pieces = []
    offset = 0
    while piece := os.pread(descriptor, 1 << 20, offset):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces).decode(errors="replace")


def kill_all() -> None:
    for child in tuple(alive):
        child.kill()


atexit.register(kill_all)
