"""What fuzzed messages are put together from: pieces that the grammar allows, and (ODD_…) pieces that it does not.

Written for the places where readers of HTTP have disagreed: line ends, white space, controls, folded lines, lengths and
codings in more than one form, names that only look like the ones that matter.
"""

# fmt: off
METHODS = (b'GET', b'POST', b'HEAD', b'PUT', b'DELETE', b'OPTIONS', b'PATCH', b'PROPFIND')
ODD_METHODS = (
    b'get', b'CONNECT', b'TRACE', b'PRI', b'G\x00T', b'', b' GET', b'GE T', b'G(T', b'FOO', b'M-SEARCH', b'G\xe9T',
    b'A' * 33,
)
TARGETS = (
    b'/', b'/a/b?c=d&e=f', b'/%41%2f..%00', b'*', b'http://h.example/p?q', b'/' + b'a' * 300, b'//double', b'/;p=1',
    b'http://h.example',
)
ODD_TARGETS = (
    b'', b'/a b', b'/a\tb', b'/\x00', b'/\x7f', b'/\xc3\xa9', b'/a#b', b'h.example:443', b'ftp://x/', b'http://',
    b'http://u@h/', b'/"<>`{}|\\^', b'http:///x', b'HTTP://H/x', b'http://h\\x', b'?q', b'http://h:80:80/',
    b'http://[::1]/', b'/' + b't' * 9000, b'https://a/b#c',
)
VERSIONS = (b'HTTP/1.1', b'HTTP/1.1', b'HTTP/1.1', b'HTTP/1.0')
ODD_VERSIONS = (
    b'HTTP/1.2', b'HTTP/2.0', b'HTTP/0.9', b'HTTP/1.1 ', b'http/1.1', b'HTTP/1', b'HTTP/11', b'HTTP/1.10',
    b'HTTP /1.1', b'ICE/1.0', b'', b'HTTP/01.1', b'HTTP/1.\xb9', b'RTSP/1.0',
)
STATUSES = (
    b'200 OK', b'204 No Content', b'304 Not Modified', b'101 Switching Protocols', b'100 Continue', b'404 ',
    b'500 Sorry \xe9', b'299', b'599 x',
)
ODD_STATUSES = (
    b'20 OK', b'2000 OK', b'099 x', b'2x0 OK', b'', b' 200 OK', b'200\tOK', b'200 O\x00K', b'+20 OK', b'200 OK\r',
    b'999 x', b'200  two', b'000 z', b'-12 x',
)
# Fields that decide how a message is read, with values on both sides of every rule.
MEANINGFUL: dict[bytes, tuple[bytes, ...]] = {
    b'Content-Length': (
        b'0', b'1', b'5', b'17', b'005', b'+5', b'-5', b'5, 5', b'5,6', b'5 5', b'0x5', b'5.0', b'5e1', b'', b' ',
        b'5\x0b', b'\x0c5', b'five', b'999999999999999999', b'9999999999999999999', b'18446744073709551617',
        b'0' * 40 + b'5', b'5;q=1', b'"5"', b'5\x00', b'\xb2',
    ),
    b'Transfer-Encoding': (
        b'chunked', b'Chunked', b'CHUNKED', b'chunked, chunked', b'gzip, chunked', b'chunked, gzip', b'gzip',
        b'identity', b'xchunked', b'chunkedx', b'chunked;q=1', b'\x0bchunked', b'chunked\x0c', b'', b',chunked',
        b'chunked,', b'chun ked', b'chunked\x00', b'"chunked"', b'chunked\t', b'chun\xe7ed', b'identity, chunked',
        b'chunked, identity',
    ),
    b'Host': (
        b'a.example', b'a.example:80', b'[::1]:8080', b'', b'a b', b'a,b', b'a/b', b'u@a', b'a\\b', b'a.example:http',
        b'a\x00', b'\xe9.example', b'a?b', b'a#b',
    ),
    b'Connection': (
        b'close', b'keep-alive', b'Close', b'close, keep-alive', b'Upgrade', b'upgrade, keep-alive', b'x-private',
        b'close,', b',, close', b'clos', b'closed', b'transfer-encoding', b'content-length', b'host', b'X-A, upgrade',
        b'', b'keep-alive close', b'close;x', b'te', b'\tclose\t',
    ),
    b'Upgrade': (b'websocket', b'h2c', b'', b'WebSocket, x', b'TLS/1.0'),
    b'Expect': (b'100-continue', b'100-Continue', b'200-ok', b'', b'100-continue, x'),
    b'Keep-Alive': (b'timeout=5',),
    b'Proxy-Connection': (b'close', b'keep-alive'),
    b'TE': (b'trailers',),
    b'Trailer': (b'X-T',),
}
PLAIN = (
    b'X-A', b'Accept', b'User-Agent', b'Cookie', b'X-Private', b'A', b'X-Forwarded-For', b'Forwarded',
    b'Content_Length', b'Transfer_Encoding', b'X_Forwarded_For', b'Z' * 64, b"!#$%&'*+-.^_`|~", b'Date',
    b'Set-Cookie',
)
ODD_NAMES = (
    b'', b' X', b'X ', b'X\t', b'X\x00', b'X\xe9', b'X(', b'X:', b'\x0bX', b'X\r', b'X/', b'X=', b'X"', b'{X}',
    b'\xefX', b'X@',
)
PLAIN_VALUES = (
    b'1', b'text/html; q=0.5', b'a, b', b'', b'\xc3\xa9t\xe9', b'x' * 200, b'a\tb', b'a  b', b'"quo\\"ted"',
    b':colon: http://x/', b'Transfer-Encoding: chunked',
)
ODD_VALUES = (
    b'a\x00b', b'a\x01', b'a\x7f', b'a\rb', b'a\nb', b'a\r\n b', b'a\r\n\tb', b'a\x0bb', b'\x00', b'a\x1f',
    b'a\r\nX: y', b'a\x85b', b'\r', b'a\x0c',
)
SEPARATORS = (b': ', b': ', b': ', b': ', b':', b':\t', b':   ', b': \t ')
ODD_SEPARATORS = (b' : ', b'\t:', b'', b' ', b'::', b'=', b':\r\n ', b':\x0b', b'\x00:', b';')
ENDS = (b'\r\n',)
ODD_ENDS = (b'\n', b'\r', b'\r\r\n', b'\n\r\n', b'\r\n\r\n', b' \r\n', b'\x0b\r\n', b'\r\n\t', b'\r \n', b'')
FOLDS = (b' folded\r\n', b'\tfolded\r\n', b' \r\n', b'\x0bfolded\r\n')
INSERTED = (
    b'\r', b'\n', b'\r\n', b'\x00', b' ', b'\t', b':', b'\x0b', b'\x0c', b'\x7f', b'\xff', b'\r\n ', b'\n\n',
    b'\r\n\r\n', b'\x80', b',', b'_',
)
BEFORE = (b'\r\n', b'\r\n\r\n', b'\n', b'\r', b' ', b'\x00')
SIZES = (b'1', b'5', b'a', b'F', b'0', b'10', b'005', b'00000000000000005')
ODD_SIZES = (
    b'', b'+5', b'-1', b'0x5', b'g', b'5 ', b' 5', b'ffffffffffffffff', b'7fffffffffffffff', b'5\t', b'\xb5', b'5,',
    b'11111111111111111111',
)
EXTENSIONS = (b'', b'', b'', b'', b';a=b', b';a', b';a="b;c"', b'; a = b', b';a=\xe9')
ODD_EXTENSIONS = (b';a=\n', b';\r', b';a\x00', b' ;a', b'\t;a', b';' + b'x' * 300, b';a\x01')
TRAILERS = (b'X-T: v\r\n', b'Etag: "x"\r\n', b'A:\r\n')
ODD_TRAILERS = (
    b'Content-Length: 5\r\n', b'Transfer-Encoding: chunked\r\n', b'Host: x\r\n', b'bad\r\n', b'X : y\r\n',
    b' fold\r\n', b'X: a\nb\r\n', b'X: a\x00\r\n', b'X: y\n', b'\n',
)
# fmt: on
