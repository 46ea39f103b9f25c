"""Observe mode refuses nobody and names everybody who would have been."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from kit.certs import Authority
from kit.raw import RawClient

from .conftest import GET, Sidecar


@pytest.fixture
def observing(sidecar: Callable[..., Sidecar], authority: Authority) -> Sidecar:
    return sidecar(
        OBSERVE="true", CLIENT_CA_PATH=authority.certificate, CLIENT_ALLOW="cn=web", TLS_MIN_VERSION="1.3",
        REDIRECT_LISTEN=True,
    )  # fmt: skip


def observed(it: Sidecar) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(it.part.admin("/observe")[1])
    return told


def test_a_client_without_certificate_is_served_and_listed(observing: Sidecar) -> None:
    assert observing.get().status == 200
    assert [(one["reason"], one["who"]) for one in observed(observing)["clients"]] == [
        ("client_certificate_missing", "127.0.0.1")
    ]


def test_a_certificate_that_nobody_vouches_for_is_served_listed_and_not_believed(
    observing: Sidecar, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("other"), "another authority").client("web")
    answer = observing.get(client=stranger)
    assert (answer.status, b"X-Client-Cert-Verified: NONE" in answer.body, b"CN: web" in answer.body) == (
        200,
        True,
        False,
    )
    (one,) = observed(observing)["clients"]
    assert (one["reason"], one["who"]) == ("client_certificate_invalid", "CN=web")


def test_a_client_that_no_rule_names_is_served_and_listed(observing: Sidecar, authority: Authority) -> None:
    assert observing.get(client=authority.client("other")).status == 200
    (one,) = observed(observing)["clients"]
    assert (one["reason"], one["who"]) == ("not_allowed", "CN=other")


def test_a_client_that_would_be_let_in_is_not_listed(observing: Sidecar, authority: Authority) -> None:
    assert observing.get(client=authority.client("web")).status == 200
    assert observed(observing)["clients"] == []


def test_plain_http_is_served_and_listed_on_both_ports(observing: Sidecar) -> None:
    for port in (observing.port, observing.redirect_port):
        with RawClient(port) as client:
            assert client.send(GET).response().status == 200
    (one,) = observed(observing)["clients"]
    assert (one["reason"], one["count"]) == ("plain_http", 2)
    assert observing.part.metric("https_sidecar_observed_total", reason="plain_http") == 2


def test_an_old_tls_version_is_served_and_listed(observing: Sidecar, authority: Authority) -> None:
    import ssl

    answer = observing.get(client=authority.client("web"), maximum_version=ssl.TLSVersion.TLSv1_2)
    assert answer.status == 200
    assert [one["reason"] for one in observed(observing)["clients"]] == ["tls_version"]
