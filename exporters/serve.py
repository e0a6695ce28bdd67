"""One HTTP server for every exporter: landing page, ``/healthz``, ``/metrics`` and what an exporter takes in.

The event loop serves scrapes out of memory; sources fill that memory from threads of their own, so that no file,
socket or probe stands between Prometheus and its answer.
"""

import asyncio
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from aiohttp import web
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from exporters.page import CONTENT_TYPE as TEXT
from exporters.page import encode as encode_text
from exporters.scrape import Collector, Exposed, Scrape
from exporters.series import Subset

_SUBSETS: Final[dict[str, Subset | None]] = {"": None, "kill": "kill", "rest": "rest"}
# Prometheus would rather have OpenMetrics, but takes this as well; it is the faster one to write.
_TEXT_MEDIA: Final = re.compile(r"text/plain|text/\*|\*/\*")
_LANDING: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Andon {name} exporter</title>
<h1>Andon {name} exporter</h1>
<ul><li><a href="/metrics">metrics</a>, of these the <a href="/metrics?set=kill">kill</a> series and the
<a href="/metrics?set=rest">rest</a></li><li><a href="/healthz">health</a></li></ul></html>
"""


class Source(Protocol):
    """Something that fills the exporter's memory from a thread of its own."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self) -> None:
        """End within a few seconds; what must be kept is on disk afterwards."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """What a catalogue entry builds: collectors that read memory, sources that fill it, routes of its own."""

    name: str
    collectors: Sequence[Collector]
    sources: Sequence[Source] = ()
    routes: Sequence[web.RouteDef] = ()
    max_body_bytes: int = 1 << 20
    health: Callable[[], bool] = field(default=lambda: True)


def application(exporter: Exporter) -> web.Application:
    """The web application of *exporter*."""
    scrape = Scrape(
        exporter.name, exporter.collectors, (ProcessCollector(registry=None), PlatformCollector(registry=None))
    )

    def page(subset: Subset | None, accept: str) -> tuple[bytes, str]:
        families = scrape.families(subset)
        if _TEXT_MEDIA.search(accept) or "openmetrics" not in accept:
            return encode_text(families), TEXT
        answer = Exposed(families)
        try:
            encode, content_type = choose_encoder(accept)
            return encode(answer), content_type
        except (ValueError, TypeError):  # it asks for a version that is no version
            encode, content_type = choose_encoder("")
            return encode(answer), content_type

    async def metrics(request: web.Request) -> web.Response:
        wanted = request.query.get("set", "")
        if wanted not in _SUBSETS:
            return web.Response(status=400, text="set: must be kill or rest\n")
        accept = request.headers.get("Accept", "")
        if wanted == "kill":
            body, content_type = page("kill", accept)
        else:  # may be long: written in a thread, so that the next kill scrape need not wait for it
            body, content_type = await asyncio.to_thread(page, _SUBSETS[wanted], accept)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def landing(_request: web.Request) -> web.Response:
        return web.Response(text=_LANDING.format(name=exporter.name), content_type="text/html")

    async def healthz(_request: web.Request) -> web.Response:
        healthy = exporter.health()
        return web.json_response({"ok": healthy, "exporter": exporter.name}, status=200 if healthy else 503)

    app = web.Application(client_max_size=exporter.max_body_bytes)
    app.add_routes(
        [web.get("/", landing), web.get("/healthz", healthz), web.get("/metrics", metrics), *exporter.routes]
    )
    return app


async def serve(exporter: Exporter, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT; *port* 0 takes a free one.  The line ``listening`` of the log names the port."""
    log = structlog.get_logger(exporter=exporter.name)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(application(exporter), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    started: list[Source] = []
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()  # before the sources: two exporters must not write one state file
        for source in exporter.sources:
            source.start()
            started.append(source)
        log.info("listening", host=host, port=runner.addresses[0][1])
        await stopped.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()
        for source in reversed(started):
            await asyncio.to_thread(source.stop)
