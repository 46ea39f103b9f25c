"""HTTP/2 as clients speak it to us (RFC 9113), one exchange per stream; the application is spoken to in HTTP/1.1.

Frames, HPACK and the protocol's state are the `h2` package's. A stream's head is written as an HTTP/1.1 head and read by the
same strict scanner as every other request, so that what h2 allows and HTTP/1.1 does not is refused in one place. A body
is acknowledged only as far as the upstream takes it, which bounds what a stream can make us hold to its window.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection as Frames
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from podparts.proxy.exchange import Exchange
from podparts.proxy.response import PHRASES, http_date
from podparts.proxy.sides import Terms, Upstream, now
from podparts.web import Answer

MOST_STREAMS = 128  # at a time, as nginx
WINDOW = 262144  # bytes a stream may send ahead of the upstream
HIGH_WATER = 65536  # bytes of an answer that wait for the client's window before the upstream is read no more
# Frames that cost us work and the client nothing, per look of the sweep (a quarter of a second): beyond it the client
# is told to calm down (RFC 9113 10.5; CVE-2019-9512, -9514, -9515, CVE-2023-44487).
MOST_IDLE_FRAMES = 400

NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
FORBIDDEN = re.compile(rb"[\x00\r\n]").search
BUSY = 1  # Exchange.phase of a stream that is being answered (podparts.proxy.exchange.ANSWERING)

Headers = list[tuple[bytes, bytes]]


class BadRequest(ValueError):
    """A head that cannot be said in HTTP/1.1."""


def head_of(headers: Iterable[tuple[bytes, bytes]], ended: bool) -> tuple[bytes, bool]:
    """An HTTP/1.1 head that means what these h2 headers mean, and whether the body needs chunked coding.

    Raises BadRequest for pseudo-headers that are missing and for characters that would end a line early.
    """
    pseudo: dict[bytes, bytes] = {}
    fields: Headers = []
    cookies: list[bytes] = []
    for name, value in headers:
        if FORBIDDEN(value) or not NAME(name.removeprefix(b":")):
            raise BadRequest("a forbidden character in a field")
        if name.startswith(b":"):
            pseudo[name] = value
        elif name == b"cookie":
            cookies.append(value)
        elif name != b"host":
            fields.append((name, value))
        else:
            pseudo.setdefault(b":authority", value)
    try:
        method, path, authority = pseudo[b":method"], pseudo[b":path"], pseudo[b":authority"]
    except KeyError as missing:
        raise BadRequest(f"no {missing.args[0].decode()}") from None
    if b" " in method or b" " in path or b":protocol" in pseudo:
        raise BadRequest("a malformed pseudo-header")
    if cookies:
        fields.append((b"cookie", b"; ".join(cookies)))  # RFC 9113 8.2.3
    names = {name for name, _ in fields}
    chunked = not ended and b"content-length" not in names
    if chunked:
        fields.append((b"transfer-encoding", b"chunked"))
    lines = [method + b" " + path + b" HTTP/1.1", b"host: " + authority]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n", chunked


class Stream(Exchange):
    """One stream: a request and its answer."""

    def __init__(self, connection: "H2Connection", number: int) -> None:
        super().__init__(connection.terms, connection.scheme)
        self.connection = connection
        self.number = number
        self.peer = connection.peer
        self.identity = connection.identity
        self.info = connection.info
        self.trusts_peer = connection.trusts_peer
        self.chunked = False
        self.paused = False
        self.unacknowledged = 0
        self.waiting: deque[bytes] = deque()
        self.queued = 0
        self.complete = False
        self.trailers: Headers = []
        self.held_upstream = False

    # ---- the request

    def request(self, headers: Headers, ended: bool) -> None:
        """The stream's head arrived."""
        try:
            head, self.chunked = head_of(headers, ended)
        except BadRequest as error:
            self._refuse(400, str(error))
            return
        result = self.head.request(head, 0, self.terms.request_fields)
        if result != 1:
            self._refuse(result or 431, self.head.reason)
            return
        if self.start(head, self.head.end) >= 0:
            self.takes_chunks = False

    def _refuse(self, status: int, reason: str) -> None:
        self.terms.report(status, self, reason)
        self.terms.own.count(status, 0.0)
        self.send_refusal(status)

    def data(self, data: bytes, flow: int) -> None:
        """A piece of the body; `flow` is what it took of the window."""
        self.unacknowledged += flow
        if self.phase == BUSY and data and not self.body.ended:
            self.more(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data, 0)
        self._acknowledge()

    def end(self, trailers: Headers) -> None:
        """The client's side of the stream is complete."""
        if self.phase != BUSY or self.body.ended:
            return
        if not self.chunked:
            self.fail(400, "the body is shorter than its Content-Length")
            return
        if any(FORBIDDEN(value) or not NAME(name) for name, value in trailers):
            self.fail(400, "a forbidden character in a trailer")
            return
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in trailers)
        self.more(b"0\r\n" + lines + b"\r\n", 0)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Open the window by what was taken from us, or thrown away because nobody wants it."""
        if self.unacknowledged and (not self.paused or self.phase != BUSY):
            amount, self.unacknowledged = self.unacknowledged, 0
            self.connection.acknowledge(amount, self.number)

    # ---- the answer

    def interim(self, up: Upstream) -> None:
        self.moved = now()
        self._headers(up.head.status, [(name.lower(), value) for name, value in up.head.kept()], False)

    def respond(self, up: Upstream, start: int, end: int) -> None:
        self.responded = True
        self.status = up.head.status
        self.moved = now()
        self._headers(up.head.status, self._response_fields(up), False)
        self._queue(self._payload(up, up.head.data, start, end))

    def _response_fields(self, up: Upstream) -> Headers:
        kept = [(name.lower(), value) for name, value in up.head.kept()]
        added = [line.partition(b":") for line in self.forward.response_add.split(b"\r\n") if line]
        fields = [pair for pair in kept if pair[0] != b"transfer-encoding"]
        return fields + [(name.lower(), value.strip()) for name, _, value in added]

    def piece(self, up: Upstream, data: bytes, end: int) -> None:
        self.moved = now()
        self._queue(self._payload(up, data, 0, end))

    def _payload(self, up: Upstream, data: bytes, start: int, end: int) -> bytes:
        if up.body.ended and up.body.trailers:
            lines = [line.partition(b":") for line in up.body.trailers.split(b"\r\n") if line]
            self.trailers = [(name.lower(), value.strip()) for name, _, value in lines]
        return up.body.payload(data) if up.body.decode else data[start:end]

    def _queue(self, data: bytes) -> None:
        """Send as much as the client's window takes; the rest waits, and the upstream with it."""
        if data:
            self.forward.stats.sent += len(data)
            self.waiting.append(data)
            self.queued += len(data)
        self.pump()
        if self.queued > HIGH_WATER and not self.held_upstream and self.up is not None:
            self.held_upstream = True
            self.up.pause_reading()

    def finish(self) -> None:
        self.ended(self.status)
        self.phase = 0
        self.complete = True
        self.pump()

    def pump(self) -> None:
        """Move queued data into frames as far as windows and the transport allow."""
        self.connection.pump(self)
        if self.held_upstream and self.queued <= HIGH_WATER // 2:
            self.held_upstream = False
            if self.up is not None:
                self.up.resume_reading()

    def send_answer(self, answer: Answer) -> None:
        self.status = answer.status
        fields = [(b"date", http_date(time.time()).encode())]
        empty = answer.status in (204, 304)
        if not empty:
            fields.append((b"content-type", answer.content_type.encode("latin-1")))
            fields.append((b"content-length", b"%d" % len(answer.body)))
        fields += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        self._headers(answer.status, fields, False)
        if answer.body and not self.head_only and not empty:
            self.waiting.append(answer.body)
            self.queued += len(answer.body)
        self.finish()

    def send_refusal(self, status: int) -> None:
        text = f"{status} {PHRASES[status]}\n".encode()
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
        self._headers(status, fields, False)
        self.waiting.append(text)
        self.queued += len(text)
        self.phase = 0
        self.complete = True
        self.pump()

    def send_continue(self) -> None:
        self._headers(100, [], False)

    def cut_off(self) -> None:
        self.phase = 0
        self.connection.reset(self.number, ErrorCodes.INTERNAL_ERROR)

    def _headers(self, status: int, fields: Headers, end: bool) -> None:
        self.connection.headers(self.number, [(b":status", b"%d" % status), *fields], end)

    # ---- time

    def tick(self, moment: float) -> None:
        """As a ClientConnection's: end what takes too long."""
        if self.phase != BUSY:
            return
        terms, quiet = self.terms, moment - self.moved
        if moment - self.began > terms.request_timeout > 0:
            self.fail(504, "the whole exchange took too long")
        elif self.queued or (not self.body.ended and not self.paused):
            if quiet > terms.stall_timeout > 0:
                self.fail(408, "the client neither sends nor takes more of a body")
        elif quiet > terms.response_timeout > 0:
            self.fail(504, "the upstream sent nothing in time")


class H2Connection(asyncio.Protocol):
    """One client connection; made with the same arguments as a ClientConnection."""

    def __init__(
        self, terms: Terms, scheme: bytes, opened: Callable[[Any], None], *, most_streams: int = MOST_STREAMS
    ) -> None:
        self.terms = terms
        self.scheme = scheme
        self.opened = opened
        self.most_streams = most_streams
        self.peer = "unknown"
        self.identity = b""
        self.info: object = None
        self.trusts_peer = False
        self.transport: Any = None
        self.streams: dict[int, Stream] = {}
        self.moved = now()
        config = H2Configuration(client_side=False, header_encoding=None)
        self.frames = Frames(config=config)
        self.blocked = False
        self.leaving = False
        self.idle_frames = 0
        self._flushing = False

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        # Given as initial values, so that the first SETTINGS frame says them; `update` would only queue them.
        self.frames.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: self.most_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: int(self.terms.head_limit),
            },
        )
        self.frames.initiate_connection()
        self.frames.increment_flow_control_window(WINDOW * 4)
        self.terms.exchanges.add(self)
        self.flush()
        self.opened(self)

    def data_received(self, data: bytes) -> None:
        self.moved = now()
        try:
            events = self.frames.receive_data(data)
        except ProtocolError as error:
            self._give_up(f"HTTP/2: {type(error).__name__}")
            return
        for event in events:
            self._on_event(event)
        if self.idle_frames > MOST_IDLE_FRAMES:
            self._calm_down()
            return
        self.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.terms.exchanges.discard(self)
        streams, self.streams = list(self.streams.values()), {}
        self.transport = None
        for stream in streams:
            stream.client_gone()

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self._pump_all()

    # ---- frames in

    def _on_event(self, event: Event) -> None:
        handler = _ON.get(type(event))
        if handler is not None:
            handler(self, event)

    def _on_request(self, event: RequestReceived) -> None:
        if self.leaving or self.terms.draining:
            self.leave()
            if self.leaving and event.stream_id > self.last_stream:
                self.reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
                return
        stream = self.streams[event.stream_id] = Stream(self, event.stream_id)
        stream.request(list(event.headers), event.stream_ended is not None)

    def _on_data(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if not event.data:
            self.idle_frames += 1
        if stream is None:
            self.acknowledge(event.flow_controlled_length, event.stream_id)
        else:
            stream.data(event.data, event.flow_controlled_length)

    def _on_trailers(self, event: TrailersReceived) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.end(list(event.headers))

    def _on_end(self, event: StreamEnded) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.end([])

    def _on_reset(self, event: StreamReset) -> None:
        self.idle_frames += 4  # an opened and abandoned stream costs most
        if (stream := self.streams.pop(event.stream_id, None)) is not None:
            stream.client_gone()

    def _on_window(self, event: WindowUpdated) -> None:
        self.idle_frames += 1
        if event.stream_id:
            if (stream := self.streams.get(event.stream_id)) is not None:
                stream.moved = self.moved
                stream.pump()
        else:
            self._pump_all()

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        self.idle_frames += 1
        self._pump_all()

    def _on_noise(self, event: Event) -> None:
        self.idle_frames += 1

    def _on_goodbye(self, event: ConnectionTerminated) -> None:
        if not self.streams:
            self.transport.close()
        self.leaving = True
        self.last_stream = self.frames.highest_inbound_stream_id

    # ---- frames out

    def headers(self, number: int, fields: Headers, end: bool) -> None:
        """Send a HEADERS frame; a stream that the client has reset meanwhile is nobody's loss."""
        try:
            self.frames.send_headers(number, fields, end_stream=end)
        except (StreamClosedError, ProtocolError):
            self.streams.pop(number, None)
        self.flush_soon()

    def pump(self, stream: Stream) -> None:
        """Send what waits on the stream, as far as the windows and the transport allow; end it when it is complete."""
        number = stream.number
        try:
            while stream.waiting and not self.blocked:
                room = min(self.frames.local_flow_control_window(number), self.frames.max_outbound_frame_size)
                if room <= 0:
                    break
                data = stream.waiting.popleft()
                if len(data) > room:
                    stream.waiting.appendleft(data[room:])
                    data = data[:room]
                stream.queued -= len(data)
                self.idle_frames = max(0, self.idle_frames - 1)
                self.frames.send_data(number, data)
            if stream.complete and not stream.waiting:
                self._complete(stream)
        except (StreamClosedError, ProtocolError):
            self.streams.pop(number, None)
        self.flush_soon()

    def _complete(self, stream: Stream) -> None:
        """The answer is sent: end the stream, and stop a client that still sends a body nobody will read."""
        if self.streams.pop(stream.number, None) is None:
            return
        if stream.trailers:
            self.frames.send_headers(stream.number, stream.trailers, end_stream=True)
        else:
            self.frames.end_stream(stream.number)
        if not stream.body.ended or stream.status == 0:
            self.reset(stream.number, ErrorCodes.NO_ERROR)
        self.idle_frames = max(0, self.idle_frames - 8)
        if self.leaving and not self.streams:
            self.flush()
            self.transport.close()

    def _pump_all(self) -> None:
        for stream in list(self.streams.values()):
            stream.pump()

    def acknowledge(self, amount: int, number: int) -> None:
        """Give the client its window back."""
        if amount and self.transport is not None:
            try:
                self.frames.acknowledge_received_data(amount, number)
            except (StreamClosedError, ProtocolError):
                return
            self.flush_soon()

    def reset(self, number: int, code: ErrorCodes) -> None:
        """End a stream at once."""
        self.streams.pop(number, None)
        try:
            self.frames.reset_stream(number, code)
        except (StreamClosedError, ProtocolError):
            return
        self.flush_soon()

    def flush_soon(self) -> None:
        """Write once for everything that happens in this turn of the loop."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write the frames that are ready."""
        self._flushing = False
        data = self.frames.data_to_send()
        if data and self.transport is not None:
            self.transport.write(data)

    # ---- the end

    def leave(self) -> None:
        """Take no new streams: GOAWAY with the last one that is served (RFC 9113 6.8).

        Written by hand, because h2's own close_connection allows no frame after it.
        """
        if self.leaving or self.transport is None:
            return
        self.leaving = True
        self.last_stream = self.frames.highest_inbound_stream_id
        self.flush()
        goaway = GoAwayFrame(0, last_stream_id=self.last_stream, error_code=ErrorCodes.NO_ERROR)
        self.transport.write(goaway.serialize())

    def drain(self) -> None:
        """Let streams that are under way finish, then close."""
        self.leave()
        if not self.streams and self.transport is not None:
            self.transport.close()

    def unfinished(self) -> bool:
        """As a ClientConnection's: whether the client has not taken all that is for it."""
        return self.transport is not None and self.transport.get_write_buffer_size() > 0

    def abort(self) -> None:
        """End the connection now."""
        if self.transport is not None:
            self.transport.abort()

    def send_refusal(self, status: int) -> None:
        """Refuse the whole connection."""
        self.frames.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        self.flush()
        self.transport.close()

    def _give_up(self, reason: str) -> None:
        """The client broke the protocol; h2 has prepared the GOAWAY that says how."""
        self.terms.report(400, self._anyone(), reason)
        self.terms.own.count(400, 0.0)
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def _calm_down(self) -> None:
        self.terms.report(400, self._anyone(), "HTTP/2: a flood of frames that carry nothing")
        self.terms.own.count(400, 0.0)
        self.frames.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def _anyone(self) -> Stream:
        """An exchange to report under, for what concerns the whole connection."""
        return next(iter(self.streams.values()), None) or Stream(self, 0)

    def tick(self, moment: float) -> None:
        """As a ClientConnection's: streams that take too long, connections that nobody uses."""
        self.idle_frames = max(0, self.idle_frames - MOST_IDLE_FRAMES // 4)
        for stream in list(self.streams.values()):
            stream.tick(moment)
        if self.terms.draining:
            self.leave()
        if not self.streams and self.transport is not None and moment - self.moved > self.terms.idle_timeout > 0:
            self.leave()
            self.transport.close()


_ON: dict[type[Event], Callable[[H2Connection, Any], None]] = {
    RequestReceived: H2Connection._on_request,
    DataReceived: H2Connection._on_data,
    TrailersReceived: H2Connection._on_trailers,
    StreamEnded: H2Connection._on_end,
    StreamReset: H2Connection._on_reset,
    WindowUpdated: H2Connection._on_window,
    RemoteSettingsChanged: H2Connection._on_settings,
    PingReceived: H2Connection._on_noise,
    PriorityUpdated: H2Connection._on_noise,
    ConnectionTerminated: H2Connection._on_goodbye,
}
