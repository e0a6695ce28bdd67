"""What the reconcilers find out, written down: progress rows, the journal, the metrics, and who must be told.

A reconciler reports a row and goes on at once; the row is true in memory from then on, and is written behind whatever
people wait for.  A row that changes nothing that anybody would look up later is not written.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from webhook.clock import Clock
from webhook.durability.group_commit import GroupCommit
from webhook.durability.port import Transaction
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.scope import Scope
from webhook.killswitch.stage import PROVES, Stage
from webhook.killswitch.states import Action
from webhook.killswitch.trip import Progress, TargetKind, TripStatus
from webhook.notify.compose import Composer
from webhook.notify.port import Notice, Notifier
from webhook.service.in_flight import Change, InFlight
from webhook.service.outbox import enqueue
from webhook.telemetry.metrics import Telemetry

ACTOR = "andon"
"""The journal's name for the service itself."""
TELL_AGAIN_SECONDS = 60.0
"""A halt that is broken again and again is paged at most so often."""
STUCK_AGAIN_SECONDS = 300.0
"""A target that a person has to mend is told of again so often."""


class Recorder:
    """Takes rows from the reconcilers; thread-safe."""

    def __init__(
        self,
        in_flight: InFlight,
        commit: GroupCommit,
        notifiers: Mapping[str, Notifier],
        composer: Composer,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._in_flight, self._commit = in_flight, commit
        self._notifiers, self._composer = notifiers, composer
        self._telemetry, self._clock = telemetry, clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str, str], float] = {}

    def report(self, rows: Sequence[Progress]) -> None:
        """Take rows; returns at once."""
        now = self._clock.now()
        kept: list[Progress] = []
        records: list[tuple[str, dict[str, Any]]] = []
        notices: list[Notice] = []
        for row in rows:
            change = self._in_flight.take(row)
            if change is None:
                continue
            self._measure(change)
            new_records, new_notices = self._meaning(change)
            records += new_records
            notices += new_notices
            if new_records or new_notices or _worth_keeping(change):
                kept.append(change.row)
        if kept:
            # The moment makes each telling a notice of its own.
            self._write(kept, records, [replace(notice, at=now.isoformat()) for notice in notices], now)

    def remember(self, rows: Sequence[Commanded]) -> None:
        """Have what an engine was told written."""
        kept = tuple(rows)
        self._commit.submit(lambda tx: tx.put_commanded(kept))

    def tell_engine_trouble(self, engine: str, part: Scope, error: str) -> None:
        """An engine, or a part of it, does not trade again although no switch holds it."""
        now = self._clock.now()
        notice = self._composer.fault(f"resume/{engine}/{part}", f"engine {engine} ({part}): {error}", now)
        body = {"engine": engine, "part": str(part), "error": error}

        def write(tx: Transaction) -> None:
            tx.append("engine_not_resumed", ACTOR, body, now)
            enqueue(tx, notice, self._notifiers)

        self._commit.submit(write)

    def _write(
        self,
        rows: Sequence[Progress],
        records: Sequence[tuple[str, dict[str, Any]]],
        notices: Sequence[Notice],
        now: datetime,
    ) -> None:
        def write(tx: Transaction) -> None:
            if not tx.put_progress(rows):
                # Another process looks after this target by now, and knows better.
                return
            for kind, body in records:
                tx.append(kind, ACTOR, body, now)
            for notice in notices:
                enqueue(tx, notice, self._notifiers)

        self._commit.submit(write)

    def _measure(self, change: Change) -> None:
        for milestone, seconds in change.reached.items():
            if milestone != "received":
                self._telemetry.stages.labels(milestone).observe(seconds)
        if _broke(change) and change.row.kind is TargetKind.ACCOUNT:
            self._telemetry.halt_broken.labels(change.row.target).inc(max(change.row.orders, 1))

    def _meaning(self, change: Change) -> tuple[list[tuple[str, dict[str, Any]]], list[Notice]]:
        """What is journalled, and what people are told."""
        trip, row, before = change.trip, change.row, change.before
        records: list[tuple[str, dict[str, Any]]] = []
        notices: list[Notice] = []
        if before is None or before.stage is not row.stage:
            records.append(("stage", _facts(change)))
        shown = self._in_flight.milestones(trip, self._in_flight.rows(trip.id))
        if _broke(change):
            records.append(("halt_broken", _facts(change)))
            if self._may_tell(trip.id, row.target, "broken", TELL_AGAIN_SECONDS):
                notices.append(self._composer.halt_broken(trip, row, shown))
        elif row.late and row.stage is not Stage.SHADOW:
            again = STUCK_AGAIN_SECONDS if row.stage in (Stage.STUCK, Stage.UNCOVERED) else float("inf")
            newly = before is None or not before.late
            if (newly and self._may_tell(trip.id, row.target, "late", 0.0)) or (
                not newly and self._may_tell(trip.id, row.target, "late", again)
            ):
                records.append(("not_verified", _facts(change)))
                notices.append(self._composer.not_verified(trip, row, shown))
        # A flatten closes it: then the position is what is left, and not that nothing guards it.
        naked = row.naked_notional > 0 and row.stage is not Stage.SHADOW and trip.action is not Action.FLATTEN
        # Once for each trip and account: the metric and its alert follow the value.
        if naked and self._may_tell(trip.id, row.target, "unguarded", float("inf")):
            records.append(("left_unguarded", _facts(change)))
            notices.append(self._composer.unguarded(trip, row, shown))
        was, now = change.verdict_before.status, change.verdict.status
        if now is TripStatus.VERIFIED and was is not now:
            records.append(("trip_verified", {"trip": trip.id, "scope": str(trip.scope), "milestones": shown}))
            if self._may_tell(trip.id, "", "verified", TELL_AGAIN_SECONDS):
                notices.append(self._composer.verified(trip, shown))
        if now is TripStatus.SHADOW and was is not now:
            records.append(("shadow", _facts(change)))
            notices.append(self._composer.shadow(trip, tuple(self._in_flight.rows(trip.id).values())))
        return records, notices

    def _may_tell(self, trip_id: str, target: str, what: str, again: float) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            if len(self._told) > 10_000:
                self._told.clear()
            last = self._told.get((trip_id, target, what))
            if last is not None and now - last < again:
                return False
            self._told[trip_id, target, what] = now
            return True


def _broke(change: Change) -> bool:
    """Whether something that was proved, or confirmed, is not so any more."""
    if change.before is None:
        return False
    if change.row.kind is TargetKind.ENGINE:
        return change.before.stage is Stage.STOPPED and change.row.stage is Stage.LEFT
    was_proved = change.before.stage in PROVES[change.trip.action] or (
        change.before.stage is Stage.EMPTY and bool(change.row.orders)
    )
    return (
        was_proved
        and change.row.stage in (Stage.LEFT, Stage.STUCK, Stage.EMPTY)
        and (change.row.stage is not change.before.stage)
    )


def _worth_keeping(change: Change) -> bool:
    before, row = change.before, change.row
    if before is None:
        return True
    seen = (before.orders, before.positions, before.detail.get("naked"), before.detail.get("why"))
    now = (row.orders, row.positions, row.detail.get("naked"), row.detail.get("why"))
    # While something is being removed its count changes with every read; what remains of that is the end of it.
    settled = row.stage in (Stage.EMPTY, Stage.FLAT, Stage.SHADOW, Stage.UNCOVERED, Stage.STUCK)
    return before.late is not row.late or before.times != row.times or (settled and seen != now)


def _facts(change: Change) -> dict[str, Any]:
    row = change.row
    return {
        "trip": change.trip.id,
        "scope": str(change.trip.scope),
        "target": row.target,
        "kind": row.kind.value,
        "stage": row.stage.value,
        "before": None if change.before is None else change.before.stage.value,
        "orders": row.orders,
        "positions": row.positions,
        "notional": str(row.notional),
        "naked_notional": str(row.naked_notional),
        "status": change.verdict.status.value,
        "milestones": row.times,
        "detail": row.detail,
    }
