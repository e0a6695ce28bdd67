"""The service's own metrics: what the switches are, how fast a kill was, and whether the service itself is well.

Counters and histograms are written where things happen; everything that is a *state* is read from one snapshot by a
collector that makes fresh families at each scrape, so that a scope that went away leaves no stale series behind.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from webhook.killswitch.states import Action, State

STAGES = ("received", "stored", "stopped", "first_cancel_sent", "empty", "flat")
"""The stages of a kill, in order; ``received`` counts from the alert's start, the others from the POST."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Residual:
    """What was left of one scope at one venue account at the last read, and how far it is there."""

    scope: str
    venue_account: str
    stage: str
    orders: int
    positions: int
    notional: float
    naked_notional: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the service at one moment, as the worker last saw it."""

    switches: dict[str, State] = field(default_factory=dict)
    unverified: frozenset[str] = frozenset()
    residuals: tuple[Residual, ...] = ()
    waiting: dict[str, int] = field(default_factory=dict)
    pending_resumes: int = 0
    store_up: bool = True
    store_backlog: int = 0
    leases_held: int = 0
    targets: int = 0
    venues: dict[str, tuple[bool, float | None]] = field(default_factory=dict)
    engines: dict[str, bool] = field(default_factory=dict)
    last_stages: dict[tuple[str, str], float] = field(default_factory=dict)
    mode: str = "live"
    store_bytes: float | None = None
    """What the store takes on disk; None where that is not a file of ours."""


class Telemetry:
    """All series of the webhook, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.snapshot = Snapshot()
        registry = self.registry
        self.trips = Counter("andon_trips", "Trips by action and source.", ["action", "source"], registry=registry)
        for action in (Action.REDUCE, Action.HALT, Action.FLATTEN):
            for source in ("alertmanager", "prometheus", "operator"):
                self.trips.labels(action.value, source)
        self.decisions = Counter(
            "andon_decisions", "Alerts by what was decided about them.", ["outcome"], registry=registry
        )
        for outcome in ("tripped", "already", "shadow", "paged", "refused", "recorded", "replayed"):
            self.decisions.labels(outcome)
        self.refused = Counter(
            "andon_decisions_refused", "Alerts that asked for what they may not have.", ["reason"], registry=registry
        )
        self.stages = Histogram(
            "andon_kill_stage_seconds",
            "Seconds to each stage of a kill: received from the alert's start, the others from the request.",
            ["stage"],
            buckets=_FAST,
            registry=registry,
        )
        for stage in STAGES:
            self.stages.labels(stage)
        self.sweeps = Counter(
            "andon_sweeps",
            "Re-reads of a venue account in a tripped scope.",
            ["venue_account", "outcome"],
            registry=registry,
        )
        self.halt_broken = Counter(
            "andon_halt_broken",
            "Orders found, and cancelled, in a scope that was already verified empty.",
            ["venue_account"],
            registry=registry,
        )
        self.unowned = Gauge(
            "andon_unowned_orders",
            "Open orders at the last re-read that no configured strategy owns.",
            ["venue_account"],
            registry=registry,
        )
        self.unowned_notional = Gauge(
            "andon_unowned_notional",
            "Value of these orders, in the account's currency.",
            ["venue_account"],
            registry=registry,
        )
        self.sent = Counter("andon_notifications_sent", "Notices delivered.", ["notifier"], registry=registry)
        self.send_failures = Counter(
            "andon_notification_failures",
            "Tries to deliver a notice that failed.",
            ["notifier", "reason"],
            registry=registry,
        )
        self._store_transactions = Counter(
            "andon_store_transactions",
            "Write transactions of the store, by how they ended.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("committed", "failed", "out"):
            self._store_transactions.labels(outcome)
        self._store_seconds = Histogram(
            "andon_store_transaction_seconds",
            "Seconds of a write transaction, the wait for its turn included.",
            buckets=_FAST,
            registry=registry,
        )
        self.store_failures = Counter(
            "andon_store_failures", "Transactions that the store could not take.", registry=registry
        )
        self.from_memory = Counter(
            "andon_killed_from_memory", "Trips that ran without the store because it was out.", registry=registry
        )
        self.writes_dropped = Counter(
            "andon_store_writes_dropped",
            "Pieces of progress that were not written, because too many waited for the store.",
            registry=registry,
        )
        self.watchdog = Gauge(
            "andon_watchdog_last_timestamp_seconds",
            "When the Watchdog alert last arrived; 0 before the first.",
            registry=registry,
        )
        self.prometheus_up = Gauge(
            "andon_prometheus_poll_up",
            "Whether the last poll of Prometheus' firing alerts succeeded.",
            registry=registry,
        )
        self.faults = Counter(
            "andon_faults", "Errors that no room expected, by the loop that caught them.", ["loop"], registry=registry
        )
        self._requests = Counter("andon_requests", "HTTP requests answered.", ["endpoint", "code"], registry=registry)
        self._rejected = Counter(
            "andon_requests_rejected",
            "Requests to the intake that were not taken, by reason.",
            ["reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "andon_request_seconds",
            "Seconds from the request's arrival to its answer.",
            ["endpoint"],
            buckets=_FAST,
            registry=registry,
        )
        registry.register(_StateCollector(self))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def requests(self, endpoint: str, code: int, seconds: float) -> None:
        """Count one HTTP request; ``endpoint`` is the route's name, never the path as sent."""
        self._requests.labels(endpoint, str(code)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def store_transaction(self, outcome: str, seconds: float) -> None:
        """Count one write transaction of the store."""
        self._store_transactions.labels(outcome).inc()
        self._store_seconds.observe(seconds)

    def rejected(self, reason: str) -> None:
        """Count a request to the intake that was not taken."""
        self._rejected.labels(reason).inc()

    def declare_venue_account(self, name: str) -> None:
        """Start the series of a venue account at 0, so that the first increase is seen."""
        for outcome in ("empty", "orders_left", "failed"):
            self.sweeps.labels(name, outcome)
        self.halt_broken.labels(name)
        self.unowned.labels(name).set(0)
        self.unowned_notional.labels(name).set(0)

    def declare_notifier(self, name: str) -> None:
        """Start the series of a notifier at 0."""
        self.sent.labels(name)


class _StateCollector(Collector):
    """Fresh families from the snapshot at each scrape."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        """Yield every state series."""
        now = self._telemetry.snapshot
        yield _family(
            "andon_switch_state",
            "1 for the state that the switch of a scope is in.",
            ("scope", "state"),
            (
                ((scope, state.value), float(state is current))
                for scope, current in {"global": State.NORMAL, **now.switches}.items()
                for state in State
            ),
        )
        yield _family(
            "andon_unverified",
            "1 while a tripped scope is not verified empty (and flat, if asked).",
            ("scope",),
            (
                ((scope,), float(scope in now.unverified))
                for scope, state in {"global": State.NORMAL, **now.switches}.items()
                if state is not State.NORMAL or scope == "global" or scope in now.unverified
            ),
        )
        rows = [((item.scope, item.venue_account), item) for item in now.residuals]
        # What shadow mode would have removed is no residual.
        left = [(key, item) for key, item in rows if item.stage != "shadow"]
        labels = ("scope", "venue_account")
        yield _family(
            "andon_residual_orders",
            "Open orders left in a tripped scope at the last re-read.",
            labels,
            ((key, float(item.orders)) for key, item in left),
        )
        yield _family(
            "andon_residual_positions",
            "Positions left in a scope that is to be flat.",
            labels,
            ((key, float(item.positions)) for key, item in left),
        )
        yield _family(
            "andon_residual_notional",
            "Notional left, in the account's currency.",
            labels,
            ((key, item.notional) for key, item in left),
        )
        yield _family(
            "andon_naked_notional",
            "Value of the positions in a tripped scope that no protective stop guards, in the account's currency.",
            labels,
            ((key, item.naked_notional) for key, item in left),
        )
        yield _family(
            "andon_target_stage",
            "1 for how far the trip of a scope is at a venue account.",
            (*labels, "stage"),
            (((*key, item.stage), 1.0) for key, item in rows),
        )
        yield _family(
            "andon_last_kill_stage_seconds",
            "Seconds to each stage of a scope's newest trip.",
            ("scope", "stage"),
            now.last_stages.items(),
        )
        yield _family(
            "andon_outbox_waiting",
            "Notices not yet delivered.",
            ("notifier",),
            (((name,), float(count)) for name, count in now.waiting.items()),
        )
        yield _family(
            "andon_resume_requests_pending",
            "Requests to resume that wait for a second person.",
            (),
            [((), float(now.pending_resumes))],
        )
        yield _family(
            "andon_store_size_bytes",
            "What the store takes on disk; absent for a database server, whose own exporter says it.",
            (),
            () if now.store_bytes is None else [((), now.store_bytes)],
        )
        yield _family(
            "andon_store_up", "Whether the store could be written to at the last look.", (), [((), float(now.store_up))]
        )
        yield _family(
            "andon_store_backlog", "Pieces of work that wait to be written.", (), [((), float(now.store_backlog))]
        )
        yield _family("andon_leases_held", "Targets that this process looks after.", (), [((), float(now.leases_held))])
        yield _family(
            "andon_targets", "Engines and venue accounts that are configured.", (), [((), float(now.targets))]
        )
        yield _family(
            "andon_venue_up",
            "Whether the last signed request to a venue account succeeded.",
            ("venue_account",),
            (((name,), float(up)) for name, (up, _) in now.venues.items()),
        )
        yield _family(
            "andon_venue_round_trip_seconds",
            "Seconds of the last signed request to a venue account.",
            ("venue_account",),
            (((name,), seconds) for name, (_, seconds) in now.venues.items() if seconds is not None),
        )
        yield _family(
            "andon_engine_up",
            "Whether the last request to an engine succeeded.",
            ("engine",),
            (((name,), float(up)) for name, up in now.engines.items()),
        )
        yield _family(
            "andon_mode",
            "1 for the mode the service runs in.",
            ("mode",),
            (((mode,), float(mode == now.mode)) for mode in ("live", "shadow")),
        )


def _family(
    name: str, text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
