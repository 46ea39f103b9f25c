"""How topz is wired together."""

from __future__ import annotations

from podparts.errors import StartError
from podparts.proxy.serve import serve_site
from podparts.service import Service
from podparts.web import Site
from topz.metrics import collect
from topz.namegroups import NameGroups
from topz.reader import Reader
from topz.recorder import Recorder
from topz.sampler import Sampler
from topz.settings import Settings
from topz.site import Pages


async def start(settings: Settings, service: Service) -> None:
    """Takes a first look, then serves."""
    try:
        reader = Reader(settings.proc_path, hide_secrets=settings.redact)
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read PROC_PATH={settings.proc_path}: {error}") from error
    recorder = Recorder(settings.keep, settings.keep_memory)
    sampler = Sampler(reader, recorder, NameGroups(settings.metric_groups), settings.refresh, settings.record_every)
    pages = Pages(settings, sampler, service.metrics)
    site = Site(
        pages.endpoints(), lambda request, error: service.log.crash("endpoint crashed", error, path=request.path)
    )
    service.metrics.before_collect(lambda: collect(service.metrics, sampler))
    if not sampler.sample.sharing.shared:
        service.log.warning("pid namespace not shared", reason=sampler.sample.sharing.reason)
    try:
        server = await serve_site(settings.listen, site)
    except OSError as error:
        raise StartError(f"LISTEN={settings.listen}: {error.strerror or error}") from error
    service.on_drain(server.close)
    service.tasks.start("sampler", sampler.run())
