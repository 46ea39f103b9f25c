"""Answers that are given here, as bytes: a component's Answer, the short texts that refuse a request.

Pure but for the clock. A refusal tells the client the status and nothing else; the operator's log has the reason.
"""

import time

from podparts.web import Answer

PHRASES = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: float) -> str:
    """The IMF-fixdate of RFC 9110 5.6.7 for Unix time in seconds; strftime would follow the locale."""
    t = time.gmtime(seconds)
    day = f"{_WEEKDAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
    return f"{day} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"


def answer_bytes(answer: Answer, head_only: bool, close: bool, minor: int) -> bytes:
    """The Answer as an HTTP/1.1 message for a request of version HTTP/1.`minor`."""
    status = answer.status
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Unknown')}", f"Date: {http_date(time.time())}"]
    if status not in (204, 304):
        lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}"]
    for name, value in answer.headers:
        if "\r" in value or "\n" in value:
            raise ValueError(f"header {name}: a line break in its value")
        lines.append(f"{name}: {value}")
    if close:
        lines.append("Connection: close")
    elif minor == 0:
        lines.append("Connection: keep-alive")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if head_only or status in (204, 304) else head + answer.body


def _refusal(status: int) -> bytes:
    text = f"{status} {PHRASES[status]}\n"
    allow = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" if status == 405 else ""
    return (
        f"HTTP/1.1 {status} {PHRASES[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text)}\r\n{allow}Connection: close\r\n\r\n{text}"
    ).encode()


REFUSALS = {status: _refusal(status) for status in PHRASES if status >= 400}
