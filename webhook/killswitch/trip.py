"""A trip, and how far it is: one durable row for each target, from which everything else is derived."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from webhook.killswitch.scope import Scope
from webhook.killswitch.stage import ENDS, PROVES, STOPS, Stage
from webhook.killswitch.states import Action


@dataclass(frozen=True, slots=True)
class Trip:
    """One transition towards HALTED (or DEGRADED).

    ``requested`` is what was asked for, ``action`` what policy allowed.  ``source`` is ``alertmanager``, ``prometheus``
    (found firing by the poll), ``operator`` or ``truncated``; ``actor`` who (operator's name, or the alert's name).
    ``labels`` and ``annotations`` are the alert's.  ``started_at`` is the alert's own start (``startsAt``),
    ``received_at`` when the service got it.  ``reached``: it reached a venue account when it was decided.
    ``closed_at``: the scope was resumed, or a stronger trip took over.
    """

    id: str
    scope: Scope
    action: Action
    requested: Action
    source: str
    actor: str
    reason: str
    received_at: datetime
    started_at: datetime | None = None
    fingerprint: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    keep_protective: bool = False
    reached: bool = True
    closed_at: datetime | None = None


class TargetKind(StrEnum):
    """What a reconciler looks after."""

    ENGINE = "engine"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one trip is at one target.

    ``times`` maps a milestone (``stored``, ``first_cancel_sent``, ``stopped``, ``empty``, ``flat``) to the seconds
    since the trip was received at which it was first reached.  ``orders``, ``positions`` and ``notional`` are what was
    left in scope at the last read, ``naked_notional`` the value of positions that no protective stop guards;
    ``read_at`` is when that read began (None: never).  ``late``: a person was told that it takes too long.  ``detail``
    is for people, JSON-able.  ``epoch`` is that of the lease under which it was written, ``revision`` counts up within
    it: an older row never replaces a newer one.
    """

    trip_id: str
    target: str
    kind: TargetKind
    stage: Stage = Stage.WAITING
    since: datetime | None = None
    read_at: datetime | None = None
    orders: int = 0
    positions: int = 0
    notional: Decimal = Decimal(0)
    naked_notional: Decimal = Decimal(0)
    late: bool = False
    times: dict[str, float] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    revision: int = 0

    def newer_than(self, other: "Progress | None") -> bool:
        """Whether this row may replace *other*."""
        return other is None or (self.epoch, self.revision) > (other.epoch, other.revision)

    def reached(self, milestone: str, seconds: float) -> "Progress":
        """The row with *milestone* noted, unless it was reached before."""
        if milestone in self.times:
            return self
        return replace(self, times={**self.times, milestone: round(max(seconds, 0.0), 6)})


class TripStatus(StrEnum):
    """How far a trip is; derived, never stored."""

    RUNNING = "running"
    VERIFIED = "verified"
    """Every target that its scope reaches now was read, live, and shows nothing; it is kept so."""
    UNVERIFIED = "unverified"
    """Something is left, late, silent or not covered; ``why`` says what.  The service keeps trying."""
    SHADOW = "shadow"
    """Nothing is sent: every venue account in scope is in shadow mode."""
    CLOSED = "closed"
    """The scope was resumed, or a stronger trip took over."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status of a trip, and in words why it is not verified."""

    status: TripStatus
    why: tuple[str, ...] = ()


def verdict(trip: Trip, engines: Iterable[str], accounts: Iterable[str], rows: Mapping[str, Progress]) -> Verdict:
    """Derive the status of *trip*; *engines* and *accounts* are what its scope reaches as configured now."""
    if trip.closed_at is not None:
        return Verdict(TripStatus.CLOSED)
    reached = tuple(accounts)
    if not reached:
        return Verdict(TripStatus.UNVERIFIED, ("no venue account is in reach: cancel by hand",))
    stages = {name: rows[name].stage if name in rows else Stage.WAITING for name in reached}
    if all(stage is Stage.SHADOW for stage in stages.values()):
        return Verdict(TripStatus.SHADOW)
    open_accounts = {name: stage for name, stage in stages.items() if stage not in PROVES[trip.action]}
    open_engines = {
        name: stage for name in engines if (stage := rows[name].stage if name in rows else Stage.WAITING) not in STOPS
    }
    if not open_accounts and not open_engines:
        return Verdict(TripStatus.VERIFIED)
    why = tuple(_why(name, stage, rows.get(name)) for name, stage in (open_accounts | open_engines).items())
    settled = all(stage in ENDS for stage in (open_accounts | open_engines).values())
    late = any(name in rows and rows[name].late for name in (*open_accounts, *open_engines))
    broken = any(stage in (Stage.STUCK, Stage.UNCOVERED) for stage in open_accounts.values())
    return Verdict(TripStatus.UNVERIFIED if settled or late or broken else TripStatus.RUNNING, why)


def milestones(
    trip: Trip, engines: Iterable[str], accounts: Iterable[str], rows: Mapping[str, Progress]
) -> dict[str, float]:
    """Seconds to each milestone of the whole trip: the first cancel of any account, the last of everything else."""
    found: dict[str, float] = {}
    if trip.source == "alertmanager" and trip.started_at is not None:
        found["received"] = max((trip.received_at - trip.started_at).total_seconds(), 0.0)
    stored = [row.times["stored"] for row in rows.values() if "stored" in row.times]
    if stored:
        found["stored"] = min(stored)
    stopped = [rows[name].times.get("stopped") if name in rows else None for name in engines]
    if stopped and None not in stopped:
        found["stopped"] = max(one for one in stopped if one is not None)
    reached = [rows[name].times if name in rows else {} for name in accounts]
    sent = [times["first_cancel_sent"] for times in reached if "first_cancel_sent" in times]
    if sent:
        found["first_cancel_sent"] = min(sent)
    for milestone in ("empty", "flat"):
        if reached and all(milestone in times for times in reached):
            found[milestone] = max(times[milestone] for times in reached)
    return found


def _why(name: str, stage: Stage, row: Progress | None) -> str:
    given = row.detail.get("why") if row is not None else None
    text = {
        Stage.WAITING: "is waited for",
        Stage.CANCELLED: "was cancelled and not read yet",
        Stage.STOPPED: "is stopped",
        Stage.EMPTY: "has positions left",
        Stage.FLAT: "is flat",
        Stage.LEFT: "still has orders or trades",
        Stage.STUCK: "has an order that cannot be cancelled",
        Stage.UNCOVERED: "coverage: not every book was read",
        Stage.UNKNOWN: "does not answer",
        Stage.SHADOW: "is in shadow mode: nothing was sent",
    }[stage]
    return f"{name} {text}" + (f" ({given})" if given else "")
