"""The composition root: from settings to a service.  The only file that names concrete classes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from webhook.actions.account import AccountLimits, AccountReconciler
from webhook.actions.engine import EngineReconciler
from webhook.actions.flatten import FlattenLimits
from webhook.actions.port import Engine, Venue
from webhook.clock import Clock, SystemClock
from webhook.durability.group_commit import GroupCommit
from webhook.engines import ENGINES
from webhook.errors import AndonError
from webhook.killswitch.desired import AccountTarget, EngineTarget, Targets, cut
from webhook.killswitch.scope import Scope
from webhook.net.prometheus import PrometheusAlerts
from webhook.notifiers import NOTIFIERS, Filter
from webhook.notify.compose import Composer
from webhook.notify.port import NoticeKind, Notifier
from webhook.service.decisions import Decisions
from webhook.service.in_flight import InFlight
from webhook.service.outbox import Deliveries, Outbox
from webhook.service.queries import Queries
from webhook.service.recorder import Recorder
from webhook.service.resume import Resumes
from webhook.service.service import Service
from webhook.settings import ConfigError, ConfigFault, Settings
from webhook.settings.options import Catalogues, option_faults
from webhook.settings.policy import attribution_of, policy_of
from webhook.storage import MemoryStore, file_of, open_store
from webhook.storage.instrumented import InstrumentedStore
from webhook.telemetry.metrics import Telemetry
from webhook.venues import VENUES
from webhook.worker.leases import Leases
from webhook.worker.poll import Poll
from webhook.worker.probes import Probes
from webhook.worker.process import new_holder
from webhook.worker.worker import Rhythm, Worker

CATALOGUES: Catalogues = {"venues": VENUES, "engines": ENGINES, "notifiers": NOTIFIERS}

ENGINE_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything that runs in one process; `close` ends it."""

    service: Service
    resumes: Resumes
    queries: Queries
    worker: Worker
    telemetry: Telemetry
    in_flight: InFlight
    commit: GroupCommit
    accounts: Mapping[str, AccountReconciler]
    engines: Mapping[str, EngineReconciler]
    prometheus: PrometheusAlerts
    probes: Probes
    edges: tuple[Any, ...]

    def start(self) -> None:
        """Begin the duties and the reconcilers."""
        self.worker.start()

    def close(self) -> None:
        """Stop, and release connections."""
        self.worker.stop()
        for edge in self.edges:
            edge.close()
        self.commit.store.close()


@dataclass(frozen=True, slots=True)
class Edges:
    """What reaches the outside."""

    venues: tuple[Venue, ...]
    engines: tuple[Engine, ...]
    notifiers: Mapping[str, Notifier]

    def all(self) -> tuple[Any, ...]:
        """Everything that holds connections."""
        return (*self.venues, *self.engines, *self.notifiers.values())


def validate(settings: Settings) -> list[ConfigFault]:
    """What only shows when the adapters are made (an exchange that nobody knows, a secret of no use); calls nobody."""
    try:
        edges = _edges(settings, SystemClock())
    except ConfigError as error:
        return error.faults
    for edge in edges.all():
        edge.close()
    return []


def unprovable(settings: Settings) -> dict[str, str]:
    """For each venue account of which not everything can ever be verified: what, and the remedy."""
    found: dict[str, str] = {}
    for at in settings.venues:
        kind = VENUES[at.adapter]
        options = kind.options.model_validate(at.options)
        faults = {"no open order": kind.coverage_fault(options), "no position": kind.position_fault(options)}
        told = [f'"{what}" can never be verified: {why}' for what, why in faults.items() if why is not None]
        if told:
            found[at.name] = "; ".join(told)
    return found


def build(settings: Settings, clock: Clock | None = None) -> Assembly:
    """Put the service together; raises `ConfigError` with every fault. Calls nobody and starts nothing."""
    clock = clock or SystemClock()
    edges = _edges(settings, clock)
    telemetry, policy, attribution = Telemetry(), policy_of(settings.policy), attribution_of(settings.strategies)
    composer = Composer(settings.listen.public_url)
    targets, holder = _targets(settings, edges.venues, edges.engines), new_holder()
    for venue in edges.venues:
        telemetry.declare_venue_account(venue.name)
    for name in edges.notifiers:
        telemetry.declare_notifier(name)

    store = InstrumentedStore(open_store(settings.store.connection_url(), required=False), telemetry.store_transaction)
    memory = MemoryStore()
    in_flight = InFlight(targets, clock)
    commit = GroupCommit(
        store,
        memory,
        seed=in_flight.seed,
        on_out=lambda _why: telemetry.store_failures.inc(),
        on_dropped=telemetry.writes_dropped.inc,
        patience=settings.store.commit_timeout_seconds,
    )
    recorder = Recorder(in_flight, commit, edges.notifiers, composer, telemetry, clock)
    accounts: dict[str, AccountReconciler] = {}
    engines: dict[str, EngineReconciler] = {}

    def wake(*, decided_here: bool) -> None:
        # Cancels first: an engine that is slow to be woken must not stand before them.
        for account in accounts.values():
            account.wake(decided_here=decided_here)
        for engine in engines.values():
            engine.wake()

    probes = Probes(telemetry, clock, partial(wake, decided_here=False))
    by_name = {venue.name: venue for venue in edges.venues}
    for place in targets.accounts:
        accounts[place.name] = AccountReconciler(
            by_name[place.name],
            place,
            attribution,
            _account_limits(settings),
            clock,
            probes,
            targets=targets,
            standing=in_flight.standing,
            stored=partial(_row_at, in_flight, place.name),
            engines_stopped=in_flight.engines_stopped,
            report=recorder.report,
        )
    same_symbol = _same_symbol(edges.venues)
    for program, target in zip(edges.engines, targets.engines, strict=True):
        engines[program.name] = EngineReconciler(
            program,
            target,
            clock,
            probes,
            standing=in_flight.standing,
            same_symbol=same_symbol,
            stored=partial(_row_at, in_flight, program.name),
            report=recorder.report,
            remember=recorder.remember,
            tell=partial(recorder.tell_engine_trouble, program.name),
            timeout=settings.limits.block_timeout_seconds,
            check_seconds=ENGINE_CHECK_SECONDS,
        )
    prometheus = PrometheusAlerts(settings.prometheus.url, settings.prometheus.timeout_seconds)
    decisions = Decisions(
        policy,
        attribution,
        targets,
        lambda name, symbol: by_name[name].resolve(symbol),
        {venue.name: partial(_has_positions, venue) for venue in edges.venues},
        edges.notifiers,
        composer,
    )
    service = Service(
        commit, in_flight, decisions, policy, prometheus, telemetry, clock, partial(wake, decided_here=True)
    )
    lifetime = timedelta(minutes=settings.limits.resume_request_minutes)
    resumes = Resumes(
        commit,
        in_flight,
        prometheus,
        policy,
        edges.notifiers,
        composer,
        clock,
        lifetime,
        partial(wake, decided_here=False),
    )
    deliveries = Deliveries()
    outboxes = tuple(
        Outbox(
            view,
            write,
            edges.notifiers,
            clock,
            holder,
            lambda name: telemetry.sent.labels(name).inc(),
            lambda name, reason: telemetry.send_failures.labels(name, reason).inc(),
            deliveries,
        )
        for view, write in ((commit.view, commit.write_durably), (memory.view, memory.write))
    )
    worker = Worker(
        commit,
        in_flight,
        accounts,
        engines,
        Leases(commit, accounts, engines, clock, holder),
        Poll(service, in_flight, decisions, commit, prometheus, policy, telemetry, clock),
        probes,
        resumes,
        outboxes,
        telemetry,
        Rhythm(poll=settings.prometheus.poll_seconds),
        holder=holder,
        mode=settings.mode,
        store_file=file_of(settings.store.url),
    )
    return Assembly(
        service,
        resumes,
        Queries(commit, in_flight, probes.checks),
        worker,
        telemetry,
        in_flight,
        commit,
        accounts,
        engines,
        prometheus,
        probes,
        (*edges.all(), prometheus),
    )


def _edges(settings: Settings, clock: Clock) -> Edges:
    """Make every adapter; raises `ConfigError` with all that cannot be made."""
    found: list[ConfigFault] = list(option_faults({name: getattr(settings, name) for name in CATALOGUES}, CATALOGUES))
    if found:
        raise ConfigError(found)
    venues: list[Venue] = []
    engines: list[Engine] = []
    notifiers: dict[str, Notifier] = {}
    for place, at in enumerate(settings.venues):
        venue_kind = VENUES[at.adapter]
        with _collecting(found, f"venues[{place}].options"):
            venues.append(
                venue_kind.build(
                    name=at.name,
                    venue=at.venue,
                    account=at.account,
                    mode=at.mode,
                    options=venue_kind.options.model_validate(at.options),
                    clock=clock,
                )
            )
    for place, it in enumerate(settings.engines):
        engine_kind = ENGINES[it.adapter]
        with _collecting(found, f"engines[{place}].options"):
            engines.append(
                engine_kind.build(
                    name=it.name,
                    mode=it.mode,
                    scope=Scope.parse(it.scope),
                    options=engine_kind.options.model_validate(it.options),
                    clock=clock,
                )
            )
    for place, to in enumerate(settings.notifiers):
        notifier_kind = NOTIFIERS[to.adapter]
        wanted = Filter(None if set(to.kinds) == set(NoticeKind) else frozenset(to.kinds), to.severity)
        with _collecting(found, f"notifiers[{place}].options"):
            notifiers[to.name] = notifier_kind.build(
                name=to.name, options=notifier_kind.options.model_validate(to.options), accepts=wanted
            )
    edges = Edges(tuple(venues), tuple(engines), notifiers)
    if found:
        for edge in edges.all():
            edge.close()
        raise ConfigError(found)
    return edges


def _row_at(in_flight: InFlight, target: str, trip_id: str) -> Any:
    return in_flight.row(trip_id, target)


def _has_positions(venue: Venue) -> bool:
    return venue.position_books(None) is not None


class _collecting:  # noqa: N801 - read as a phrase: `with _collecting(found, path)`
    """Turn an adapter's refusal to be built into a fault, so that all are told at once."""

    def __init__(self, found: list[ConfigFault], path: str) -> None:
        self._found = found
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, AndonError):
            self._found.append(ConfigFault(self._path, str(error)))
            return True
        return False


def _places(settings: Settings) -> Iterator[Scope]:
    """What is traded, as far as it is configured: each strategy (in each of its symbols), and each venue account."""
    for name, strategy in settings.strategies.items():
        labels = {"venue": strategy.venue, "account": strategy.account, "strategy": name}
        for symbol in strategy.symbols or (None,):
            yield Scope.of(labels if symbol is None else {**labels, "symbol": symbol})


def _targets(settings: Settings, venues: Sequence[Venue], engines: Sequence[Engine]) -> Targets:
    shadow, places = settings.mode == "shadow", tuple(_places(settings))
    accounts = [Scope.of({"venue": venue.venue, "account": venue.account}) for venue in venues]
    accounts += [Scope.of({"symbol": symbol}) for venue in venues for symbol in venue.symbols()]
    return Targets(
        engines=tuple(
            EngineTarget(
                engine.name,
                engine.scope,
                cut(engine.scope, engine.capabilities.scopes, places),
                frozenset(engine.capabilities.scopes),
                frozenset(pair for place in (*places, *accounts) for pair in place.constraints),
                shadow=shadow or engine.mode == "shadow",
            )
            for engine in engines
        ),
        accounts=tuple(
            AccountTarget(venue.name, venue.venue, venue.account, shadow=shadow or venue.mode == "shadow")
            for venue in venues
        ),
        traders=frozenset((name, one.venue, one.account) for name, one in settings.strategies.items()),
    )


def _same_symbol(venues: Sequence[Venue]) -> Callable[[Scope, str], bool]:
    """Whether the symbol of a place may be the one that a label names; what no venue can tell may be."""

    def same(place: Scope, symbol: str) -> bool:
        there = place.get("symbol")
        if there == symbol:
            return True
        found = [
            venue.resolve(symbol)
            for venue in venues
            if place.overlaps(Scope.of({"venue": venue.venue, "account": venue.account}))
        ]
        return not found or any(one is None or there in one for one in found)

    return same


def _account_limits(settings: Settings) -> AccountLimits:
    flatten, limits = settings.flatten, settings.limits
    return AccountLimits(
        venue_timeout=limits.venue_timeout_seconds,
        sweep=limits.sweep_seconds,
        pause=flatten.pause_seconds,
        empty=limits.verify_deadline_seconds,
        flat=limits.flat_deadline_seconds,
        flatten=FlattenLimits(
            collar_ratio=Decimal(str(flatten.collar_ratio)),
            slices=flatten.slices,
            depth_share=Decimal(str(flatten.depth_share)),
            depth_band_ratio=Decimal(str(flatten.depth_band_ratio)),
        ),
    )
