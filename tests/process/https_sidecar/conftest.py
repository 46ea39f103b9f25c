"""An application that shows the head it got, certificates in a directory, and the sidecar between a client and both."""

import json
import shutil
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.certs import Authority, Pair
from kit.ports import free_port
from kit.process import Part
from kit.raw import RawClient, Response
from kit.upstream import Upstream, show_head
from kit.wait import until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOON = "0.1"  # RELOAD_INTERVAL


def install(pair: Pair, directory: Path) -> Path:
    """Put a pair where a Kubernetes Secret has it. The key comes last, as it may."""
    directory.mkdir(exist_ok=True)
    for source, name in ((pair.certificate, "tls.crt"), (pair.key, "tls.key")):
        part = directory / f".{name}.part"
        shutil.copyfile(source, part)
        part.rename(directory / name)
    return directory


def tls_socket(client: RawClient) -> ssl.SSLSocket:
    assert isinstance(client.socket, ssl.SSLSocket)
    return client.socket


def chosen(client: RawClient) -> str | None:
    """The protocol that was agreed on by ALPN."""
    return tls_socket(client).selected_alpn_protocol()


@dataclass
class Sidecar:
    """A running https-sidecar and what a client needs to speak to it."""

    part: Part
    port: int
    redirect_port: int
    authority: Authority

    def context(self, client: Pair | None = None, **options: Any) -> ssl.SSLContext:
        """A client's context that trusts the authority, with a certificate of its own if one is given."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if client:
            context.load_cert_chain(client.certificate, client.key)
        for name, value in options.items():
            setattr(context, name, value)
        return context

    def connect(self, client: Pair | None = None, server_name: str = "localhost", **options: Any) -> RawClient:
        return RawClient(self.port, tls=self.context(client, **options), server_name=server_name)

    def get(self, request: bytes = GET, client: Pair | None = None, **options: Any) -> Response:
        """One request on a connection of its own."""
        with self.connect(client, **options) as connection:
            return connection.send(request).response()

    def serial(self, server_name: str = "localhost") -> str:
        """The serial number of the certificate that a new connection is shown."""
        with self.connect(server_name=server_name) as connection:
            shown = tls_socket(connection).getpeercert()
            assert shown
            return str(shown["serialNumber"])

    def until_serves(self, pair: Pair, server_name: str = "localhost") -> None:
        until(lambda: self.serial(server_name) == pair.serial, why="the new certificate is served", show=self.part.log)

    def certs(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.part.admin("/certs")[1])
        return told

    def until_rejected(self, reason: str) -> None:
        def rejected() -> bool:
            entries = self.certs()["certificates"]
            return any(entry.get("rejected", {}).get("reason") == reason for entry in entries)

        until(rejected, why=f"the pair is rejected as {reason}", show=self.part.log)


@pytest.fixture
def app() -> Iterator[Upstream]:
    with Upstream(default=show_head).in_thread() as upstream:
        yield upstream


@pytest.fixture
def certs(tmp_path: Path, authority: Authority) -> Path:
    """A directory with a good pair."""
    return install(authority.server(), tmp_path / "certs")


@pytest.fixture
def sidecar(part: Callable[..., Part], app: Upstream, certs: Path, authority: Authority) -> Callable[..., Sidecar]:
    """`sidecar(HSTS="365d")`: started, and ready unless ready=False."""

    def maker(ready: bool = True, **env: object) -> Sidecar:
        port, redirect_port = free_port(), free_port()
        given = {"LISTEN": f"127.0.0.1:{port}", "UPSTREAM": app.address, "RELOAD_INTERVAL": SOON}
        if not {"CERTIFICATE_PATH", "CERTIFICATES_DIR", "SELF_SIGNED"} & env.keys():
            given["CERTIFICATE_PATH"] = str(certs)
        if env.get("REDIRECT_LISTEN") is True:
            env["REDIRECT_LISTEN"] = f"127.0.0.1:{redirect_port}"
        child = part("https-sidecar", ready=ready, **given | env)
        return Sidecar(child if ready else child.until_live(), port, redirect_port, authority)

    return maker
