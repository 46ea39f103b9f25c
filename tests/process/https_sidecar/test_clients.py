"""Client certificates: who gets in, and what the application is told."""

import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.certs import Authority
from kit.raw import Response
from kit.wait import until

from .conftest import GET, Sidecar


@pytest.fixture
def mutual(sidecar: Callable[..., Sidecar], authority: Authority) -> Callable[..., Sidecar]:
    """A sidecar that knows the authority's clients."""

    def maker(**env: Any) -> Sidecar:
        return sidecar(CLIENT_CA_PATH=authority.certificate, **env)

    return maker


def told(response: Response, name: str) -> list[str]:
    """What the application got under this name."""
    lines = response.body.decode().split("\r\n")[1:]
    return [line.partition(": ")[2] for line in lines if line.lower().startswith(name.lower() + ":")]


def test_with_a_client_ca_a_certificate_is_required(mutual: Callable[..., Sidecar], authority: Authority) -> None:
    it = mutual()
    assert it.get(client=authority.client("web")).status == 200
    with pytest.raises(OSError, match=r"certificate required|alert|reset"):
        it.get()
    reason = {"reason": "client_certificate_missing"}
    assert it.part.metric("https_sidecar_tls_handshake_failures_total", **reason) == 1


def test_a_client_of_another_authority_is_refused(
    mutual: Callable[..., Sidecar], tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("other"), "another authority").client("web")
    it = mutual()
    with pytest.raises(OSError, match=r"unknown ca|alert|reset"):
        it.get(client=stranger)
    reason = {"reason": "client_certificate_invalid"}
    assert it.part.metric("https_sidecar_tls_handshake_failures_total", **reason) == 1


def test_a_requested_certificate_may_be_missing(mutual: Callable[..., Sidecar], authority: Authority) -> None:
    it = mutual(CLIENT_AUTH="request")
    assert told(it.get(), "X-Client-Cert-Verified") == ["NONE"]
    assert told(it.get(client=authority.client("web")), "X-Client-Cert-CN") == ["web"]


def test_the_application_learns_who_the_client_is(mutual: Callable[..., Sidecar], authority: Authority) -> None:
    client = authority.client("web", unit="shop", alternatives=("web.internal", "spiffe://example.org/web"))
    answer = mutual().get(client=client)
    expected = {
        "Verified": "SUCCESS", "Subject": "CN=web,OU=shop", "CN": "web", "OU": "shop", "DNS": "web.internal",
        "URI": "spiffe://example.org/web", "Serial": client.serial,
    }  # fmt: skip
    assert {name: told(answer, f"X-Client-Cert-{name}") for name in expected} == {k: [v] for k, v in expected.items()}
    (xfcc,) = told(answer, "X-Forwarded-Client-Cert")
    assert xfcc.endswith(';Subject="CN=web,OU=shop";URI=spiffe://example.org/web;DNS=web.internal')


@pytest.mark.parametrize(
    "forged",
    [b"X-Client-Cert-CN", b"x_client_cert_cn", b"X-Client-Cert-Verified", b"X-Forwarded-Client-Cert", b"Client-Cert"],
)
@pytest.mark.parametrize("with_tls_clients", [True, False])
def test_a_forged_identity_never_reaches_the_application(
    mutual: Callable[..., Sidecar], sidecar: Callable[..., Sidecar], forged: bytes, with_tls_clients: bool
) -> None:
    it = mutual(CLIENT_AUTH="request") if with_tls_clients else sidecar()
    answer = it.get(b"GET / HTTP/1.1\r\nHost: localhost\r\n%b: admin\r\n\r\n" % forged)
    assert b"admin" not in answer.body


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ("cn=web", 200), ("cn=other", 403), ("ou=shop", 200), ("dns=*.internal", 200), ("dns=*.external", 403),
        ("uri=spiffe://example.org/**", 200), ("uri=spiffe://example.org/*/x", 403), ("cn=other,ou=shop", 200),
        ("all", 200), ("none", 403),
    ],
)  # fmt: skip
def test_one_matching_rule_admits(
    mutual: Callable[..., Sidecar], authority: Authority, rules: str, status: int
) -> None:
    client = authority.client("web", unit="shop", alternatives=("web.internal", "spiffe://example.org/web"))
    it = mutual(CLIENT_ALLOW=rules)
    assert it.get(client=client).status == status
    assert it.part.metric("https_sidecar_client_denied_total") == (status == 403)


def test_a_new_bundle_of_authorities_is_taken_and_sessions_of_the_old_one_end(
    sidecar: Callable[..., Sidecar], authority: Authority, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"), "another authority")
    bundle = tmp_path / "clients.pem"
    shutil.copyfile(authority.certificate, bundle)
    it = sidecar(CLIENT_CA_PATH=bundle)
    known, stranger = authority.client("web"), other.client("web")
    context = it.context(known, maximum_version=ssl.TLSVersion.TLSv1_2)
    session = session_of(it, context)
    shutil.copyfile(other.certificate, bundle)
    until(lambda: it.get(client=stranger).status == 200, why="the new authority is known", show=it.part.log)
    with pytest.raises(OSError, match=r"unknown ca|alert|reset"):
        session_of(it, context, session)


def session_of(it: Sidecar, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession | None:
    """Make a request on a connection that resumes `session`; the session that can be resumed next."""
    with (
        socket.create_connection(("127.0.0.1", it.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
    ):
        connection.sendall(GET)
        assert connection.recv(100)
        return connection.session
