"""HTTP/2 as clients speak it to us (RFC 9113), one exchange per stream; the application is spoken to in HTTP/1.1.

Frames, HPACK and the protocol's state are the `h2` package's. A stream's head is written as an HTTP/1.1 head and read
by the same strict scanner as every other request: what h2 allows and HTTP/1.1 does not is refused in one place.
Frames that cost work and carry nothing are counted, and whoever sends too many of them is told to calm down.
"""

import asyncio
from collections.abc import Callable
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

from https_sidecar.h2_head import FrameSizes, Headers
from https_sidecar.h2_stream import Stream
from podparts.proxy.sides import now

MOST_STREAMS = 128  # at a time, as nginx
WINDOW = 262144  # bytes a stream may send ahead of the upstream
# Frames that cost us work and the client nothing, per look of the sweep (a quarter of a second): beyond it the client
# is told to calm down (RFC 9113 10.5; CVE-2019-9512, -9514, -9515, CVE-2023-44487).
MOST_IDLE_FRAMES = 400
SLICE = 16384  # bytes between two looks at that count: 1,800 of the smallest frames, about 15 ms


class H2Connection(asyncio.Protocol):
    """One client connection; made with the same arguments as a ClientConnection."""

    def __init__(
        self, terms: Any, scheme: bytes, opened: Callable[[Any], None], *, most_streams: int = MOST_STREAMS
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
        self.sizes = FrameSizes(self.frames.max_inbound_frame_size)
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
        if self.sizes.exceeded(data):
            self._end(ErrorCodes.FRAME_SIZE_ERROR, "HTTP/2: a frame that is too large")
            return
        for start in range(0, len(data), SLICE):
            if self.transport is None or not self._receive(data[start : start + SLICE]):
                return
        self.flush()

    def _receive(self, data: bytes) -> bool:
        """Take in some bytes; False when the connection is over."""
        try:
            for event in self.frames.receive_data(data):
                self._on_event(event)
        except ProtocolError as error:
            self._give_up(f"HTTP/2: {type(error).__name__}")
            return False
        if self.idle_frames > MOST_IDLE_FRAMES:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM, "HTTP/2: a flood of frames that carry nothing")
            return False
        return True

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

    def reset(self, number: int, code: int) -> None:
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

    def _end(self, code: ErrorCodes, reason: str) -> None:
        """The client does what it must not: say so and close."""
        self.terms.report(400, self._anyone(), reason)
        self.terms.own.count(400, 0.0)
        self.frames.close_connection(code)
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
