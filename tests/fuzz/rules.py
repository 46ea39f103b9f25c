"""The rules: what must hold for every head and body, whatever the generator makes of it.

R1 What the scanner accepts, llhttp accepts, and h11 too, with the same method, target, fields, framing and persistence.
R2 What is forwarded means the same again: llhttp reads in the rewritten head the method, target and fields that were
   to be passed on, with the same framing, and nothing that belongs to one connection only.
R3 A refusal is one of the declared statuses and has a reason. A head that is complete is never "incomplete".
R4 Nothing depends on where the stream is cut: a prefix is incomplete or already refused in the same way.
Stricter than llhttp is always fine. A rule returns what is wrong as text, or an empty one.

Allowed differences, each where ours or the RFC is the stricter side:
- llhttp knows a fixed list of methods, RFC 9110 16.1 lets anyone register more: an unknown one is replaced before
  asking it.
- llhttp leaves HTTP at the end of the head of an Upgrade request even if a length is announced; we may call it an
  upgrade only when no body follows.
- llhttp does not know a Connection option that a tab follows; the field is ours alone, it is never passed on.
- llhttp takes Proxy-Connection, which no RFC defines, for Connection; we pass it to nobody and do not obey it.
- llhttp refuses the white space around `=` in a chunk extension that RFC 9112 7.1.1 allows; no extension is passed on.
- h11 refuses a target or a field value with bytes above 0x7f in places where RFC 9110 5.5 has obs-text: not counted.
"""

from fuzz.readers import Llhttp, read_with_h11
from podparts.wire.body import Body
from podparts.wire.fields import Fields, request_fields, response_fields
from podparts.wire.http1 import Head

INCOMPLETE, COMPLETE, CHUNKED, NO_LENGTH = 0, 1, -1, -2  # the compiled modules keep these in C, out of reach
REQUEST, RESPONSE = request_fields(), response_fields()
REFUSALS = frozenset({400, 405, 414, 417, 431, 501, 505})
ADDED = b"X-Forwarded-For: 192.0.2.1\r\n"
KNOWN = frozenset(
    {b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND", b"TRACE", b"M-SEARCH"}
)
PER_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})
BODY = b"0123456789abcdefg"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def _known(data: bytes, head: Head) -> bytes:
    """The head's bytes with a method that llhttp knows."""
    method = head.method
    block = data[head.start : head.end]
    return block if method in KNOWN else b"POST" + block[len(method) :]


def framing(head: Head) -> str:
    """How the body is framed, in words."""
    if head.length == CHUNKED:
        return "chunked"
    return "none" if head.length in (NO_LENGTH, 0) else str(head.length)


def _body_ends(reader: Llhttp, expected: str) -> str:
    """Feed a body framed as `expected` to llhttp, which has read a request head, and watch where the message ends."""
    message = reader.message
    ended = message.ended
    if reader.upgraded or expected == "none":
        return "" if ended == 1 else "no body for us, but llhttp waits for one"
    if ended:
        return f"a body ({expected}) for us, but none for llhttp"
    if expected == "chunked":
        reader.feed(CHUNKS)
        right = message.body == b"hello" and message.ended == 1
        return "" if right and not reader.error else f"chunked for us, llhttp reads {message.body!r} {reader.error}"
    length = int(expected)
    if length > len(BODY):
        reader.feed(BODY)
        return "" if message.ended == 0 and message.body == BODY else f"{length} bytes for us, fewer for llhttp"
    reader.feed(BODY[: length - 1])
    early = message.ended
    reader.feed(BODY[length - 1 : length])
    right = not early and message.ended == 1 and message.body == BODY[:length]
    return "" if right else f"{length} bytes for us, llhttp reads {message.body!r} {reader.error}"


def _kept_longer(head: Head, reader: Llhttp) -> bool:
    """Whether we would use the connection again where llhttp would not."""
    if head.close or head.upgrade or reader.upgraded or head.header(b"proxy-connection") is not None:
        return False
    return not reader.message.keep_alive and b"\t" not in (head.header(b"connection") or b"")


def accepted_request(data: bytes, head: Head) -> str:
    """R1 for a request that `head` has accepted, against llhttp."""
    reader = Llhttp().feed(_known(data, head))
    message = reader.message
    if reader.error or message.headed != 1:
        return f"llhttp refuses: {reader.error or 'no head'}"
    if message.target != head.target:
        return f"target {head.target!r}, llhttp {message.target!r}"
    if message.fields != head.fields():
        return f"fields {head.fields()}, llhttp {message.fields}"
    if int(reader.parser.get_http_version()[-1]) != head.minor:
        return f"version 1.{head.minor}, llhttp {reader.parser.get_http_version()}"
    if head.upgrade and (not reader.upgraded or framing(head) != "none"):
        return f"an upgrade for us with body {framing(head)}, llhttp upgrade: {reader.upgraded}"
    if _kept_longer(head, reader):
        return "kept alive by us, not by llhttp"
    return "" if reader.upgraded and not head.upgrade else _body_ends(reader, framing(head))


def forwarded_request(head: Head) -> str:
    """R2 for an accepted request."""
    line = b"POST " + head.origin + b" HTTP/1.1\r\n"
    host = b"Host: " + head.host + b"\r\n" if head.absolute else b""
    out = head.forwarded(line, host + ADDED, 0, 0)
    reader = Llhttp().feed(out)
    message = reader.message
    if reader.error or message.headed != 1 or reader.upgraded:
        return f"forwarded {out!r}: llhttp refuses: {reader.error or 'upgrade or no head'}"
    if message.target != head.origin:
        return f"forwarded target {message.target!r}, not {head.origin!r}"
    added = [(b"Host", head.host)] if head.absolute else []
    wanted = [*head.kept(), *added, (b"X-Forwarded-For", b"192.0.2.1")]
    if message.fields != wanted:
        return f"forwarded fields {message.fields}, not {wanted}"
    names = [name.lower().replace(b"_", b"-") for name, _ in head.kept()]
    if leaked := PER_CONNECTION.intersection(names):
        return f"forwarded {leaked}, which belong to one connection"
    problem = _body_ends(reader, framing(head))
    return f"forwarded: {problem}" if problem else ""


def _as_h11(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    return (name, value.lower() if name == b"transfer-encoding" else value)


def accepted_by_h11(data: bytes, head: Head, *, responses: bool = False) -> str:
    """R1 against h11, which is slow: for a sample."""
    block = data[head.start : head.end]
    theirs = read_with_h11(block, responses=responses)
    if theirs.error:
        tolerated = max(block) > 0x7E or head.status == 101  # h11 would have to know that an upgrade was asked for
        return "" if tolerated else f"h11 refuses: {theirs.error}"
    ours = [_as_h11(name.lower(), value) for name, value in head.fields()]
    if list(theirs.fields) != ours:
        return f"fields {ours}, h11 {list(theirs.fields)}"
    same = theirs.status == head.status if responses else (theirs.method, theirs.target) == (head.method, head.target)
    return "" if same else f"h11 reads {theirs}"


def accepted_response(data: bytes, head: Head) -> str:
    """R1 for a response that `head` has accepted, against llhttp."""
    reader = Llhttp(responses=True).feed(data[head.start : head.end])
    message = reader.message
    if reader.error or message.headed != 1:
        return f"llhttp refuses: {reader.error or 'no head'}"
    if message.fields != head.fields() or reader.status != head.status:
        return f"{head.status} {head.fields()}, llhttp {reader.status} {message.fields}"
    if head.status < 200 or head.status in (204, 304):
        return ""
    if head.length == NO_LENGTH:
        return "" if message.ended == 0 else "until close for us, ended for llhttp"
    if _kept_longer(head, reader):
        return "kept alive by us, not by llhttp"
    return "" if reader.upgraded else _body_ends(reader, framing(head))


def refused(data: bytes, result: int, head: Head, *, responses: bool = False) -> str:
    """R3 for what was not accepted."""
    if result == INCOMPLETE:
        whole = b"\r\n\r\n" in (data if responses else data.lstrip(b"\r\n"))
        return "complete, but called incomplete" if whole else ""
    if result not in ({502} if responses else REFUSALS):
        return f"refused with {result}"
    return "" if head.reason else f"refused with {result} without a reason"


def same_at_every_cut(data: bytes, result: int, end: int, head: Head, *, responses: bool = False) -> str:
    """R4 for a head: read again from each prefix."""
    read, table = (head.response, RESPONSE) if responses else (head.request, REQUEST)
    for stop in range(len(data)):
        early = read(data[:stop], 0, table)
        if early == COMPLETE and not (result == COMPLETE and stop >= end):
            return f"complete already after {stop} bytes"
        if early not in (INCOMPLETE, COMPLETE) and early != result:
            return f"{result} whole, {early} after {stop} bytes ({head.reason})"
        if early == INCOMPLETE and result == COMPLETE and stop >= end:
            return f"incomplete after {stop} bytes although it ends at {end}"
    return ""


def _read_body(data: bytes, pieces: list[bytes], fields: Fields) -> tuple[bool, bool, int, bytes, bytes]:
    """Feed the pieces: (refused, ended, where, payload, what is passed on)."""
    body = Body()
    body.begin(CHUNKED, True)
    at, payload, passed = 0, b"", b""
    for piece in pieces:
        stop = body.feed(piece, 0, fields)
        if stop < 0:
            return True, False, 0, b"", b""
        payload += body.payload(piece)
        passed += body.passed(piece, 0, stop)
        at += stop
        if body.ended:
            break
    return False, body.ended, at, payload, passed


def chunked_body(data: bytes) -> str:
    """R1, R2 and R4 for a chunked body."""
    was_refused, ended, end, payload, passed = whole = _read_body(data, [data], REQUEST)
    for cut in range(1, len(data)):
        halves = _read_body(data, [data[:cut], data[cut:]], REQUEST)
        if halves != whole:
            return f"depends on the cut: whole {whole}, cut at {cut} {halves}"
    bytewise = _read_body(data, [data[i : i + 1] for i in range(len(data))], REQUEST)
    if bytewise != whole:
        return f"depends on the cut: whole {whole}, byte by byte {bytewise}"
    if was_refused or not ended:
        return ""
    lead = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for kind, text in (("", data[:end]), ("forwarded ", passed)):
        reader = Llhttp().feed(lead + text)
        if not kind and "chunk extensions" in reader.error:
            continue
        if reader.error or reader.message.ended != 1 or reader.message.body != payload:
            return f"{kind}{reader.error or 'another payload'}: {text!r}: {payload!r}, llhttp {reader.message.body!r}"
    return ""
