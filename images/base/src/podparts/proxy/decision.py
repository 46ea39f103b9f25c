"""The decisions a component's route can return: forward the request, answer it here, or collect its body first.

`route(exchange)` is called once per request with the head in `exchange.head`; it must be pure and quick, since the
event loop waits for it. `Answer` is the same that admin endpoints return.
"""

from podparts.proxy.sides import Collect, Forward, Stats
from podparts.web import Answer

__all__ = ["Answer", "Collect", "Forward", "Stats"]
