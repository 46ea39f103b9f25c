"""The two independent readers, llhttp (through httptools) and h11, brought to one form that can be compared.

Both are driven from outside only: llhttp does not tell how a body is framed, so that is found out by feeding it body
bytes and watching where the message ends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import httptools


@dataclass
class Message:
    """What llhttp has called back so far. `begun` counts messages, `ended` those that are complete."""

    target: bytes = b""
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    begun: int = 0
    headed: int = 0
    ended: int = 0
    keep_alive: bool = False
    keeps_alive: Callable[[], bool] = bool

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.headed += 1
        self.keep_alive = bool(self.keeps_alive())  # asked now, because llhttp forgets it with the end of the message

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


class Llhttp:
    """llhttp in its strict mode, fed piece by piece. `error` is its complaint; `upgraded` that it left HTTP."""

    def __init__(self, *, responses: bool = False) -> None:
        self.message = Message()
        make = httptools.HttpResponseParser if responses else httptools.HttpRequestParser
        self.parser = make(self.message)
        self.message.keeps_alive = self.parser.should_keep_alive
        self.error = ""
        self.upgraded = False

    def feed(self, data: bytes) -> "Llhttp":
        if not data:
            return self
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgraded = True
        except httptools.HttpParserError as problem:
            if "CONNECT/Upgrade" in str(problem):  # how httptools reports it for a response
                self.upgraded = True
            else:
                self.error = f"{type(problem).__name__}: {problem}"
        return self

    @property
    def status(self) -> int:
        """A response's status code; 0 of a request."""
        return self.parser.get_status_code() if isinstance(self.parser, httptools.HttpResponseParser) else 0


@dataclass(frozen=True)
class H11:
    """A head as h11 reads it; `error` when it refuses."""

    error: str = ""
    method: bytes = b""
    target: bytes = b""
    status: int = 0
    fields: tuple[tuple[bytes, bytes], ...] = ()


def read_with_h11(data: bytes, *, responses: bool = False) -> H11:
    """The head in `data`. h11 lower-cases names and turns a `5, 5` length into `5`."""
    connection = h11.Connection(h11.CLIENT if responses else h11.SERVER, 1 << 20)
    try:
        if responses:
            connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
            connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        event = connection.next_event()
    except h11.RemoteProtocolError as problem:
        return H11(error=str(problem))
    if isinstance(event, h11.Request):
        return H11(method=event.method, target=event.target, fields=tuple(event.headers))
    if isinstance(event, h11.Response | h11.InformationalResponse):
        return H11(status=event.status_code, fields=tuple(event.headers))
    return H11(error=f"no head: {event!r}")
