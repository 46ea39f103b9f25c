"""Requests that two readers could understand differently, or that no reader should, each with its status.

Each is what an attacker (or a broken client) sends; `body` is what stands behind the head and would be the smuggled
request. The same table is held against the scanner alone and against the running proxy.
"""

from dataclasses import dataclass

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass(frozen=True)
class Vector:
    """One request that must be refused."""

    name: str
    status: int
    data: bytes


def _post(name: str, *lines: bytes, status: int = 400, body: bytes = SMUGGLED) -> Vector:
    head = b"\r\n".join([b"POST /vector HTTP/1.1", b"Host: x", *lines])
    return Vector(name, status, head + b"\r\n\r\n" + body)


def _get(name: str, *lines: bytes, status: int = 400) -> Vector:
    return _post(name, *lines, status=status, body=b"")


def _raw(name: str, data: bytes, status: int = 400) -> Vector:
    return Vector(name, status, data)


CHUNKED = b"Transfer-Encoding: chunked"


def _chunks(name: str, body: bytes) -> Vector:
    return _post(name, CHUNKED, body=body)


FRAMING = [
    _post("two different lengths", b"Content-Length: 5", b"Content-Length: 6"),
    _post("the same length twice", b"Content-Length: 5", b"Content-Length: 5"),
    _post("a list of lengths", b"Content-Length: 5, 5"),
    _post("a list of different lengths", b"Content-Length: 5, 6"),
    _post("a length with a plus", b"Content-Length: +5"),
    _post("a negative length", b"Content-Length: -5"),
    _post("a hexadecimal length", b"Content-Length: 0x5"),
    _post("a length with a point", b"Content-Length: 5.0"),
    _post("a length with an underscore", b"Content-Length: 1_0"),
    _post("a length with a space inside", b"Content-Length: 5 5"),
    _post("an empty length", b"Content-Length:"),
    _post("a length of nineteen digits", b"Content-Length: 1000000000000000000"),
    _post("a length that wraps 64 bits", b"Content-Length: 18446744073709551621"),
    _post("a length before chunked", b"Content-Length: 5", CHUNKED),
    _post("a length behind chunked", CHUNKED, b"Content-Length: 5"),
    _post("chunked twice", CHUNKED, CHUNKED),
    _post("chunked and identity", CHUNKED, b"Transfer-Encoding: identity"),
    _post("identity and chunked", b"Transfer-Encoding: identity", CHUNKED, status=501),
    _post("gzip before chunked", b"Transfer-Encoding: gzip, chunked", status=501),
    _post("chunked before gzip", b"Transfer-Encoding: chunked, gzip", status=501),
    _post("chunked, chunked", b"Transfer-Encoding: chunked, chunked", status=501),
    _post("xchunked", b"Transfer-Encoding: xchunked", status=501),
    _post("chunked in quotes", b'Transfer-Encoding: "chunked"', status=501),
    _post("chunked with a parameter", b"Transfer-Encoding: chunked;q=1", status=501),
    _post("chunked behind a comma", b"Transfer-Encoding: ,chunked", status=501),
    _post("chunked before a comma", b"Transfer-Encoding: chunked,", status=501),
    _post("chunked behind a vertical tab", b"Transfer-Encoding: \x0bchunked"),
    _post("chunked before a tab", b"Transfer-Encoding: chunked\t", status=501),
    _post("an empty transfer coding", b"Transfer-Encoding:", status=501),
    _post("a space before the colon of the transfer coding", b"Transfer-Encoding : chunked"),
    _post("a tab before the colon of the length", b"Content-Length\t: 5"),
    _post("a space before the name", b" Transfer-Encoding: chunked"),
    _post("a folded transfer coding", b"Transfer-Encoding:\r\n chunked", status=501),
    _post("a folded line", b"X-A: b\r\n c: d"),
    _post("a NUL behind the name of the length", b"Content-Length\x00: 5"),
    _raw(
        "chunked to HTTP/1.0",
        b"POST /vector HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ),
]

LINES = [
    _raw("bare LF at every line", b"GET /vector HTTP/1.1\nHost: x\n\n"),
    _raw("bare LF behind the request line", b"GET /vector HTTP/1.1\nHost: x\r\n\r\n"),
    _raw("bare LF behind a field", b"GET /vector HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n"),
    _raw("bare LF before the end", b"GET /vector HTTP/1.1\r\nHost: x\r\n\n"),
    _raw("bare CR in a value", b"GET /vector HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n"),
    _raw("bare CR behind the request line", b"GET /vector HTTP/1.1\rHost: x\r\n\r\n"),
    _raw("bare CR at the end of the head", b"GET /vector HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n"),
    _raw("CR CR LF behind a field", b"GET /vector HTTP/1.1\r\nHost: x\r\r\n\r\n"),
    _get("a NUL in a value", b"X-A: b\x00c"),
    _get("a NUL in a name", b"X\x00A: b"),
    _get("a DEL in a value", b"X-A: b\x7fc"),
    _get("an escape in a value", b"X-A: \x1b[2J"),
    _get("no colon", b"X-A b"),
    _get("an empty name", b": b"),
    _get("a name with a space", b"X A: b"),
    _get("a name with a bracket", b"X(A): b"),
    _get("a name beyond ASCII", b"X\xc3\xa4: b"),
    _raw("a request line without a version", b"GET /vector\r\nHost: x\r\n\r\n"),
    _raw("HTTP/0.9", b"GET /\r\n"),
    _raw("two spaces before the version", b"GET /vector  HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("two spaces before the target", b"GET  /vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a space behind the version", b"GET /vector HTTP/1.1 \r\nHost: x\r\n\r\n"),
    _raw("a tab in the request line", b"GET\t/vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a space before the method", b" GET /vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a space in the target", b"GET /vec tor HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a NUL in the target", b"GET /vec\x00tor HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a byte beyond ASCII in the target", b"GET /vec\xfftor HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a fragment in the target", b"GET /vector#a HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a method that is no token", b"G(T /vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a method without an end", b"G" * 64),
    _raw("a version in lower case", b"GET /vector http/1.1\r\nHost: x\r\n\r\n"),
    _raw("a version of three digits", b"GET /vector HTTP/1.10\r\nHost: x\r\n\r\n"),
    _raw("HTTP/1.2", b"GET /vector HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    _raw("HTTP/2.0", b"GET /vector HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    _raw("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 505),
    _raw("the first bytes of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)),
    _raw("a PROXY line nobody expects", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
]

TARGETS = [
    _raw("no Host", b"GET /vector HTTP/1.1\r\nX-A: b\r\n\r\n"),
    _get("Host twice", b"Host: y"),
    _get("the same Host twice", b"Host: x"),
    _get("Host in another case twice", b"hOST: x"),
    _raw("a Host with a space", b"GET /vector HTTP/1.1\r\nHost: x y\r\n\r\n"),
    _raw("a Host with a comma", b"GET /vector HTTP/1.1\r\nHost: x,y\r\n\r\n"),
    _raw("a Host with a slash", b"GET /vector HTTP/1.1\r\nHost: x/../y\r\n\r\n"),
    _raw("a Host with a user", b"GET /vector HTTP/1.1\r\nHost: user@x\r\n\r\n"),
    _raw("a Host with a quote", b'GET /vector HTTP/1.1\r\nHost: x"\r\n\r\n'),
    _raw("a Host with a backslash", b"GET /vector HTTP/1.1\r\nHost: x\\y\r\n\r\n"),
    _raw("a Host beyond ASCII", b"GET /vector HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    _raw("a Host with a question mark", b"GET /vector HTTP/1.1\r\nHost: x?y\r\n\r\n"),
    _raw("CONNECT", b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405),
    _raw("an authority as target", b"GET x:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a relative target", b"GET vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("an asterisk for GET", b"GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("another scheme", b"GET ftp://x/vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("a user in an absolute target", b"GET http://user@x/vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("an absolute target without a host", b"GET http:///vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("an absolute target with a bad host", b"GET http://x\\y/vector HTTP/1.1\r\nHost: x\r\n\r\n"),
    _raw("an absolute target and two Hosts", b"GET http://x/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    _raw("an absolute target and no Host", b"GET http://x/vector HTTP/1.1\r\nX-A: b\r\n\r\n"),
    _get("Connection names Host", b"Connection: host"),
    _get("Connection names the length", b"Connection: close, Content-Length", b"Content-Length: 0"),
    _get("Connection names the transfer coding", b"Connection: Transfer-Encoding"),
    _get("Connection names Authorization", b"Connection: authorization"),
    _get("Connection names Cookie", b"Connection: keep-alive , Cookie"),
    _get("another expectation", b"Expect: 200-ok", status=417),
]

CHUNKS = [
    _chunks("a chunk size that is no number", b"x\r\nhello\r\n0\r\n\r\n"),
    _chunks("an empty chunk size", b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("a chunk size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a negative chunk size", b"-5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a chunk size with a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a chunk size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a chunk size of sixteen digits", b"0000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunks("a chunk size that wraps 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunks("a space before the chunk size", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("a space behind the chunk size", b"5 \r\nhello\r\n0\r\n\r\n"),
    _chunks("a bare LF behind the chunk size", b"5\nhello\r\n0\r\n\r\n"),
    _chunks("a bare CR behind the chunk size", b"5\rhello\r\n0\r\n\r\n"),
    _chunks("a bare LF behind the chunk", b"5\r\nhello\n0\r\n\r\n"),
    _chunks("a chunk longer than its size", b"5\r\nhelloX\r\n0\r\n\r\n"),
    _chunks("a chunk shorter than its size", b"5\r\nhell\r\n0\r\n\r\n"),
    _chunks("a bare LF in a chunk extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    _chunks("a bare CR in a chunk extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    _chunks("a NUL in a chunk extension", b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
    _chunks("a chunk extension of 300 bytes", b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk extensions of 20 KB", (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n"),
    _chunks("a bare LF behind the last chunk", b"0\n\r\n"),
    _chunks("a trailer with a length", b"0\r\nContent-Length: 5\r\n\r\n"),
    _chunks("a trailer with a transfer coding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    _chunks("a trailer with a Host", b"0\r\nHost: y\r\n\r\n"),
    _chunks("a trailer with Connection", b"0\r\nConnection: close\r\n\r\n"),
    _chunks("a trailer with X-Forwarded-For", b"0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"),
    _chunks("a trailer with the twin of X-Forwarded-For", b"0\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n"),
    _chunks("a trailer with Upgrade", b"0\r\nUpgrade: websocket\r\n\r\n"),
    _chunks("a folded trailer", b"0\r\nX-A: b\r\n c\r\n\r\n"),
    _chunks("a trailer with a space before the colon", b"0\r\nX-A : b\r\n\r\n"),
    _chunks("a trailer without a colon", b"0\r\nX-A\r\n\r\n"),
    _chunks("a trailer with a bare LF", b"0\r\nX-A: b\nX-B: c\r\n\r\n"),
    _chunks("a trailer with a NUL", b"0\r\nX-A: b\x00\r\n\r\n"),
    _chunks("trailers of 9 KB", b"0\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n"),
]

REFUSED = FRAMING + LINES + TARGETS + CHUNKS
