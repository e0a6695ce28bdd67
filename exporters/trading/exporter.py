"""The trading exporter: what the engines say of their orders, positions and money."""

import time
from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.scrape import Collector
from exporters.series import Series
from exporters.serve import Exporter, Source
from exporters.trading import admin, peaks, readers, reconciliation, state_file
from exporters.trading.intake import http, intake, kafka
from exporters.trading.intake.intake import Intake
from exporters.trading.intake.kafka import KafkaEvents
from exporters.trading.intake.tail import Tail
from exporters.trading.peaks import PeakReset, PeakResets
from exporters.trading.reconciliation import Reconciliation
from exporters.trading.retirement import retired
from exporters.trading.retirement.request import Retirement, Retirements
from exporters.trading.risk.sampler import RiskSampler
from exporters.trading.settings import TradingSettings
from exporters.trading.state import State
from exporters.trading.state_file import StateFile

NAME: Final = "trading"
SERIES: Final[tuple[Series, ...]] = (
    *readers.SERIES,
    *intake.SERIES,
    *kafka.SERIES,
    *reconciliation.SERIES,
    *state_file.SERIES,
    *peaks.SERIES,
)


def build(settings: TradingSettings) -> Exporter:
    """Load the state file, wire the transports; raises OSError or ValueError for a token."""
    taking = Intake(State(settings.options(), began_at=time.time()))
    sources: list[Source] = []
    store = None
    if settings.state_file is not None:
        store = StateFile(settings.state_file, taking)
        store.load()
        sources.append(store)
    sources.append(RiskSampler(taking))
    sources.extend(Tail(path, taking) for path in settings.events.files)
    accounts = [Reconciliation(each, taking) for each in settings.reconciliation]
    sources.extend(accounts)
    consumer = None
    if settings.events.kafka is not None and store is not None:
        consumer = KafkaEvents(settings.events.kafka, taking, store)
        sources.append(consumer)
    token = settings.events.token()
    if token is None and settings.events.http and not settings.listen.is_loopback:
        structlog.get_logger(exporter=NAME).warning(
            "anyone who reaches this port can send events: set events.token_file"
        )
    save = None if store is None else store.save
    resets, retirements = PeakResets(taking, save), Retirements(taking, save)
    routes = [http.route(taking, token)] if settings.events.http else []
    if (admin_token := settings.events.admin_token()) is not None:
        routes.append(admin.route(peaks.PATH, PeakReset, resets.reset, admin_token))
        routes.append(admin.route(retired.PATH, Retirement, retirements.retire, admin_token))

    def read(reader: readers.Reader) -> Iterable[Metric]:
        with taking.lock:
            return list(reader(taking.state, time.time()))

    return Exporter(
        name=NAME,
        collectors=[
            *(Collector(name, "kill", partial(read, reader)) for name, reader in readers.KILL.items()),
            *(Collector(name, "rest", partial(read, reader)) for name, reader in readers.REST.items()),
            Collector("intake", "rest", taking.families),
            *([] if store is None else [Collector("state_file", "rest", store.families)]),
            *([Collector("reconciliation", "rest", partial(reconciliation.families, accounts))] if accounts else []),
            *([] if consumer is None else [Collector("kafka", "rest", consumer.families)]),
            Collector("peaks", "rest", resets.families),
        ],
        sources=sources,
        routes=routes,
        max_body_bytes=settings.events.max_body_bytes,
    )
