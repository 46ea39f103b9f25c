"""topz: what runs in the pod. The declaration of the part; what it does is in `start`."""

from podparts.cli import run
from podparts.part import Part, Port
from topz.metrics import METRICS
from topz.settings import Settings
from topz.site import ENDPOINTS

PART = Part(
    name="topz",
    summary="What runs in the pod: a page, an API and metrics over its processes.",
    settings=Settings,
    start="topz.start:start",
    metrics=METRICS,
    endpoints=ENDPOINTS,
    ports=(Port(8080, "the page and the API"), Port(9103, "admin: health and metrics")),
)


def main() -> None:
    """The console script."""
    run(PART)


if __name__ == "__main__":
    main()
