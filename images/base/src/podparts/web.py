"""Small HTTP endpoints as a table: a request in, an answer out.

For a part's admin port, API and pages. Pure: which bytes made the request and how the answer is sent is the data
plane's business (`podparts.proxy.serve`), which also leaves out the body of an answer to HEAD.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """One request whose body was read whole. Header names are lower case, repeated headers joined by `, `."""

    method: str
    target: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""


@dataclass(slots=True)
class Answer:
    """What to send back. Content-Length is the server's to add."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, what it is for, and who answers. A path that ends in `/*` stands for everything below it.

    `answer` may be left out where an endpoint is only declared, for the documents.
    """

    method: str = "GET"
    path: str = "/"
    help: str = ""
    answer: Callable[[Request], Answer] | None = None

    def matches(self, path: str) -> bool:
        return path == self.path or (self.path.endswith("/*") and path.startswith(self.path[:-1]))


def text(body: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer of plain text, which ends in a newline so that it reads well in a terminal."""
    return Answer(status, body.encode("utf-8", "replace") + b"\n", headers=headers)


class Site:
    """Endpoints under one roof. HEAD comes with GET; 404, 405 with Allow, and 500 without detail are answered here.

    Endpoints are tried in the order in which they were added. Calling it never raises; `on_error` learns of what did.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint] = (),
        on_error: Callable[[Request, Exception], None] = lambda request, error: None,
    ) -> None:
        self.endpoints = [*endpoints]
        self.on_error = on_error

    def add(self, *endpoints: Endpoint) -> None:
        self.endpoints += endpoints

    def __call__(self, request: Request) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        here = [
            endpoint for endpoint in self.endpoints if endpoint.answer is not None and endpoint.matches(request.path)
        ]
        for endpoint in here:
            if endpoint.method == method and endpoint.answer is not None:
                try:
                    return endpoint.answer(request)
                except Exception as error:
                    self.on_error(request, error)
                    return text("internal error", 500)
        if not here:
            return text("not found", 404)
        return text("method not allowed", 405, (("Allow", allowed(here)),))


def allowed(endpoints: Iterable[Endpoint]) -> str:
    """The value of an Allow header (RFC 9110, section 10.2.1)."""
    methods = {endpoint.method for endpoint in endpoints}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def accepts(request: Request, media_type: str) -> bool:
    """Whether the Accept header names this type and does not refuse it with q=0. Wildcards do not count as naming."""
    for part in request.headers.get("accept", "").split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name == media_type:
            return not any(
                parameter.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters
            )
    return False
