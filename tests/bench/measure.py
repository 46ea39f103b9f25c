"""One measurement of one case on one contender: a sample of figures.

Each sample checks first, over a connection of its own, that the body which comes through the proxy is the right one,
and afterwards that the load saw no error: a fast wrong answer counts for nothing.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import load, proc
from bench.cases import Case
from bench.proxies import BODIES, LOAD_CORE, Contender, Running, place, start
from kit.certs import Pair
from kit.need import missing, program
from kit.wait import until

Sample = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """What measurements need beside the contender: how long a load lasts, and where new starts of it may live."""

    seconds: int
    directory: Path
    upstream: int
    pair: Pair
    contenders: Mapping[str, Contender]


def check(case: Case, proxy: Running) -> None:
    """The right body and the header that the upstream must see."""
    body = load.fetch(proxy.port, case.path, tls=proxy.tls)
    assert body == BODIES[case.path], (
        f"{proxy.name} {case.path}: {len(body)} bytes, not the {len(BODIES[case.path])} right ones"
    )
    seen = load.fetch(proxy.port, "/seen", tls=proxy.tls).decode()
    assert "127.0.0.1" in seen, f"{proxy.name} does not forward the client's address: {seen}"


def _loaded(proxy: Running, run: Callable[[], load.Result]) -> Sample:
    before, begin = proc.cpu(proxy.session), time.perf_counter()
    result = run()
    spent, wall = proc.cpu(proxy.session) - before, time.perf_counter() - begin
    each = 1e6 / max(result.requests, 1)
    return {
        "cpu_us": spent.total * each,
        "user_us": spent.user * each,
        "system_us": spent.system * each,
        "per_second": result.requests / result.seconds,
        "use": spent.total / wall,
        "requests": result.requests,
        "errors": result.errors,
        "p50_us": result.p50,
        "p99_us": result.p99,
        "resumed": result.resumed,
    }


def _wrk(case: Case, proxy: Running, bench: Bench) -> Sample:
    url = f"{'https' if proxy.tls else 'http'}://127.0.0.1:{proxy.port}{case.path}"
    return _loaded(proxy, lambda: load.wrk(LOAD_CORE, url, case.connections, bench.seconds, case.script))


def _full(case: Case, proxy: Running, _: Bench) -> Sample:
    return _loaded(proxy, lambda: load.handshakes(LOAD_CORE, proxy.port, case.count, resume=False))


def _resumed(case: Case, proxy: Running, _: Bench) -> Sample:
    return _loaded(proxy, lambda: load.handshakes(LOAD_CORE, proxy.port, case.count, resume=True))


def _fresh(proxy: Running, bench: Bench) -> Running:
    contender = bench.contenders[proxy.name]
    return Running(contender, place(contender, bench.directory, bench.upstream, bench.pair))


def _memory(case: Case, proxy: Running, bench: Bench) -> Sample:
    fresh = _fresh(proxy, bench)
    with fresh.child:
        load.fetch(fresh.port, case.path, tls=fresh.tls)  # whatever is made lazily, workers included, exists now
        used = proc.memory(fresh.session)
    return {"rss_mb": used.rss / 1e6, "pss_mb": used.pss / 1e6, "errors": 0}


def _idle(case: Case, proxy: Running, bench: Bench) -> Sample:
    fresh = _fresh(proxy, bench)
    with fresh.child:
        load.fetch(fresh.port, case.path, tls=fresh.tls)
        before = proc.memory(fresh.session)
        with load.idle(LOAD_CORE, fresh.port, case.count, tls=fresh.tls) as client:
            client.until_logged("held", timeout=60)
            after = proc.memory(fresh.session)
            errors = "closed" in client.stdout()
    return {
        "kb_per_connection": (after.rss - before.rss) / 1024 / case.count,
        "rss_mb": after.rss / 1e6,
        "errors": float(errors),
    }


def _ready(case: Case, proxy: Running, bench: Bench) -> Sample:
    contender = bench.contenders[proxy.name]
    where = place(contender, bench.directory, bench.upstream, bench.pair)
    begin = time.perf_counter()
    with start(contender, where) as child:

        def answers() -> bool:
            return load.fetch(where.port, case.path, tls=proxy.tls) == BODIES[case.path]

        until(answers, why=f"{proxy.name} answers", show=child.log, longest_pause=0.001)
        return {"ready_ms": (time.perf_counter() - begin) * 1e3, "errors": 0}


def image(case: Case) -> Sample | None:
    """The size of an image of ours that the engine at hand has; None without an engine or the image."""
    if missing("docker"):
        return None
    name = f"podparts/{case.name.removeprefix('image-')}"
    command = [program("docker"), "image", "inspect", "--format", "{{.Size}}", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return {"image_mb": int(done.stdout) / 1e6, "errors": 0} if done.returncode == 0 else None


KINDS: dict[str, Callable[[Case, Running, Bench], Sample]] = {
    "wrk": _wrk,
    "handshakes": _full,
    "resumed": _resumed,
    "memory": _memory,
    "idle": _idle,
    "ready": _ready,
}


def sample(case: Case, proxy: Running, bench: Bench) -> Sample:
    """Check, then measure."""
    check(case, proxy)
    return KINDS[case.kind](case, proxy, bench)
