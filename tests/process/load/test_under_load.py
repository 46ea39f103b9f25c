"""Under load nothing that the proxy could have served fails, nothing is lost and nothing is served twice.

Every request carries a number that the upstream writes down and answers with (kit.traffic).
"""

import asyncio
import os
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.certs import Authority, Pair
from kit.ports import free_port
from kit.process import Part
from kit.traffic import Journal, Traffic, account, under
from kit.wait import until_async

MakePart = Callable[..., Part]
Start = Callable[[int], Part]
RESTARTS = 10
ROTATIONS = 100
BETWEEN = 300  # requests answered between two events


@pytest.fixture
def trust(authority: Authority) -> ssl.SSLContext:
    """A client that trusts the authority and nobody else."""
    return ssl.create_default_context(cafile=authority.certificate)


@pytest.fixture
def secret(tmp_path: Path, authority: Authority) -> Path:
    """A directory as Kubernetes mounts a Secret: files are links into `..data`, itself a link that is swapped."""
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    (tmp_path / "tls.key").symlink_to("..data/tls.key")
    publish(tmp_path, authority.server(fresh=True), 0)
    return tmp_path


def publish(mount: Path, pair: Pair, number: int) -> None:
    """Put another pair into the mounted Secret, as the kubelet does: both files at once, by renaming a link."""
    version = mount / f"..{number}"
    version.mkdir()
    (version / "tls.crt").write_bytes(pair.certificate.read_bytes())
    (version / "tls.key").write_bytes(pair.key.read_bytes())
    (mount / "..new").symlink_to(version.name)
    os.replace(mount / "..new", mount / "..data")


async def served(port: int, trust: ssl.SSLContext) -> bytes:
    """The certificate that a new connection is shown, DER."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return shown


async def more(traffic: Traffic, count: int = BETWEEN) -> None:
    """Wait until so many more requests have been answered."""
    goal = len(traffic.answered) + count
    await until_async(lambda: len(traffic.answered) >= goal, timeout=60, why=f"{count} more requests are answered")


async def stopped(part: Part) -> None:
    """SIGTERM, and wait until it has ended in order."""
    part.signal(signal.SIGTERM)
    await until_async(lambda: part.code is not None, timeout=20, why="the part ends", show=part.log)
    assert part.code == 0, part.log()


async def test_a_certificate_rotated_a_hundred_times_costs_no_request(
    part: MakePart, journal: Journal, authority: Authority, trust: ssl.SSLContext, secret: Path
) -> None:
    port = free_port()
    where = {"LISTEN": f"127.0.0.1:{port}", "UPSTREAM": journal.address}
    sidecar = part("https-sidecar", CERTIFICATE_PATH=secret, RELOAD_INTERVAL="50ms", **where)
    async with under(Traffic(lambda: port, tls=trust)) as traffic:
        for number in range(1, ROTATIONS + 1):
            pair = authority.server(fresh=True)
            publish(secret, pair, number)
            wanted = ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())

            async def taken_up(wanted: bytes = wanted) -> bool:
                return await served(port, trust) == wanted

            await until_async(taken_up, why=f"certificate {number} is served", show=sidecar.log)
        await more(traffic)
    result = account(traffic, journal)
    print(result)  # pytest -rP shows the figures
    assert result.clean, result
    assert result.answered > ROTATIONS


async def test_an_upstream_that_restarts_costs_no_request_that_can_be_repeated(
    part: MakePart, journal: Journal, trust: ssl.SSLContext, secret: Path
) -> None:
    """The upstream closes all its connections and its port, and is gone until every client waits for it.

    A POST that was on its way to a connection which was just being closed is the one that may fail: whether it was
    acted upon nobody can know, so it must not be sent again. It is answered with 502.
    """
    port = free_port()
    where = {"LISTEN": f"127.0.0.1:{port}", "UPSTREAM": journal.address}
    part("https-sidecar", CERTIFICATE_PATH=secret, UPSTREAM_WAIT="30s", **where)
    async with under(Traffic(lambda: port, tls=trust)) as traffic:
        for _ in range(RESTARTS):
            await more(traffic)
            await journal.stop()
            await until_async(lambda: traffic.waiting == traffic.clients, why="every client waits")
            await journal.listen()
        await more(traffic)
    result = account(traffic, journal)
    print(result)  # pytest -rP shows the figures
    assert (result.lost, result.doubled) == (0, 0)
    assert [failure for failure in traffic.failures if failure.method != "POST" or "502" not in failure.why] == []
    assert result.failed <= RESTARTS * traffic.clients


async def test_a_part_that_is_told_to_stop_costs_no_request(
    part: MakePart, journal: Journal, trust: ssl.SSLContext, secret: Path
) -> None:
    """Two instances take turns, as in a rollout: new connections go to the other one from the moment of SIGTERM."""
    ports = [free_port(), free_port()]
    life = {"SHUTDOWN_DELAY": "500ms", "SHUTDOWN_GRACE": "10s"}

    def start(which: int) -> Part:
        where = {"LISTEN": f"127.0.0.1:{ports[which]}", "UPSTREAM": journal.address}
        return part("https-sidecar", CERTIFICATE_PATH=secret, **where, **life)

    current, running = 0, start(0)
    async with under(Traffic(lambda: ports[current], tls=trust)) as traffic:
        for _ in range(RESTARTS):
            await more(traffic)
            following = start(1 - current)
            current = 1 - current
            await stopped(running)
            running = following
        await more(traffic)
    result = account(traffic, journal)
    print(result)  # pytest -rP shows the figures
    assert result.clean, result
    assert traffic.closed_by_server > 0, "clients were never told to go elsewhere"
