"""`make demo` where no engine answers: the same application and parts as processes, and nothing left of them after."""

import signal
import socket
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.need import repository
from kit.ports import listening
from kit.process import Child

PORTS = ("HTTPS_PORT", "TOPZ_PORT", "ADMIN_PORT", "APP_PORT", "TOPZ_ADMIN_PORT")
DEMO = str(repository() / "tools" / "demo.sh")


@pytest.fixture
def ports(free_port: Callable[[], int]) -> dict[str, int]:
    return {name: free_port() for name in PORTS}


@pytest.fixture
def demo(start: Callable[..., Child], ports: dict[str, int], tmp_path: Path) -> Child:
    """The demo, running and having said what to open; its temporary files go to tmp_path."""
    child = start([DEMO, "processes"], TMPDIR=tmp_path, **ports)
    child.until_logged("Ctrl-C", timeout=60)
    return child


def fetch(url: str) -> str:
    unverified = ssl._create_unverified_context()
    with urllib.request.urlopen(url, timeout=10, context=unverified) as answer:
        return str(answer.read().decode())


def test_it_says_what_to_open(demo: Child, ports: dict[str, int]) -> None:
    assert f"https://localhost:{ports['HTTPS_PORT']}/" in demo.log()
    assert f"http://localhost:{ports['TOPZ_PORT']}/topz" in demo.log()


def test_the_application_is_reached_over_https(demo: Child, ports: dict[str, int]) -> None:
    assert "Pydoc: package asyncio" in fetch(f"https://localhost:{ports['HTTPS_PORT']}/asyncio.html")


def test_the_page_shows_the_application_and_the_sidecar(demo: Child, ports: dict[str, int]) -> None:
    page = fetch(f"http://localhost:{ports['TOPZ_PORT']}/topz?format=text")
    assert "-m pydoc" in page
    assert "https-sidecar" in page


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_leaves_nothing(
    number: signal.Signals, demo: Child, ports: dict[str, int], tmp_path: Path
) -> None:
    demo.signal(number)
    assert demo.wait(timeout=30) == 0
    assert [name for name, port in ports.items() if listening(port)] == []
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_named(start: Callable[..., Child], ports: dict[str, int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = start([DEMO, "processes"], **ports | {"HTTPS_PORT": port})
        assert child.wait(timeout=30) == 1
    assert f"port {port} is in use: choose another by HTTPS_PORT" in child.log()
