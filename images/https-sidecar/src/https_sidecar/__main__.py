"""https-sidecar: HTTPS in front of an application. The declaration of the part; what it does is in `start`."""

from https_sidecar.metrics import SIDECAR_METRICS
from https_sidecar.settings import Settings
from podparts.cli import run
from podparts.part import Part, Port
from podparts.proxy.settings import PROXY_METRICS, STREAM_METRICS
from podparts.web import Endpoint

PART = Part(
    name="https-sidecar",
    summary="HTTPS in front of an application that speaks plain HTTP on localhost.",
    settings=Settings,
    start="https_sidecar.start:start",
    metrics=(*PROXY_METRICS, *STREAM_METRICS, *SIDECAR_METRICS),
    endpoints=(
        Endpoint("GET", "/certs", "The certificates that are served and why a newer one is not, as JSON."),
        Endpoint("GET", "/observe", "Who would be refused but for OBSERVE, as JSON."),
    ),
    ports=(Port(8443, "HTTPS"), Port(9101, "admin: health and metrics")),
)


def main() -> None:
    """The console script."""
    run(PART)


if __name__ == "__main__":
    main()
