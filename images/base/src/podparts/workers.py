"""Several processes for one part: they share the listening ports (SO_REUSEPORT); a parent supervises them.

    parent   owns the admin port; adds up the workers' metrics and health; restarts a worker that crashed
      ║      one socket pair per worker, messages as length + marshal
    worker   serves traffic; tells its health once a second and when it changes; drains when told to

The parent serves no traffic, so it may wait a moment for a worker's answer. When the parent is gone, the socket ends,
and a worker drains by itself. What the workers serve is not known here.
"""

import asyncio
import marshal
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from podparts import errors
from podparts.health import LOOP_STUCK_AFTER, NOT_YET
from podparts.life import READY, Life, Serve
from podparts.log import Log
from podparts.metrics import Metric, Snapshot, merge
from podparts.part import Part
from podparts.settings import CommonSettings, environment
from podparts.web import Answer, Request, text

if TYPE_CHECKING:
    from podparts.service import Service

WORKERS: Final = Metric("gauge", "workers", "Worker processes that are up.")
RESTARTS: Final = Metric("counter", "worker_restarts_total", "Workers that ended unasked and were started again.")
WORKER_METRICS: Final = (WORKERS, RESTARTS)

_TELL_EVERY = 1.0
_ANSWER_WITHIN = 0.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # before a crashed worker is started again; doubles with each crash in a row
_STEADY_AFTER = 60.0
_MORE_THAN_GRACE = 10.0  # a worker ends its own drain after SHUTDOWN_GRACE; this is for one that does not
_LARGEST_BACKLOG = 1 << 20
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """A worker's place: its number from 0, and its end of the socket pair. Passed as `--worker=NUMBER:DESCRIPTOR`."""

    index: int
    descriptor: int

    @classmethod
    def parse(cls, written: str) -> "WorkerSeat":
        index, _, descriptor = written.partition(":")
        return cls(int(index), int(descriptor))

    def __str__(self) -> str:
        return f"{self.index}:{self.descriptor}"


# --- messages --------------------------------------------------------------------------------------------------------

Message = tuple[Any, ...]


def packed(message: Message) -> bytes:
    data = marshal.dumps(message)
    return len(data).to_bytes(_LENGTH) + data


class Unpacker:
    """Bytes in, whole messages out."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        self._data += data
        while len(self._data) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._data[:_LENGTH])
            if len(self._data) < end:
                return
            # Both ends are this program and the same interpreter: the one case that marshal is meant for.
            message: Message = marshal.loads(bytes(self._data[_LENGTH:end]))  # noqa: S302
            del self._data[:end]
            yield message


def request_fields(request: Request) -> Message:
    return (
        request.method,
        request.target,
        request.path,
        request.query,
        request.headers,
        request.body,
        request.peer,
    )


def answer_fields(answer: Answer) -> Message:
    return (answer.status, answer.body, answer.content_type, answer.headers)


# --- the worker's side -----------------------------------------------------------------------------------------------


class Channel(asyncio.Protocol):
    """A worker's end of the socket pair: tells its health and answers the parent."""

    def __init__(self, service: "Service", seat: WorkerSeat) -> None:
        self._service = service
        self._socket = socket.socket(fileno=seat.descriptor)
        self._unpacker = Unpacker()
        self._told: Message | None = None
        self._answers: dict[str, Callable[..., Any]] = {
            "snapshot": service.metrics.snapshot,
            "request": lambda *fields: answer_fields(service.admin(Request(*fields))),
            "stopping": service.stopping,
            "stop": lambda reason: service.stop(reason, delay=False),
        }

    async def open(self) -> None:
        self._socket.setblocking(False)
        await self._service.loop.create_unix_connection(lambda: self, sock=self._socket)
        self._service.health.on_change = self._tell
        self._tell_again()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        for number, question, *arguments in self._unpacker.feed(data):
            self._transport.write(packed(("answer", number, self._answers[question](*arguments))))

    def connection_lost(self, error: Exception | None) -> None:
        self._service.stop("the supervisor is gone", delay=False)

    def _tell_again(self) -> None:
        self._tell()
        self._service.loop.call_later(_TELL_EVERY, self._tell_again)

    def _tell(self) -> None:
        health = self._service.health
        if not self._transport.is_closing() and self._transport.get_write_buffer_size() < _LARGEST_BACKLOG:
            self._transport.write(packed(("health", self._service.up, health.ready, health.reasons())))


# --- the parent's side -----------------------------------------------------------------------------------------------


class Worker:
    """One worker process as its parent sees it."""

    def __init__(self, index: int, changed: Callable[[], None], ended: Callable[["Worker", int], None]) -> None:
        self.index = index
        self.pid = 0
        self.up = False
        self.ready = False
        self.reasons: list[str] = [NOT_YET]
        self.snapshot: Snapshot = {}
        self.started_at = 0.0
        self.heard_at = 0.0
        self.pause = _FIRST_PAUSE
        self._changed = changed
        self._ended = ended
        self._asked = 0

    def spawn(self) -> None:
        """Starts the process: this very command line, with a seat."""
        self._loop = asyncio.get_running_loop()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        theirs.set_inheritable(True)
        program = sys.executable or "/proc/self/exe"
        command = [program, *sys.orig_argv[1:], f"--worker={WorkerSeat(self.index, theirs.fileno())}"]
        self.pid = os.posix_spawn(program, command, environment())
        theirs.close()
        self._unpacker = Unpacker()
        self._replies: dict[int, Any] = {}
        self._pidfd = os.pidfd_open(self.pid)
        self.started_at = self.heard_at = self._loop.time()
        self._loop.add_reader(self._pidfd, self._reap)
        self._loop.add_reader(self._socket, self._read)

    def ask(self, question: str, *arguments: Any) -> Any:
        """The worker's answer, or None when it gives none in time."""
        self._asked += 1
        number = self._asked
        try:
            self._socket.sendall(packed((number, question, *arguments)))
        except OSError:  # gone, or so stuck that its buffer is full
            return None
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        deadline = self._loop.time() + _ANSWER_WITHIN
        while number not in self._replies and (left := deadline - self._loop.time()) > 0:
            if poll.poll(left * 1000) and not self._read():
                break
        reply = self._replies.get(number)
        self._replies.clear()
        return reply

    def tell(self, question: str, *arguments: Any) -> None:
        """Asks without waiting."""
        try:
            self._socket.sendall(packed((0, question, *arguments)))
        except OSError:
            self.kill()

    def kill(self) -> None:
        """Ends the process at once; `ended` is called as for any other end."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def _read(self) -> bool:
        """Takes in what has arrived; False when the worker has closed its end."""
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._socket)
            return False
        for kind, *fields in self._unpacker.feed(data):
            if kind == "answer":
                self._replies[fields[0]] = fields[1]
            else:
                self.up, self.ready, self.reasons = fields
                self.heard_at = self._loop.time()
                self._changed()
        return True

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._loop.remove_reader(self._socket)
        os.close(self._pidfd)
        self._socket.close()
        _, status = os.waitpid(self.pid, 0)
        self.pid, self.up, self.ready, self.reasons = 0, False, False, ["ended"]
        self._ended(self, os.waitstatus_to_exitcode(status))


class Supervisor(Life):
    """The parent of several workers."""

    def __init__(self, part: Part[Any], settings: CommonSettings, log: Log, count: int, serve: Serve | None) -> None:
        super().__init__(part, settings, log, serve)
        self.metrics.add(*WORKER_METRICS)
        self.admin.add(*(replace(one, answer=self._forward) for one in part.endpoints if one.answer is None))
        self._condition = self.health.condition("workers")
        self._workers = [Worker(index, self._changed, self._ended) for index in range(count)]
        self._retired: Snapshot = {}
        self._all_up = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._first_failure: int | None = None
        self.on_stopping(lambda: self._tell_all("stopping"))
        self._changed()

    async def _begin(self) -> None:
        for worker in self._workers:
            worker.spawn()
        await self._all_up.wait()
        if self._first_failure is not None:
            for worker in self._workers:
                worker.kill()
            raise errors.StartError("a worker could not start; its log says why", self._first_failure)
        self._watch()

    async def _end(self) -> None:
        if not any(worker.pid for worker in self._workers):
            return
        self._tell_all("stop", "told by the supervisor")
        try:
            await asyncio.wait_for(self._all_ended.wait(), self.settings.shutdown_grace + _MORE_THAN_GRACE)
        except TimeoutError:
            self.log.error("workers did not end in time", count=sum(1 for worker in self._workers if worker.pid))
            self._stop_at_once()

    def _tell_all(self, question: str, *arguments: str) -> None:
        for worker in self._workers:
            if worker.pid:
                worker.tell(question, *arguments)

    def _stop_at_once(self) -> None:
        for worker in self._workers:
            worker.kill()

    # --- health ---

    def _changed(self) -> None:
        """Ready while at least one worker is: the kernel hands new connections to those that listen."""
        if all(worker.up for worker in self._workers):
            self._all_up.set()
        if self._stop_asked.is_set():
            return
        if not self._all_up.is_set():
            self._condition.fail("not all of them have started")
        elif any(worker.ready for worker in self._workers):
            self._condition.ok()
        else:
            self._condition.fail("; ".join(dict.fromkeys(reason for one in self._workers for reason in one.reasons)))

    def _watch(self) -> None:
        """Ends a worker whose loop is stuck, so that it is started again."""
        for worker in self._workers:
            if worker.pid and self.loop.time() - worker.heard_at > LOOP_STUCK_AFTER:
                self.log.error("worker is stuck", worker=worker.index, pid=worker.pid, silent_for=LOOP_STUCK_AFTER)
                worker.kill()
        self.loop.call_later(_TELL_EVERY, self._watch)

    def _ended(self, worker: Worker, code: int) -> None:
        self._retire(worker)
        if self._stop_asked.is_set():
            if not any(one.pid for one in self._workers):
                self._all_ended.set()
            return
        if not self._all_up.is_set():
            self._first_failure = code if code > 0 else errors.FAILED
            self._all_up.set()
            return
        steady = self.loop.time() - worker.started_at > _STEADY_AFTER
        worker.pause = _FIRST_PAUSE if steady else min(worker.pause * 2, _LONGEST_PAUSE)
        self.metrics[RESTARTS].inc()
        self.log.error("worker ended unasked", worker=worker.index, code=code, again_in=worker.pause)
        self._changed()
        self.loop.call_later(worker.pause, self._again, worker)

    def _again(self, worker: Worker) -> None:
        if not self._stop_asked.is_set():
            worker.spawn()

    # --- metrics and endpoints ---

    def render_metrics(self, openmetrics: bool) -> bytes:
        from podparts.exposition import render

        for worker in self._workers:
            if worker.pid:
                worker.snapshot = worker.ask("snapshot") or worker.snapshot
        self.metrics[WORKERS].set(sum(worker.up for worker in self._workers))
        own = self.metrics.snapshot()
        snapshots = [worker.snapshot for worker in self._workers]
        merged = {**merge(self.metrics.declared, [own, self._retired, *snapshots]), READY.name: own[READY.name]}
        return render(self.metrics.declared, self.part.prefix, merged, openmetrics=openmetrics)

    def _retire(self, worker: Worker) -> None:
        """Keeps what a worker had counted: a sum that falls would look like a restart of them all."""
        counted = [metric for metric in self.metrics.declared if metric.kind in ("counter", "histogram")]
        self._retired = merge(counted, [self._retired, worker.snapshot])
        worker.snapshot = {}

    def _forward(self, request: Request) -> Answer:
        """Asks a worker; what changes something is asked of all of them, and the last answer is given."""
        answer = None
        for worker in self._workers:
            if worker.up and (answer is None or request.method not in ("GET", "HEAD")):
                answer = worker.ask("request", *request_fields(request)) or answer
        return text("no worker answered", 503) if answer is None else Answer(*answer)
