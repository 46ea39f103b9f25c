"""Admin: the endpoints that every part has."""

import json
from dataclasses import dataclass

import pytest

from podparts.admin import ENDPOINTS, build_admin, is_from_this_pod
from podparts.health import Health
from podparts.settings import CommonSettings, Secret, load, setting
from podparts.web import Answer, Request, Site


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    token: Secret = setting(None, secret=True, help="What a client presents.")


class Port:
    """An admin port without a network."""

    def __init__(self) -> None:
        self.health = Health()
        self.stopped: list[str] = []
        settings = load(Settings, {"TOKEN": "hunter2"})
        self.site: Site = build_admin(
            "toy", settings, self.health, self.metrics, self.stopped.append, lambda request, error: None
        )

    def metrics(self, openmetrics: bool) -> bytes:
        return b"open" if openmetrics else b"text"

    def get(self, path: str, method: str = "GET", peer: str = "127.0.0.1", **headers: str) -> Answer:
        path, _, query = path.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.site(Request(method, path, path, {query: ""} if query else {}, named, peer=peer))


@pytest.fixture
def port() -> Port:
    return Port()


def test_a_ready_part_says_ok_on_every_probe(port: Port) -> None:
    for path in ("/livez", "/readyz", "/startupz", "/healthz"):
        assert (port.get(path).status, port.get(path).body) == (200, b"ok\n")


def test_a_part_that_is_not_ready_says_why(port: Port) -> None:
    port.health.condition("certificate").fail("no such file: /tls/tls.crt")
    assert port.get("/livez").status == 200
    for path in ("/readyz", "/healthz", "/startupz"):
        assert (port.get(path).status, port.get(path).body) == (503, b"certificate: no such file: /tls/tls.crt\n")


def test_verbose_lists_every_condition(port: Port) -> None:
    port.health.condition("certificate").ok()
    port.health.condition("upstream", ready=False, startup=False).fail("refused")
    assert port.get("/readyz?verbose").body == b"[+]certificate ok\n[-]upstream: refused\nok\n"


def test_metrics_are_text_unless_openmetrics_is_asked_for(port: Port) -> None:
    plain = port.get("/metrics")
    assert (plain.body, plain.content_type) == (b"text", "text/plain; version=0.0.4; charset=utf-8")
    other = port.get("/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert (other.body, other.content_type) == (b"open", "application/openmetrics-text; version=1.0.0; charset=utf-8")


def test_settings_are_shown_with_secrets_masked(port: Port) -> None:
    shown = json.loads(port.get("/settings").body)
    assert shown["TOKEN"] == "***"
    assert shown["LOG_LEVEL"] == "info"


def test_quitquitquit_stops_the_part(port: Port) -> None:
    assert port.get("/quitquitquit", "POST").status == 200
    assert port.stopped == ["POST /quitquitquit"]


def test_quitquitquit_is_refused_from_outside_the_pod(port: Port) -> None:
    assert port.get("/quitquitquit", "POST", peer="10.1.2.3").status == 403
    assert port.stopped == []


@pytest.mark.parametrize("header", [{"origin": "http://evil"}, {"sec_fetch_site": "cross-site"}])
def test_quitquitquit_is_refused_to_a_page_in_a_browser(port: Port, header: dict[str, str]) -> None:
    assert port.get("/quitquitquit", "POST", **header).status == 403
    assert port.stopped == []


def test_quitquitquit_is_not_a_get(port: Port) -> None:
    assert port.get("/quitquitquit").status == 405


def test_the_index_lists_every_endpoint(port: Port) -> None:
    page = port.get("/").body.decode()
    for endpoint in ENDPOINTS:
        assert endpoint.path in page


@pytest.mark.parametrize(
    ("peer", "inside"),
    [("127.0.0.1", True), ("::1", True), ("unix", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False)],
)
def test_the_loopback_interface_is_inside_the_pod(peer: str, inside: bool) -> None:
    assert is_from_this_pod(peer) is inside
