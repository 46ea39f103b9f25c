"""What an HTTP or TCP proxy can be told and what it counts, as data.

Apart from `proxy.http` because a part's command line needs the declarations alone: with the event loop and the data
plane behind them, `--health` would take twice its time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from podparts.metrics import Metric
from podparts.proxy.sides import LATENCY_BUCKETS
from podparts.settings import CommonSettings, Problem, setting
from podparts.values import Duration, Network, Size


@dataclass(frozen=True, kw_only=True)
class ProxySettings(CommonSettings):
    """What every HTTP proxy among the parts can be told. 0 switches a timeout or a limit off."""

    connect_timeout: Duration = setting("5s", help="How long a connection to the upstream may take to open.")
    upstream_wait: Duration = setting(
        "2s", help="How long requests wait while the upstream refuses connections, as it does when it restarts."
    )
    upstream_idle_timeout: Duration = setting(
        "4s",
        help="How long an unused connection to the upstream is kept: less than the upstream keeps it (Node.js: 5 s), "
        "or it may be closed under a request.",
    )
    upstream_connections: int = setting("512", help="Most connections to one upstream.")
    upstream_queue: int = setting("1024", help="Most requests that wait for such a connection; more get 503.")
    upstream_check: Duration = setting(
        "2s", help="How often the upstream is tried while there is no traffic; decides readiness."
    )
    head_timeout: Duration = setting("15s", help="How long a client may take to send a request head (408).")
    idle_timeout: Duration = setting("75s", help="How long a client's connection is kept between requests.")
    stall_timeout: Duration = setting("60s", help="How long a client may neither send nor take more of a body (408).")
    response_timeout: Duration = setting("60s", help="How long the upstream may be silent within an exchange (504).")
    request_timeout: Duration = setting("0", help="How long a whole exchange may take (504).")
    tunnel_timeout: Duration = setting("1h", help="How long a switched connection (WebSocket) may be silent.")
    head_limit: Size = setting("32KiB", help="Largest request or response head (431, 502).")
    target_limit: Size = setting("8KiB", help="Longest request target (414).")
    body_limit: Size = setting("0", aliases=("CLIENT_MAX_BODY_SIZE",), help="Largest request body (413).")
    max_connections: int = setting("20000", help="Most client connections at a time; more get 503.")
    trusted_proxies: tuple[Network, ...] = setting(
        "", example="10.0.0.0/8,127.0.0.1", help="Whose X-Forwarded-* and Forwarded fields are believed and continued."
    )
    forwarded: Literal["x", "rfc7239", "both", "none"] = setting(
        "x", help="What the upstream is told of the client: X-Forwarded-For/-Proto/-Host, Forwarded, both or nothing."
    )
    workers: int = setting("1", help="Processes that share the listening ports, for more than one core.")

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        for name, least, most in (
            ("workers", 1, 64),
            ("max_connections", 1, 1_000_000),
            ("upstream_connections", 1, 60_000),
            ("upstream_queue", 0, 1_000_000),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                yield Problem(name.upper(), str(value), f"expected a number from {least} to {most}")
        if not 1024 <= self.head_limit <= 1 << 20:
            yield Problem("HEAD_LIMIT", str(self.head_limit), "expected a size from 1KiB to 1MiB")


REQUESTS: Final = Metric(
    "counter",
    "requests_total",
    "Exchanges that ended, by who answered and status class; 4xx holds 499 for clients that went away.",
    ("upstream", "status"),
)
DURATION: Final = Metric(
    "histogram",
    "request_duration_seconds",
    "From the request's head to the end of the answer.",
    ("upstream",),
    buckets=LATENCY_BUCKETS,
)
SENT: Final = Metric("counter", "response_body_bytes_total", "Bytes of response bodies sent.", ("upstream",))
RETRIES: Final = Metric("counter", "retries_total", "Requests sent again after a dead connection.", ("upstream",))
IN_FLIGHT: Final = Metric("gauge", "requests_in_flight", "Exchanges that are under way.")
CLIENTS: Final = Metric("gauge", "client_connections", "Open client connections.")
ACCEPTED: Final = Metric("counter", "client_connections_total", "Client connections accepted.")
UPSTREAMS: Final = Metric("gauge", "upstream_connections", "Connections to upstreams.", ("upstream", "state"))
OPENED: Final = Metric("counter", "upstream_connections_opened_total", "Connections opened.", ("upstream",))
FAILED: Final = Metric("counter", "upstream_connect_failures_total", "Connections that did not open.", ("upstream",))
WAITING: Final = Metric("gauge", "upstream_waiting", "Requests that wait for a connection.", ("upstream",))
REFUSED: Final = Metric("counter", "upstream_queue_refused_total", "Requests refused, queue full.", ("upstream",))

PROXY_METRICS: Final = (
    REQUESTS, DURATION, SENT, RETRIES, IN_FLIGHT, CLIENTS, ACCEPTED, UPSTREAMS, OPENED, FAILED, WAITING, REFUSED,
)  # fmt: skip

CONNECTIONS: Final = Metric("counter", "tcp_connections_total", "TCP connections that ended, by result.", ("result",))
OPEN: Final = Metric("gauge", "tcp_connections", "Open TCP connections.")
BYTES: Final = Metric("counter", "tcp_bytes_total", "Bytes passed on, by direction.", ("direction",))

STREAM_METRICS: Final = (CONNECTIONS, OPEN, BYTES)
