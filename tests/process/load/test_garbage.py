"""Garbage at the door: thousands of mutated requests and random bytes against a running part.

Whatever a client sends, it gets a well-formed answer or a closed connection, never a traceback; what reaches the
application is well-formed in the eyes of a reader that is not ours (kit.upstream); and the part goes on serving.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.heads import Heads
from kit import raw
from kit.certs import Authority
from kit.ports import free_port
from kit.process import Part
from kit.raw import AsyncRawClient
from kit.upstream import Upstream, says

MakePart = Callable[..., Part]
PLAIN = str(Path(__file__).parents[2] / "bench" / "plain.py")
GOOD = b"GET /good HTTP/1.1\r\nHost: x\r\n\r\n"
CLIENTS = 16
CUT_SHORT = ("the connection ended", "bytes read on a total")  # a client that announced a body and went away
IMPATIENT = {"HEAD_TIMEOUT": "300ms", "STALL_TIMEOUT": "300ms", "IDLE_TIMEOUT": "300ms"}  # for TLS has no half close


async def _send(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """All that comes back for these bytes and an end of the stream."""
    async with AsyncRawClient(port, tls=tls) as client:
        try:
            await client.send(data)
            if tls is None:
                client.writer.write_eof()
            return await client.rest()
        except ConnectionError:
            return client.buffer


def _statuses(answer: bytes, *, head: bool) -> Iterator[int]:
    """The statuses of the answers in these bytes; BadAnswer when they are not answers. The last may be cut off."""
    while answer:
        found = raw.parse(answer, head=head, ended=True)
        if found is None:
            return
        response, end = found
        assert b"Traceback" not in response.body
        assert b'File "' not in response.body
        yield response.status
        answer = answer[end:]


async def _all(inputs: Iterator[bytes], port: int, tls: ssl.SSLContext | None = None) -> Counter[int]:
    """Send every input on a connection of its own, CLIENTS at a time; counts the statuses that came back."""
    seen: Counter[int] = Counter()

    async def client() -> None:
        for data in inputs:
            answer = await _send(port, data, tls)
            seen.update(_statuses(answer, head=data.lstrip(b"\r\n").startswith(b"HEAD ")))

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    return seen


def _mutated(count: int, seed: int) -> Iterator[bytes]:
    heads = Heads(seed)
    return (heads() for _ in range(count))


async def _still_serves(port: int, tls: ssl.SSLContext | None = None) -> None:
    async with AsyncRawClient(port, tls=tls) as client:
        await client.send(GOOD)
        assert (await client.response()).body == b"ok"


async def test_mutated_requests_are_answered_or_refused_and_reach_the_application_well_formed(part: MakePart) -> None:
    port = free_port()
    async with Upstream(default=says(b"ok")) as upstream:
        child = part(PLAIN, LISTEN=f"127.0.0.1:{port}", UPSTREAM=upstream.address)
        seen = await _all(_mutated(4000, seed=3), port)
        await _still_serves(port)
        malformed = [problem for problem in upstream.problems if not any(words in problem for words in CUT_SHORT)]
    assert malformed == []
    assert seen[200] > 500
    assert seen[400] > 500
    assert set(seen) <= {100, 200, 400, 405, 408, 413, 414, 417, 431, 501, 505}, seen
    assert "Traceback" not in child.log()


async def test_random_bytes_are_refused(part: MakePart) -> None:
    port = free_port()
    source = random.Random(4)
    async with Upstream(default=says(b"ok")) as upstream:
        child = part(PLAIN, LISTEN=f"127.0.0.1:{port}", UPSTREAM=upstream.address)
        seen = await _all((source.randbytes(source.randrange(300)) for _ in range(1000)), port)
        await _still_serves(port)
        assert len(upstream.seen) == 1
    assert set(seen) <= {400}
    assert "Traceback" not in child.log()


async def test_garbage_before_and_inside_tls_is_survived(part: MakePart, authority: Authority) -> None:
    port, pair, source = free_port(), authority.server(), random.Random(5)
    trust = ssl.create_default_context(cafile=pair.ca)
    async with Upstream(default=says(b"ok")) as upstream:
        where = {"LISTEN": f"127.0.0.1:{port}", "UPSTREAM": upstream.address}
        child = part("https-sidecar", CERTIFICATE_PATH=pair.certificate, KEY_PATH=pair.key, **where, **IMPATIENT)
        for _ in range(300):
            hello = b"\x16\x03\x01" + source.randbytes(source.randrange(200))
            await _send(port, source.choice((hello, source.randbytes(50), GOOD)))
        seen = await _all(_mutated(600, seed=6), port, trust)
        await _still_serves(port, trust)
    assert seen[200] > 50
    assert "Traceback" not in child.log()
