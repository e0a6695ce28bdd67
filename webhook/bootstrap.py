"""The composition root: from settings to a service.  The only file that names concrete classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from webhook.actions.account_line import AccountLine, LineLimits, Observer
from webhook.actions.engine_line import EngineLine
from webhook.actions.flatten import FlattenLimits
from webhook.actions.port import Engine, Venue
from webhook.actions.run import Lines
from webhook.clock import Clock, SystemClock
from webhook.engines import ENGINES
from webhook.errors import AndonError
from webhook.net.prometheus import PrometheusAlerts
from webhook.killswitch.plan import AccountTarget, Deadlines, EngineTarget
from webhook.killswitch.port import Store
from webhook.storage.metered import MeteredStore
from webhook.notifiers import NOTIFIERS, Filter
from webhook.notify.compose import Composer
from webhook.notify.port import NoticeKind, Notifier
from webhook.owner import new_owner
from webhook.parts import Parts
from webhook.policy.attribution import Attribution, StrategyOwnership
from webhook.policy.faults import faults as policy_faults
from webhook.policy.rule import Policy, PolicyRule, TripBudget, scope_shape
from webhook.killswitch.scope import Scope
from webhook.recorder import Recorder
from webhook.service import Service
from webhook.settings import ConfigError, Fault, Settings
from webhook.storage import MemoryStore, file_of, open_store
from webhook.telemetry.metrics import Telemetry
from webhook.venues import VENUES
from webhook.worker import Rhythm, Worker

ENGINE_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything that runs in one process; `close` ends it."""

    service: Service
    worker: Worker
    telemetry: Telemetry
    store: Store
    edges: tuple[Any, ...]

    def start(self) -> None:
        """Begin the duties and the lines."""
        self.worker.start()

    def close(self) -> None:
        """Stop, and release connections."""
        self.worker.stop()
        for edge in self.edges:
            edge.close()
        self.store.close()


class _Counts(Observer):
    """Lines know no metrics library; this joins them."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def swept(self, venue_account: str, outcome: str) -> None:
        self._telemetry.sweeps.labels(venue_account, outcome).inc()

    def halt_broken(self, venue_account: str, orders: int) -> None:
        self._telemetry.halt_broken.labels(venue_account).inc(max(orders, 1))

    def unowned(self, venue_account: str, orders: int) -> None:
        self._telemetry.unowned.labels(venue_account).set(orders)

    def fault(self, loop: str) -> None:
        self._telemetry.faults.labels(loop).inc()


def validate(settings: Settings) -> list[Fault]:
    """Everything wrong that the settings' own models cannot see: adapters, their options, the policy."""
    found: list[Fault] = []
    for section, catalogue in (("venues", VENUES), ("engines", ENGINES), ("notifiers", NOTIFIERS)):
        for place, edge in enumerate(getattr(settings, section)):
            path = f"{section}[{place}]"
            kind = catalogue.get(edge.adapter)
            if kind is None:
                found.append(Fault(f"{path}.adapter", f"{edge.adapter!r} is not one of {', '.join(sorted(catalogue))}"))
                continue
            _, faults = _options(kind.options, edge.options, f"{path}.options")
            found += faults
    accounts = {(venue.venue, venue.account) for venue in settings.venues}
    found += [
        Fault(one.path, one.message) for one in policy_faults(_policy(settings), _attribution(settings), accounts)
    ]
    return found


def build(settings: Settings, clock: Clock | None = None) -> Assembly:
    """Put the service together; raises `ConfigError` with every fault. Calls nobody and starts nothing."""
    found = validate(settings)
    if found:
        raise ConfigError(found)
    clock = clock or SystemClock()
    telemetry = Telemetry()
    shadow = settings.mode == "shadow"
    found, venues, engines, notifiers = [], list[Venue](), list[Engine](), dict[str, Notifier]()
    for place, one in enumerate(settings.venues):
        kind = VENUES[one.adapter]
        options, _ = _options(kind.options, one.options, "")
        with _collecting(found, f"venues[{place}].options"):
            venues.append(
                kind.build(
                    name=one.name, venue=one.venue, account=one.account, mode=one.mode, options=options, clock=clock
                )
            )
    for place, it in enumerate(settings.engines):
        engine_kind = ENGINES[it.adapter]
        options, _ = _options(engine_kind.options, it.options, "")
        with _collecting(found, f"engines[{place}].options"):
            engines.append(
                engine_kind.build(name=it.name, mode=it.mode, scope=Scope.parse(it.scope), options=options, clock=clock)
            )
    for place, to in enumerate(settings.notifiers):
        notifier_kind = NOTIFIERS[to.adapter]
        options, _ = _options(notifier_kind.options, to.options, "")
        wanted = Filter(None if set(to.kinds) == set(NoticeKind) else frozenset(to.kinds), to.severity)
        with _collecting(found, f"notifiers[{place}].options"):
            notifiers[to.name] = notifier_kind.build(name=to.name, options=options, accepts=wanted)
    if found:
        raise ConfigError(found)
    store = MeteredStore(
        open_store(settings.store.connection_url(), clock, required=False), telemetry.store_transaction
    )
    composer = Composer(settings.listen.public_url)
    recorder = Recorder(notifiers, composer, telemetry, clock)
    attribution = _attribution(settings)
    deadlines = _deadlines(settings)
    observer = _Counts(telemetry)
    limits = _line_limits(settings)
    lines = Lines(
        {
            venue.name: AccountLine(
                venue,
                attribution,
                limits,
                clock,
                recorder.report,
                recorder.first_sent,
                observer,
                shadow=shadow or venue.mode == "shadow",
            )
            for venue in venues
        },
        {
            engine.name: EngineLine(
                engine,
                clock,
                recorder.report,
                observer.fault,
                timeout=settings.limits.block_timeout_seconds,
                check_seconds=ENGINE_CHECK_SECONDS,
                shadow=shadow or engine.mode == "shadow",
            )
            for engine in engines
        },
        deadlines,
        clock,
    )
    prometheus = PrometheusAlerts(settings.prometheus.url, settings.prometheus.timeout_seconds)
    parts = Parts(
        store=store,
        memory=MemoryStore(),
        policy=_policy(settings),
        attribution=attribution,
        lines=lines,
        recorder=recorder,
        notifiers=notifiers,
        composer=composer,
        telemetry=telemetry,
        clock=clock,
        prometheus=prometheus,
        engines=tuple(EngineTarget(engine.name, engine.scope) for engine in engines),
        accounts=tuple(
            AccountTarget(venue.name, venue.venue, venue.account, venue.capabilities.positions) for venue in venues
        ),
        deadlines=deadlines,
        owner=new_owner(),
        resume_ttl=timedelta(minutes=settings.limits.resume_request_minutes),
    )
    service = Service(parts)
    rhythm = Rhythm(poll=settings.prometheus.poll_seconds)
    edges = (*venues, *engines, *notifiers.values(), prometheus)
    return Assembly(
        service,
        Worker(service, rhythm, mode=settings.mode, store_file=file_of(settings.store.url)),
        telemetry,
        store,
        edges,
    )


class _collecting:  # noqa: N801 - read as a phrase: `with _collecting(found, path)`
    """Turn an adapter's refusal to be built into a fault, so that all are told at once."""

    def __init__(self, found: list[Fault], path: str) -> None:
        self._found = found
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, AndonError):
            self._found.append(Fault(self._path, str(error)))
            return True
        return False


def _options(model: type[BaseModel], given: dict[str, Any], path: str) -> tuple[BaseModel | None, list[Fault]]:
    try:
        return model.model_validate(given), []
    except ValidationError as error:
        return None, [
            Fault(".".join([path, *(str(part) for part in one["loc"])]), one["msg"].removeprefix("Value error, "))
            for one in error.errors(include_url=False, include_input=False)
        ]


def _policy(settings: Settings) -> Policy:
    policy = settings.policy
    return Policy(
        rules=tuple(
            PolicyRule(
                rule.alerts,
                frozenset(rule.actions),
                frozenset(scope_shape(scope) for scope in rule.scopes),
                None if rule.max_reduce_minutes is None else timedelta(minutes=rule.max_reduce_minutes),
            )
            for rule in policy.rules
        ),
        budget=TripBudget(policy.budget.trips, timedelta(minutes=policy.budget.window_minutes)),
        missing_label=policy.missing_label,
        truncated=policy.truncated,
    )


def _attribution(settings: Settings) -> Attribution:
    return Attribution(tuple(_ownerships(settings)))


def _ownerships(settings: Settings) -> Iterator[StrategyOwnership]:
    for name, strategy in settings.strategies.items():
        yield StrategyOwnership(
            name,
            strategy.venue,
            strategy.account,
            strategy.client_order_id_prefixes,
            strategy.exclusive,
            strategy.symbols,
        )


def _deadlines(settings: Settings) -> Deadlines:
    limits = settings.limits
    return Deadlines(
        block=timedelta(seconds=limits.block_timeout_seconds),
        verify=timedelta(seconds=limits.verify_deadline_seconds),
        flat=timedelta(seconds=limits.flat_deadline_seconds),
    )


def _line_limits(settings: Settings) -> LineLimits:
    flatten = settings.flatten
    return LineLimits(
        venue_timeout=settings.limits.venue_timeout_seconds,
        sweep=settings.limits.sweep_seconds,
        pause=flatten.pause_seconds,
        flatten=FlattenLimits(
            collar_ratio=Decimal(str(flatten.collar_ratio)),
            slices=flatten.slices,
            depth_share=Decimal(str(flatten.depth_share)),
            depth_band_ratio=Decimal(str(flatten.depth_band_ratio)),
        ),
    )
