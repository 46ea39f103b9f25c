"""The admin port's endpoints, the same for every part: health, metrics, settings, asking it to stop.

Each answers from what is in memory and waits for nothing. Who sends the answers is not known here.
"""

from collections.abc import Callable, Iterable
from typing import Final

from podparts.exposition import OPENMETRICS, TEXT
from podparts.health import Health
from podparts.settings import CommonSettings
from podparts.web import Answer, Endpoint, Request, Site, accepts, text

ENDPOINTS: Final = (
    Endpoint("GET", "/", "This list."),
    Endpoint("GET", "/livez", "200 while the process is alive; depends on nothing outside the container."),
    Endpoint("GET", "/readyz", "200 when it can take traffic, else 503 and why; `?verbose` lists every condition."),
    Endpoint("GET", "/startupz", "200 once everything that it needs to start was there."),
    Endpoint("GET", "/healthz", "The same as `/readyz`."),
    Endpoint("GET", "/metrics", "Metrics for Prometheus, as text or OpenMetrics."),
    Endpoint("GET", "/settings", "The settings in force as JSON, secrets masked."),
    Endpoint("POST", "/quitquitquit", "Stops the part as SIGTERM does; only from inside the pod."),
)
"""What every part's admin port has."""

_NO_STORE = (("Cache-Control", "no-store"),)


def build_admin(
    part: str,
    settings: CommonSettings,
    health: Health,
    render_metrics: Callable[[bool], bytes],
    stop: Callable[[str], None],
    on_error: Callable[[Request, Exception], None],
) -> Site:
    """The common endpoints as a site, to which a part adds its own."""
    site = Site(on_error=on_error)

    def ready(request: Request) -> Answer:
        return _told(request, health, health.ready, health.reasons())

    answers: dict[str, Callable[[Request], Answer]] = {
        "/": lambda request: index(part, site.endpoints),
        "/livez": lambda request: _told(request, health, health.live, ["the event loop is stuck"]),
        "/readyz": ready,
        "/startupz": lambda request: _told(request, health, health.started, health.reasons_not_started()),
        "/healthz": ready,
        "/metrics": lambda request: metrics(request, render_metrics),
        "/settings": lambda request: show_settings(settings),
        "/quitquitquit": lambda request: quit(request, stop),
    }
    site.add(*(Endpoint(one.method, one.path, one.help, answers[one.path]) for one in ENDPOINTS))
    return site


def _told(request: Request, health: Health, good: bool, reasons: Iterable[str]) -> Answer:
    """Answers a probe: `ok`, or a line for each reason; ?verbose adds each condition, as kube-apiserver does."""
    lines = ["ok"] if good else [*reasons]
    if "verbose" in request.query:
        conditions = [f"[+]{one.name} ok" if one.met else f"[-]{one.name}: {one.reason}" for one in health]
        lines = [*conditions, *lines]
    return text("\n".join(lines), 200 if good else 503, _NO_STORE)


def metrics(request: Request, render: Callable[[bool], bytes]) -> Answer:
    openmetrics = accepts(request, "application/openmetrics-text")
    return Answer(200, render(openmetrics), OPENMETRICS if openmetrics else TEXT)


def show_settings(settings: CommonSettings) -> Answer:
    from json import dumps

    from podparts.settings import shown

    return Answer(200, dumps(shown(settings), indent=2).encode() + b"\n", "application/json", _NO_STORE)


def quit(request: Request, stop: Callable[[str], None]) -> Answer:
    if not is_from_this_pod(request.peer):
        return text("only from inside the pod", 403)
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return text("not from a page in a browser", 403)  # any site could make a visitor's browser send it to localhost
    stop("POST /quitquitquit")
    return text("stopping", 200, _NO_STORE)


def is_from_this_pod(peer: str) -> bool:
    """Whether a connection came over the loopback interface or a Unix socket (whose peer has no address)."""
    return peer in ("unix", "::1") or peer.startswith(("127.", "::ffff:127."))


def index(part: str, endpoints: Iterable[Endpoint]) -> Answer:
    """A page that lists the endpoints, with links to those that a browser can follow."""
    from html import escape

    rows = "\n".join(
        f"<tr><td>{one.method}<td>{_link(escape(one.path), one.method)}<td>{escape(one.help.replace('`', ''))}"
        for one in endpoints
    )
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(part)} admin</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem;"
        "color-scheme:light dark}td{padding:.2rem 1rem .2rem 0;vertical-align:top}</style>"
        f"<h1>{escape(part)}</h1><table>{rows}</table></html>\n"
    )
    return Answer(200, page.encode(), "text/html; charset=utf-8")


def _link(path: str, method: str) -> str:
    return f"<a href='{path}'>{path}</a>" if method == "GET" and not path.endswith("*") else path
