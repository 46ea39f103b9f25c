"""The loads: wrk for requests, own bounded clients for TLS handshakes and for ten thousand idle connections.

All run on the load's core and reach only 127.0.0.1. They report what they saw and judge nothing; an answer that is not
the expected one is counted as an error. `python -m bench.load handshakes|idle …` is the client side as a process of its
own, so that it can be pinned and its memory does not count.
"""

import http.client
import re
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.proc import allow_many_files
from kit.need import program
from kit.process import Child

HERE = Path(__file__).parent
TESTS = HERE.parent
REQUEST = b"GET /100 HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n"


@dataclass(frozen=True)
class Result:
    """What a load counted. Latencies in µs, 0 when not measured; `resumed` is the share of resumed sessions."""

    requests: int
    seconds: float
    errors: int
    p50: float = 0.0
    p99: float = 0.0
    resumed: float = 0.0


def pinned(core: int, command: list[str], env: dict[str, str] | None = None) -> Child:
    """A child on one core."""
    return Child(["taskset", "-c", str(core), *command], env)


def wrk(core: int, url: str, connections: int, seconds: int, script: str) -> Result:
    """Keep-alive requests over `connections` connections from one thread."""
    command = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    with pinned(core, [*command, "-s", str(HERE / "lua" / f"{script}.lua"), url]) as child:
        code = child.wait(seconds + 30)
        found = dict(re.findall(r"(\w+)=([0-9.]+)", child.stdout().partition("RESULT ")[2]))
        assert code == 0, child.log()
        assert found, child.log()
    errors = sum(int(found[name]) for name in ("status", "connect", "read", "write", "timeout"))
    return Result(
        int(found["requests"]),
        float(found["duration_us"]) / 1e6,
        errors,
        float(found["p50_us"]),
        float(found["p99_us"]),
    )


def handshakes(core: int, port: int, count: int, *, resume: bool) -> Result:
    """`count` connections, each one TLS 1.3 handshake, one request and a close."""
    command = [sys.executable, "-m", "bench.load", "handshakes", str(port), str(count), "resume" if resume else "full"]
    with pinned(core, command, {"PYTHONPATH": str(TESTS)}) as child:
        assert child.wait(120) == 0, child.log()
        seconds, errors, resumed = child.stdout().split()
    return Result(count, float(seconds), int(errors), resumed=int(resumed) / count)


def idle(core: int, port: int, count: int, *, tls: bool) -> Child:
    """A child that opens `count` keep-alive connections, has one request answered on each, and holds them open."""
    command = [sys.executable, "-m", "bench.load", "idle", str(port), str(count), "tls" if tls else "plain"]
    return pinned(core, command, {"PYTHONPATH": str(TESTS)})


def fetch(port: int, path: str, *, tls: bool) -> bytes:
    """One request over a connection of its own; the body. Slow and simple: it checks, it does not measure."""
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=_trusting())
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    )
    with ExitStack() as stack:
        stack.callback(connection.close)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body[:200]!r}"
        return body


# --- the client processes


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    return bool(found) and head.startswith(b"HTTP/1.1 200") and len(body) == 100


class _Handshake:
    """One non-blocking TLS connection: shakes hands, asks once, reads the answer to its end."""

    def __init__(self, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(
            raw, server_hostname="localhost", do_handshake_on_connect=False, session=session
        )
        self.answer = b""
        self._steps = self._run()

    def _run(self) -> Iterator[int]:
        while True:
            try:
                self.socket.do_handshake()
                break
            except ssl.SSLWantReadError:
                yield select.EPOLLIN
        self.socket.send(REQUEST % b"close")
        while True:
            try:
                piece = self.socket.recv(65536)
            except ssl.SSLWantReadError:
                yield select.EPOLLIN
                continue
            if not piece:
                return
            self.answer += piece

    def step(self) -> bool:
        """Go on; True when it has ended."""
        return next(self._steps, None) is None


def _handshake_client(port: int, count: int, resume: bool) -> None:
    context = _trusting()
    first = _Handshake(port, context, None)
    first.socket.setblocking(True)
    first.step()
    session = first.socket.session if resume else None
    poll, started, errors, resumed = select.epoll(), 0, 0, 0
    open_now: dict[int, _Handshake] = {}
    begin = time.perf_counter()
    while started < count or open_now:
        while started < count and len(open_now) < 16:
            one = _Handshake(port, context, session)
            started += 1
            one.step()
            open_now[one.socket.fileno()] = one
            poll.register(one.socket, select.EPOLLIN)
        for number, _ in poll.poll():
            one = open_now[number]
            try:
                ended = one.step()
            except OSError:
                ended = True
            if ended:
                del open_now[number]
                errors += not _whole(one.answer)
                resumed += bool(one.socket.session_reused)
                one.socket.close()
    print(time.perf_counter() - begin, errors, resumed)


def _trusting() -> ssl.SSLContext:
    """The load trusts everybody: whether certificates are right is for the tests to say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not create_default_context: reading all CAs takes 30 ms
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _idle_client(port: int, count: int, tls: bool) -> None:
    allow_many_files()
    context = _trusting() if tls else None
    held = []
    for number in range(count):
        one = socket.create_connection(("127.0.0.1", port), 10, (f"127.0.1.{1 + number % 50}", 0))
        if context is not None:
            one = context.wrap_socket(one)
        one.sendall(REQUEST % b"keep-alive")
        answer = b""
        while not _whole(answer):
            piece = one.recv(65536)
            assert piece, f"connection {number} ended: {answer!r}"
            answer += piece
        held.append(one)
    print("held", flush=True)
    waiting = select.poll()
    for one in held:
        waiting.register(one, select.POLLIN)
    waiting.poll()  # a connection that the proxy closes, or the end of this process, ends the wait
    print("closed by the proxy", flush=True)


def main() -> None:
    kind, port, count, *rest = sys.argv[1:]
    if kind == "handshakes":
        _handshake_client(int(port), int(count), rest == ["resume"])
    else:
        _idle_client(int(port), int(count), rest == ["tls"])


if __name__ == "__main__":
    main()
