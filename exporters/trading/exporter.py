"""The trading exporter: what the engines say of their orders, positions and money."""

import asyncio
import hmac
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from prometheus_client.metrics_core import Metric

from exporters.scrape import Collector
from exporters.series import DROPPED, Series, counter, gauge
from exporters.serve import Exporter, Source
from exporters.trading import families, kafka_series, reconcile, series
from exporters.trading.intake import Intake
from exporters.trading.kafka import KafkaEvents
from exporters.trading.reconcile import Reconciliation
from exporters.trading.resets import RESETS, Resets
from exporters.trading.resets import route as reset_route
from exporters.trading.settings import TradingSettings
from exporters.trading.state import Limits, State
from exporters.trading.store import StateFile
from exporters.trading.tail import Tail

NAME: Final = "trading"
LOAD_FAILURES: Final = counter(
    "exporter_state_load_failures_total",
    "exporter",
    "rest",
    "files",
    "the exporter itself",
    "State files that could not be read at start: peaks, day starts and seq marks began anew.",
)
SAVE_FAILURES: Final = counter(
    "exporter_state_save_failures_total",
    "exporter",
    "rest",
    "writes",
    "the exporter itself",
    "Attempts to write the state file that failed; a restart now would forget.",
)
SAVED_AT: Final = gauge(
    "exporter_state_last_saved_timestamp_seconds",
    "exporter",
    "rest",
    "seconds since the epoch",
    "the exporter itself",
    "When the state file was last written.",
)
SERIES: Final[tuple[Series, ...]] = (
    *series.SERIES,
    *kafka_series.SERIES,
    *reconcile.SERIES,
    DROPPED,
    LOAD_FAILURES,
    SAVE_FAILURES,
    SAVED_AT,
    RESETS,
)


def build(settings: TradingSettings) -> Exporter:
    """Load the state file, open the configured series, wire the transports; OSError or ValueError for the token."""
    limits = Limits(**settings.limits.model_dump())
    intake = Intake(
        State(limits, settings.day_starts_at_seconds, settings.quality.window_minutes, settings.risk.options())
    )
    sources: list[Source] = []
    store = None
    if settings.state_file is not None:
        store = StateFile(settings.state_file, intake)
        store.load()
        sources.append(store)
    for each in settings.strategies:
        intake.state.expect(each.engine, (each.venue, each.account, each.name), each.symbols, settings.reject_codes)
    sources.extend(Tail(path, intake) for path in settings.events.files)
    accounts = [Reconciliation(each, intake) for each in settings.reconciliation]
    sources.extend(accounts)
    kafka = None
    if settings.events.kafka is not None and store is not None:
        kafka = KafkaEvents(settings.events.kafka, intake, store)
        sources.append(kafka)
    token = settings.events.token()
    if token is None and settings.events.http and not settings.listen.is_loopback:
        structlog.get_logger(exporter=NAME).warning(
            "anyone who reaches this port can send events: set events.token_file"
        )

    resets = Resets(intake, None if store is None else store.save)
    routes = [_route(intake, token)] if settings.events.http else []
    if (admin_token := settings.events.admin_token()) is not None:
        routes.append(reset_route(resets, admin_token))

    def read(reader: families.Reader) -> Iterable[Metric]:
        with intake.lock:
            return list(reader(intake.state, time.time()))

    return Exporter(
        name=NAME,
        collectors=[
            *(Collector(name, "kill", partial(read, reader)) for name, reader in families.KILL.items()),
            *(Collector(name, "rest", partial(read, reader)) for name, reader in families.REST.items()),
            Collector("intake", "rest", partial(_intake_families, intake, store)),
            *([Collector("reconciliation", "rest", partial(reconcile.families, accounts))] if accounts else []),
            *([] if kafka is None else [Collector("kafka", "rest", partial(_kafka_families, kafka))]),
            Collector("resets", "rest", resets.families),
        ],
        sources=sources,
        routes=routes,
        max_body_bytes=settings.events.max_body_bytes,
    )


def _intake_families(intake: Intake, store: StateFile | None) -> Iterable[Metric]:
    yield series.MALFORMED.family(((transport,), n) for transport, n in intake.malformed.items())
    yield series.DUPLICATE.family(((transport,), n) for transport, n in intake.duplicates.items())
    yield DROPPED.family(((NAME, reason), n) for reason, n in intake.state.dropped.items())
    if store is not None:
        yield LOAD_FAILURES.family([((NAME,), store.load_failures)])
        yield SAVE_FAILURES.family([((NAME,), store.save_failures)])
        if store.saved_at is not None:
            yield SAVED_AT.family([((NAME,), store.saved_at)])


def _kafka_families(kafka: KafkaEvents) -> Iterable[Metric]:
    yield kafka_series.UP.family([((), float(kafka.up))])
    yield kafka_series.LAG.family(((topic,), lag) for topic, lag in dict(kafka.lags).items())
    yield kafka_series.FAILURES.family(((reason,), n) for reason, n in dict(kafka.failures).items())


def _route(intake: Intake, token: str | None) -> web.RouteDef:
    expected = None if token is None else f"Bearer {token}".encode()
    worker = ThreadPoolExecutor(1, "intake")  # one: what was sent first is applied first

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if expected is not None and not hmac.compare_digest(given, expected):
            return web.json_response(
                {"error": "the token is missing or wrong"}, status=401, headers={"WWW-Authenticate": "Bearer"}
            )
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"error": "the body is above the limit: send fewer events at once"}, status=413)
        receipt = await asyncio.get_running_loop().run_in_executor(worker, intake.feed, body.split(b"\n"), "http")
        return web.json_response(
            {
                "accepted": receipt.accepted,
                "duplicates": receipt.duplicates,
                "malformed": receipt.malformed,
                "errors": [{"line": line, "error": fault} for line, fault in receipt.errors],
            },
            status=202,
        )

    return web.post("/api/v1/events", receive)
