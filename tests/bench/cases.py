"""The cases as data: what is loaded, which figure counts, and the bar that the issue sets for it.

A bar is either a ratio to another contender's figure in the same run, or an absolute value. All figures are "lower is
better".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """At most `limit` times the figure of `against`; at most `limit` itself when `against` is empty."""

    limit: float
    against: str = ""


@dataclass(frozen=True)
class Case:
    """One row of the comparison. `kind` names the measurement in measure.py; `figure` the sample's key that counts."""

    name: str
    group: str
    kind: str
    title: str
    figure: str
    unit: str
    tls: bool = False
    path: str = "/100"
    connections: int = 64
    script: str = "plain"
    count: int = 0
    bar: Bar | None = None


CPU, US, PER_CONNECTION = "cpu_us", "CPU µs/request", "CPU µs/connection"
KB = "KB/connection"

CASES = (
    Case("http-100", "keepalive", "wrk", "100 B, 64 connections", CPU, US, bar=Bar(1.0, "nginx")),
    Case("http-10k", "keepalive", "wrk", "10 KB, 64 connections", CPU, US, path="/10k", bar=Bar(0.95, "nginx")),
    Case("http-browser", "browser", "wrk", "11 browser headers, all different, 100 B", CPU, US, script="browser",
         bar=Bar(1.0, "nginx")),
    Case("http-1m", "bulk", "wrk", "1 MB, 8 connections", CPU, US, path="/1m", connections=8,
         bar=Bar(1.5, "nginx-tuned")),
    Case("http-c1", "connections", "wrk", "100 B, 1 connection", CPU, US, connections=1),
    Case("http-c1000", "connections", "wrk", "100 B, 1,000 connections", CPU, US, connections=1000),
    Case("tls-100", "tls", "wrk", "TLS keep-alive, 100 B", CPU, US, tls=True, bar=Bar(1.1, "nginx-tls")),
    Case("tls-10k", "tls", "wrk", "TLS keep-alive, 10 KB", CPU, US, tls=True, path="/10k", bar=Bar(1.1, "nginx-tls")),
    Case("tls-1m", "tls-bulk", "wrk", "TLS, 1 MB, 8 connections", CPU, US, tls=True, path="/1m", connections=8),
    Case("tls-full", "handshakes", "handshakes", "TLS full handshake, request, close", CPU, PER_CONNECTION, tls=True,
         count=1500, bar=Bar(1.3, "nginx-tls")),
    Case("tls-resumed", "handshakes", "resumed", "TLS resumed handshake, request, close", CPU, PER_CONNECTION,
         tls=True, count=1500),
    Case("idle-rss", "memory", "memory", "RSS after start, plain HTTP", "rss_mb", "MB"),
    Case("idle-rss-tls", "memory", "memory", "RSS after start, TLS", "rss_mb", "MB", tls=True, bar=Bar(28)),
    Case("idle-10k", "idle", "idle", "10,000 idle keep-alive connections", "kb_per_connection", KB, count=10_000,
         bar=Bar(10)),
    Case("idle-tls", "idle", "idle", "1,000 idle TLS connections", "kb_per_connection", KB, tls=True, count=1000),
    Case("image-https-sidecar", "image", "image", "size of the image https-sidecar", "image_mb", "MB", tls=True,
         bar=Bar(40)),
    Case("image-topz", "image", "image", "size of the image topz", "image_mb", "MB", tls=True, bar=Bar(45)),
    Case("ready", "ready", "ready", "start to first answer, plain HTTP", "ready_ms", "ms"),
    Case("ready-tls", "ready", "ready", "start to first answer, TLS", "ready_ms", "ms", tls=True, bar=Bar(150)),
)  # fmt: skip


def chosen(words: list[str]) -> tuple[Case, ...]:
    """The cases whose name or group is among `words`; all when there are none. ValueError names an unknown word."""
    known = {case.name for case in CASES} | {case.group for case in CASES}
    if unknown := set(words) - known:
        raise ValueError(f"no case or group {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return tuple(case for case in CASES if not words or case.name in words or case.group in words)
