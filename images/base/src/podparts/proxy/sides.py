"""The two sides of an exchange and what they share: the seam of the data plane. Compiled by Cython.

A `Downstream` is whoever sent the request (an HTTP/1.1 connection, an HTTP/2 stream); an `Upstream` is the connection
to the server that answers it. Each knows the other only through the methods below, so a new kind of either (a cache, a
scatter/gather) needs no change in the other. `Terms` are what one proxy agreed to: limits, timeouts, field tables, the
component's decision. `Forward`, `Collect` and `podparts.web.Answer` are the decisions a component can return.
"""

from typing import Any

import cython

if cython.compiled:
    from cython.cimports.posix.time import CLOCK_MONOTONIC, clock_gettime, timespec
else:
    import time

from podparts.wire.fields import request_fields, response_fields

# Upper bounds of the latency histogram in seconds; what is slower falls into the last, open bucket.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STATUS_CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")


@cython.ccall
@cython.exceptval(check=False)
def now() -> cython.double:
    """Seconds of the monotonic clock; about 25 ns compiled."""
    if cython.compiled:
        moment: timespec
        clock_gettime(CLOCK_MONOTONIC, cython.address(moment))  # noqa: F821 - the line above declares a C struct
        return moment.tv_sec + moment.tv_nsec * 1e-9  # noqa: F821
    return time.monotonic()


class Stats:
    """What happened to the exchanges of one label: counters that cost an addition, copied out when metrics are read."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.total_seconds = 0.0
        self.retried = self.sent = 0
        if not cython.compiled:
            self.by_class = [0] * 6
            self.by_latency = [0] * 16
            self.bounds = [0.0] * 16
        for i, bound in enumerate(LATENCY_BUCKETS):
            self.bounds[i] = bound

    def count(self, status: cython.int, seconds: cython.double) -> None:
        """One exchange ended with this status after so many seconds."""
        group: cython.int = status // 100
        self.by_class[group if 1 <= group <= 5 else 0] += 1
        self.total_seconds += seconds
        i: cython.int = 0
        while i < 14 and seconds > self.bounds[i]:
            i += 1
        self.by_latency[i] += 1

    def classes(self) -> dict[str, int]:
        """Exchanges by status class."""
        return {name: self.by_class[i] for i, name in enumerate(STATUS_CLASSES)}

    def latencies(self) -> list[int]:
        """Exchanges by latency bucket, not cumulative; the last is the open one."""
        return [self.by_latency[i] for i in range(len(LATENCY_BUCKETS) + 1)]


class Forward:
    """The decision to pass a request to an upstream. Made once and returned for many requests.

    `add` and `response_add` are complete field lines (`b"Name: value\\r\\n"`) for the request and the response;
    `target` replaces the request target (origin form), None leaves it; `label` names the choice in metrics and logs.
    """

    def __init__(
        self,
        pool: Any,
        label: str = "",
        add: bytes = b"",
        response_add: bytes = b"",
        target: bytes | None = None,
        stats: Stats | None = None,
    ) -> None:
        for lines in (add, response_add):
            if lines and not lines.endswith(b"\r\n"):
                raise ValueError(f"{lines!r}: expected complete field lines, each with its CRLF")
        self.pool = pool
        self.label = label
        self.add = add
        self.response_add = response_add
        self.target = target
        self.stats = stats if stats is not None else Stats(label)


class Collect:
    """The decision to answer here, with the whole body in hand: `answer(head, body)` returns an Answer.

    A body of more than `limit` bytes is refused with 413 before it is read further.
    """

    def __init__(self, answer: Any, limit: int) -> None:
        self.answer = answer
        self.limit = limit


class Terms:
    """What one proxy agreed to with its clients and upstreams. Times in seconds, sizes in bytes, 0 for "no bound".

    `route(head)` decides; `report(event, exchange, detail)` is told of every refusal and failure, for the log.
    `exchanges` are the client sides that exist, for timeouts and for draining; `draining` asks for last answers.
    """

    def __init__(self, route: Any, report: Any, drop: tuple[bytes, ...] = (), hide: tuple[bytes, ...] = ()) -> None:
        self.route = route
        self.report = report
        self.request_fields = request_fields(drop)
        self.response_fields = response_fields(hide)
        self.head_limit = 32768
        self.target_limit = 8192
        self.body_limit = 0
        self.head_timeout = 15.0
        self.idle_timeout = 75.0
        self.stall_timeout = 60.0
        self.response_timeout = 60.0
        self.request_timeout = 0.0
        self.tunnel_timeout = 3600.0
        self.linger_timeout = 2.0
        self.trusted: Any = None
        self.x_forwarded = True
        self.forwarded = False
        self.draining = False
        self.in_flight = 0
        self.own = Stats("self")
        self.exchanges: set[Any] = set()


class Upstream:
    """The server's side of an exchange, as a Downstream sees it: the response that is being read, and whether the
    connection served before and has begun to answer."""

    head: Any  # the .pxd has the types; importing them here would cost every --health their modules
    body: Any
    reused: bool
    answered: bool

    def begin(self, down: "Downstream", wire: bytes) -> None:
        """Start an exchange: the request head and what is there of its body."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """More of the request's body, or of a tunnel."""
        raise NotImplementedError

    def write_eof(self) -> None:
        """The client sends no more on a tunnel."""
        raise NotImplementedError

    def abandon(self) -> None:
        """The exchange is over before its end; the connection cannot serve another."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """The client takes no more for now."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """The client takes data again."""
        raise NotImplementedError


class Downstream:
    """The client's side of an exchange, as an Upstream and its Pool see it: the request that is being answered, and
    what its sender can take."""

    head: Any  # the .pxd has the types; importing them here would cost every --health their modules
    body: Any
    head_only: bool
    takes_chunks: bool
    wants_upgrade: bool
    began: float
    moved: float

    def connected(self, up: Upstream) -> None:
        """The connection that was asked of the pool is there."""
        raise NotImplementedError

    def unavailable(self, status: cython.int, reason: str) -> None:
        """The pool has no connection: 502 cannot connect, 503 too many wait, 504 took too long."""
        raise NotImplementedError

    def interim(self, up: Upstream) -> None:
        """A 1xx head is in up.head."""
        raise NotImplementedError

    def respond(self, up: Upstream, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> None:
        """The final head is in up.head; up.head.data[start:end] is the body's first piece, read by up.body."""
        raise NotImplementedError

    def piece(self, up: Upstream, data: bytes, end: cython.Py_ssize_t) -> None:
        """data[:end] is more of the body, read by up.body."""
        raise NotImplementedError

    def finish(self) -> None:
        """The response is complete and the upstream's connection is released."""
        raise NotImplementedError

    def broken(self, status: cython.int, reason: str) -> None:
        """The upstream failed: 502 closed or malformed, 504 silent."""
        raise NotImplementedError

    def tunnel(self, up: Upstream, start: cython.Py_ssize_t) -> None:
        """A 101 head is in up.head: from up.head.data[start:] on both sides pass bytes as they are."""
        raise NotImplementedError

    def tunnel_write(self, data: bytes) -> None:
        """Bytes of a tunnel."""
        raise NotImplementedError

    def tunnel_eof(self) -> None:
        """The server sends no more on a tunnel."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """The server takes no more for now."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """The server takes data again."""
        raise NotImplementedError
