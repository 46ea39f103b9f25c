"""TLS over memory: a real client of the ssl module on one side, the protocol on the other, no socket in between."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from kit.certs import Authority
from podparts.net import tls


class Tcp:
    """The TCP transport below: remembers what was asked of it."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.asked: list[str] = []
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        self.sent += data

    def take(self) -> bytes:
        data = bytes(self.sent)
        self.sent.clear()
        return data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 4711)}.get(name, default)

    def is_closing(self) -> bool:
        return "close" in self.asked or "abort" in self.asked

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: self.asked.append(name)


class Inner:
    """What speaks inside TLS: remembers what it was told."""

    def __init__(self, keeps_open: bool = False) -> None:
        self.transport: Any = None
        self.got: list[bytes] = []
        self.told: list[str] = []
        self.keeps_open = keeps_open
        self.begins_paused = False
        self.reply: Callable[[bytes], None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.begins_paused:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.got.append(data)
        if self.reply:
            self.reply(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class Talk:
    """A client and a server connection, and the bytes between them."""

    def __init__(self, server: tls.TlsServer, inner: Inner, client: ssl.SSLContext, session: Any = None) -> None:
        self.tcp = Tcp()
        self.inner = inner
        self.protocol = server.wrap(lambda: inner)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost", session=session)
        self.protocol.connection_made(self.tcp)

    def to_server(self) -> None:
        if data := self.outgoing.read():
            self.protocol.data_received(data)

    def to_client(self) -> None:
        self.incoming.write(self.tcp.take())

    def shake(self) -> "Talk":
        for _ in range(4):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                self.to_server()
                self.to_client()
            else:
                self.to_server()
                self.to_client()
                return self
        raise AssertionError("no handshake in four flights")

    def say(self, data: bytes) -> None:
        self.client.write(data)
        self.to_server()

    def hear(self) -> bytes:
        self.to_client()
        out = b""
        while True:
            try:
                piece = self.client.read(65536)
            except ssl.SSLWantReadError:
                return out
            if not piece:
                return out
            out += piece


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    pair = authority.server()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    return made


@pytest.fixture
def client(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


@pytest.fixture
def failures() -> list[tuple[str, str]]:
    return []


@pytest.fixture
async def server(context: ssl.SSLContext, failures: list[tuple[str, str]]) -> tls.TlsServer:
    return tls.TlsServer(lambda: context, failed=lambda reason, _, peer: failures.append((reason, peer)))


@pytest.fixture
async def talk(server: tls.TlsServer, client: ssl.SSLContext) -> Talk:
    return Talk(server, Inner(), client).shake()


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
async def test_bytes_pass_both_ways(server: tls.TlsServer, client: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    client.maximum_version = version
    talk = Talk(server, Inner(), client).shake()
    talk.say(b"hello")
    talk.inner.transport.write(b"good day")
    assert (talk.inner.got, talk.hear()) == ([b"hello"], b"good day")


async def test_the_inner_protocol_learns_what_was_negotiated(talk: Talk) -> None:
    info = talk.inner.transport.get_extra_info("tls")
    assert (info.version, info.alpn, info.resumed) == ("TLSv1.3", None, False)


async def test_a_handshake_that_arrives_byte_by_byte_succeeds(server: tls.TlsServer, client: ssl.SSLContext) -> None:
    talk = Talk(server, Inner(), client)
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.do_handshake()
    for byte in talk.outgoing.read():
        talk.protocol.data_received(bytes([byte]))
    talk.to_client()
    talk.shake().say(b"x")
    assert talk.inner.got == [b"x"]


async def test_many_records_in_one_read_are_delivered_as_one(talk: Talk) -> None:
    data = bytes(range(256)) * 512
    talk.say(data)
    assert talk.inner.got == [data]


async def test_a_record_in_two_reads_is_delivered_once_it_is_whole(talk: Talk) -> None:
    talk.client.write(b"together")
    record = talk.outgoing.read()
    talk.protocol.data_received(record[:9])
    assert talk.inner.got == []
    talk.protocol.data_received(record[9:])
    assert talk.inner.got == [b"together"]


async def test_a_large_write_arrives_whole(talk: Talk) -> None:
    data = bytes(range(256)) * 8192
    talk.inner.transport.write(data)
    assert talk.hear() == data


async def test_writes_of_one_delivery_leave_as_one_record(talk: Talk) -> None:
    def answer(_: bytes) -> None:
        for piece in (b"one ", b"two ", b"three"):
            talk.inner.transport.write(piece)

    talk.inner.reply = answer
    talk.say(b"?")
    record = bytes(talk.tcp.sent)
    # its header says how long the first record is: there is no other
    assert int.from_bytes(record[3:5]) + 5 == len(record)
    assert talk.hear() == b"one two three"


async def test_close_sends_what_was_written_and_close_notify(talk: Talk) -> None:
    def answer(_: bytes) -> None:
        talk.inner.transport.write(b"bye")
        talk.inner.transport.close()

    talk.inner.reply = answer
    talk.say(b"?")
    assert talk.hear() == b"bye"
    assert talk.client.read() == b""
    assert talk.tcp.asked == ["close"]


async def test_the_peers_close_notify_is_an_end_of_file(talk: Talk) -> None:
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.unwrap()
    talk.to_server()
    assert talk.inner.told == ["eof"]
    assert talk.tcp.asked == ["close"]


async def test_a_half_closed_connection_can_still_be_written_to(server: tls.TlsServer, client: ssl.SSLContext) -> None:
    talk = Talk(server, Inner(keeps_open=True), client).shake()
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.unwrap()
    talk.to_server()
    assert talk.protocol.eof_received() is True
    talk.tcp.take()
    talk.inner.transport.write(b"late")
    assert len(talk.tcp.sent) > 4
    talk.inner.transport.close()
    assert talk.tcp.asked == ["close"]


async def test_data_still_arrives_after_our_side_has_ended(talk: Talk) -> None:
    talk.inner.transport.write_eof()
    talk.say(b"still here")
    assert talk.inner.got == [b"still here"]
    assert talk.tcp.asked == ["write_eof"]


async def test_a_damaged_record_ends_the_connection_without_an_end_of_file(talk: Talk) -> None:
    talk.client.write(b"good")
    record = bytearray(talk.outgoing.read())
    record[-1] ^= 1
    talk.protocol.data_received(bytes(record))
    assert (talk.inner.got, talk.inner.told, talk.tcp.asked) == ([], [], ["close"])


async def test_back_pressure_reaches_the_inner_protocol(talk: Talk) -> None:
    talk.protocol.pause_writing()
    talk.protocol.resume_writing()
    assert talk.inner.told == ["pause", "resume"]


async def test_pausing_the_inner_transport_pauses_tcp(talk: Talk) -> None:
    talk.inner.transport.pause_reading()
    talk.inner.transport.resume_reading()
    assert talk.tcp.asked == ["pause_reading", "resume_reading"]


async def test_what_came_with_the_handshake_waits_while_reading_is_paused(
    server: tls.TlsServer, client: ssl.SSLContext
) -> None:
    inner = Inner()
    inner.begins_paused = True
    talk = Talk(server, inner, client)
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.do_handshake()
    talk.to_server()
    talk.to_client()
    talk.client.do_handshake()
    talk.client.write(b"early")
    talk.to_server()
    assert inner.got == []
    inner.transport.resume_reading()
    await asyncio.sleep(0)
    assert inner.got == [b"early"]


async def test_plain_http_is_handed_to_its_own_protocol(
    context: ssl.SSLContext, failures: list[tuple[str, str]]
) -> None:
    plain = Inner()
    server = tls.TlsServer(lambda: context, plain=lambda make: plain, failed=lambda *told: failures.append(told[::2]))
    tcp = Tcp()
    protocol = server.wrap(Inner)
    protocol.connection_made(tcp)
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    assert (plain.got, tcp.protocol, failures) == ([b"GET / HTTP/1.1\r\n"], plain, [("plain_http", "192.0.2.7")])
    assert plain.transport is tcp


@pytest.mark.parametrize(
    ("garbage", "reason"), [(b"\x00\x01", "not_tls"), (b"\x16garbage here", "not_tls"), (b"GET", "plain_http")]
)
async def test_what_is_no_tls_is_closed_with_its_reason(
    server: tls.TlsServer, failures: list[tuple[str, str]], garbage: bytes, reason: str
) -> None:
    tcp = Tcp()
    protocol = server.wrap(Inner)
    protocol.connection_made(tcp)
    protocol.data_received(garbage)
    assert (failures, tcp.asked) == ([(reason, "192.0.2.7")], ["close"])


async def test_a_client_that_goes_away_in_the_handshake_is_counted(
    server: tls.TlsServer, client: ssl.SSLContext, failures: list[tuple[str, str]]
) -> None:
    talk = Talk(server, Inner(), client)
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.do_handshake()
    talk.to_server()
    talk.protocol.connection_lost(None)
    assert (failures, server.handshaking) == ([("closed", "192.0.2.7")], 0)


async def test_a_connection_without_a_byte_is_a_health_check(
    server: tls.TlsServer, failures: list[tuple[str, str]]
) -> None:
    protocol = server.wrap(Inner)
    protocol.connection_made(Tcp())
    protocol.connection_lost(None)
    assert (failures, server.handshaking) == ([], 0)


async def test_a_slow_handshake_is_cut(context: ssl.SSLContext) -> None:
    late = asyncio.Event()
    server = tls.TlsServer(lambda: context, failed=lambda *_: late.set(), handshake_timeout=0.01)
    tcp = Tcp()
    server.wrap(Inner).connection_made(tcp)
    await asyncio.wait_for(late.wait(), 5)
    assert (tcp.asked, server.handshaking) == (["close"], 0)


async def test_an_alpn_name_has_its_own_inner_protocol(context: ssl.SSLContext, client: ssl.SSLContext) -> None:
    context.set_alpn_protocols(["h2", "http/1.1"])
    client.set_alpn_protocols(["h2"])
    two = Inner()
    talk = Talk(tls.TlsServer(lambda: context, protocols={"h2": lambda make: two}), Inner(), client).shake()
    talk.say(b"PRI")
    assert (two.got, talk.inner.got) == ([b"PRI"], [])


async def test_whom_admit_refuses_the_inner_protocol_never_sees(
    context: ssl.SSLContext, client: ssl.SSLContext, failures: list[tuple[str, str]]
) -> None:
    def admit(info: tls.TlsInfo, _: Any) -> object:
        raise tls.NotAdmittedError("nobody comes in")

    server = tls.TlsServer(lambda: context, admit=admit, failed=lambda *told: failures.append(told[:2]))
    talk = Talk(server, Inner(), client).shake()
    assert (talk.inner.transport, failures) == (None, [("not_admitted", "nobody comes in")])


async def test_a_session_is_resumed(server: tls.TlsServer, client: ssl.SSLContext) -> None:
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    first = Talk(server, Inner(), client).shake()
    again = Talk(server, Inner(), client, session=first.client.session).shake()
    assert again.inner.transport.get_extra_info("tls").resumed


async def test_nothing_is_left_for_another_connection(server: tls.TlsServer, client: ssl.SSLContext) -> None:
    one, two = (Talk(server, Inner(), client).shake() for _ in range(2))
    one.inner.reply = two.inner.transport.write
    two.inner.reply = one.inner.transport.write
    one.say(b"for two")
    two.say(b"for one")
    assert (one.hear(), two.hear()) == (b"for one", b"for two")
