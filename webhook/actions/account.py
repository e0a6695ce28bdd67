"""The reconciler of one venue account: observe, act, re-read, record, for as long as a switch holds something there.

What must hold is computed anew from all switches (`webhook.killswitch.desired`), so it does not matter which edge came
when: a trip, a resume, an expiry, an arming and a restart only wake the loop.  All goals of the account are answered by
one read: three hundred alerts at once cost the venue a handful of requests, and a venue that hangs holds up no other.

The order of things for a new goal: the first cancel goes out at once, unread, from a thread of its own; when it was
answered (or ran out of time) the account is read, what is still there is cancelled, and so on.  A read is a verdict
only if the engines were stopped, or had had their time, *before it began*, and only as far as it covered.  Positions
are read after the orders: an order that filled a moment before the first read shows up in the second.  Closing runs
beside the loop.  After the verdict two more reads follow soon, then the sweep.
"""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog

from webhook.actions.closing import Closer
from webhook.actions.exposure import Extent, extent, listed, naked, positions_in
from webhook.actions.flatten import FlattenLimits
from webhook.actions.observe import MustGo, Seen, finding, must_go
from webhook.actions.port import CancelReport, Coverage, OpenOrder, PositionsRead, Venue
from webhook.clock import Clock
from webhook.errors import AndonError, TemporaryError
from webhook.killswitch.desired import AccountTarget, Goal, Standing, Targets, goals
from webhook.killswitch.stage import ENDS, PROVES, Stage
from webhook.killswitch.states import Action
from webhook.killswitch.trip import Progress, TargetKind
from webhook.policy.attribution import Attribution

log = structlog.get_logger(__name__)

FEW_ORDERS = 50
"""Up to this many orders are cancelled one by one when they outlive the first cancel: a cancel-all missed them."""
WIDE_READS_AT_FIRST = 3
"""So many reads of a new goal cover the whole account; later ones may be narrow: a wide read is dear."""
WIDE_READ_EVERY = 10
"""Of the narrow sweeps every so many-th is wide, so that an order in a symbol nobody configured is found."""
MOST_NARROW_SYMBOLS = 20
AFTER_VERDICT_SECONDS = (0.3, 1.0)
"""When a goal is read again after its verdict: a venue may accept an order late, and then it is there at once."""
STUCK_AFTER = 6
"""An order that outlives so many cancels is one that we cannot cancel."""
SLOWEST_RETRY_SECONDS = 2.0
"""A kill that is stuck reads no oftener, or the venue would ban us for asking: see `limits.sweep_seconds`."""
LONGEST_HOLD_SECONDS = 30.0
"""At most so long a venue's `Retry-After` is obeyed before it is asked again."""
CLOSING_LOOK_SECONDS = 0.25
_CLOSABLE = frozenset({Stage.EMPTY, Stage.UNCOVERED})


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """``venue_timeout``: seconds for one call.  ``sweep``: seconds between reads of a goal that is kept.
    ``pause``: seconds between slices of one position.  ``empty`` and ``flat``: seconds until a person is told.
    """

    venue_timeout: float
    sweep: float
    pause: float
    empty: float
    flat: float
    flatten: FlattenLimits


class Observer:
    """What a reconciler tells the metrics; the default tells nobody."""

    def swept(self, venue_account: str, outcome: str) -> None:
        """A read ended as ``empty``, ``orders_left`` or ``failed``."""

    def unowned(self, venue_account: str, orders: int, notional: Decimal) -> None:
        """So many of the open orders, of so much value, belong to no configured strategy."""

    def engine(self, name: str, *, up: bool) -> None:
        """An engine answered, or did not."""

    def fault(self, loop: str) -> None:
        """A loop caught an error that no room expected."""


@dataclass(slots=True, eq=False)
class _Work:
    """One goal and how far it is; owned by the loop, and touched under its lock only."""

    goal: Goal
    extent: Extent
    row: Progress
    epoch: int
    deadline_from: float
    cancel_answered: bool
    next_read: float = 0.0
    reads: int = 0
    positions_seen: bool = False
    silent_since: float | None = None
    after_verdict: list[float] = field(default_factory=list)
    cancels: dict[str, int] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        return self.row.stage in PROVES[self.goal.action]

    @property
    def reads_first(self) -> bool:
        """Whether nothing may be cancelled before it was read and attributed."""
        return self.goal.action is Action.REDUCE or self.goal.keep_protective or not self.extent.whole

    def late_at(self, limits: AccountLimits) -> float:
        """The monotonic moment from which a person must be told."""
        flat = self.goal.action is Action.FLATTEN and self.row.stage is Stage.EMPTY
        return self.deadline_from + (limits.flat if flat else limits.empty)


class AccountReconciler:
    """Looks after one venue account; thread-safe."""

    def __init__(
        self,
        venue: Venue,
        target: AccountTarget,
        attribution: Attribution,
        limits: AccountLimits,
        clock: Clock,
        observer: Observer,
        *,
        targets: Targets,
        standing: Callable[[], Standing],
        stored: Callable[[str], Progress | None],
        engines_stopped: Callable[[str], bool],
        report: Callable[[Sequence[Progress]], None],
    ) -> None:
        """*standing*: the switches as they are now.  *stored*: the newest row of a trip here.  *engines_stopped*: of a
        trip, whether its engines are stopped or had their time.  *report* takes rows and returns at once.
        """
        self.venue, self.target = venue, target
        self._attribution, self._limits, self._clock, self._observer = attribution, limits, clock, observer
        self._targets, self._standing, self._report = targets, standing, report
        self._stored, self._engines_stopped = stored, engines_stopped
        self._taken: Standing | None = None
        self._works: dict[str, _Work] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._epoch: int | None = None
        self._until = 0.0
        self._cycles = 0
        self._failures = 0
        self._hold_until = 0.0
        self._first = ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"cancel-{target.name}")
        self._closer = Closer(
            venue,
            limits.flatten,
            clock,
            timeout=limits.venue_timeout,
            pause=limits.pause,
            may_close=self._may_close,
            done=self._slice_done,
            fault=lambda: observer.fault("closing"),
        )
        self._thread = threading.Thread(target=self._run, name=f"account-{target.name}", daemon=True)

    # -- what the service calls -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def stop(self) -> None:
        """End the threads; a request under way may still finish."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._first.shutdown(wait=False, cancel_futures=True)
        self._closer.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=self._limits.venue_timeout * 3)

    def hold(self, epoch: int | None, until: float) -> None:
        """Look after the account under this epoch of its lease (None: another process does).

        Positions are closed until the monotonic moment *until*: a process that was stopped for longer finds out first
        whether another one closes them by now.
        """
        with self._wake:
            self._until = until
            if epoch == self._epoch:
                return
            self._epoch, self._taken = epoch, None
            self._works.clear()
        self.wake()

    def wake(self, *, decided_here: bool = False) -> None:
        """Look at the switches again: first cancels are on their way when this returns.

        *decided_here*: the change was decided in this process, which then sends the first cancel even where another one
        looks after the account: it is harmless twice, and nobody is quicker.
        """
        with self._wake:
            if self._stopping or (self._epoch is None and not decided_here):
                return
            fresh = self._take_goals()
            self._wake.notify_all()
        if fresh and not self.target.shadow:
            self._first.submit(self._guarded, self._cancel_first, fresh)

    def _may_close(self) -> bool:
        with self._wake:
            return self._epoch is not None and self._clock.monotonic() < self._until

    def busy(self) -> bool:
        """Whether any switch holds something here."""
        with self._wake:
            return bool(self._works)

    # -- goals to works ---------------------------------------------------------------------------------------------

    def _take_goals(self) -> list[_Work]:
        """Bring the works in line with the goals; returns those whose first cancel is due. Lock held."""
        standing = self._standing()
        if standing is self._taken:
            # Somebody else's wake took this change along.
            return []
        self._taken = standing
        wanted = {goal.trip.id: goal for goal in goals(self.target, self._targets, standing)}
        for trip_id in [trip_id for trip_id in self._works if trip_id not in wanted]:
            del self._works[trip_id]
        fresh = []
        for trip_id, goal in wanted.items():
            work = self._works.get(trip_id)
            if work is not None:
                if goal is not work.goal and goal != work.goal:
                    work.goal, work.next_read = goal, 0.0
                continue
            work = self._begin(goal)
            if self._epoch is not None:
                self._works[trip_id] = work
            if not work.cancel_answered:
                fresh.append(work)
        return fresh

    def _begin(self, goal: Goal) -> _Work:
        now = self._clock.monotonic()
        row = Progress(goal.trip.id, self.target.name, TargetKind.ACCOUNT)
        before = self._stored(goal.trip.id)
        if before is not None:
            # Whoever looked after it before: what it proved stands until a read of ours says otherwise, and what
            # shadow mode "did" never stands.
            stage = before.stage if before.stage is not Stage.SHADOW else Stage.WAITING
            row = replace(before, stage=stage, late=before.late and stage is before.stage)
        work = _Work(
            goal,
            extent(goal.scope, self.target, self._attribution, self.venue.resolve),
            row,
            epoch=self._epoch or 0,
            # After a restart or an arming, time counts from now: a person was told of the old deadline already.
            deadline_from=goal.received if before is None and now - goal.received < self._limits.empty else now,
            cancel_answered=True,
        )
        work.cancel_answered = self.target.shadow or work.proven or work.reads_first
        return work

    # -- the first cancel -------------------------------------------------------------------------------------------

    def _cancel_first(self, works: Sequence[_Work]) -> None:
        """Cancel unread, for all goals that came together: one burst of requests serves them all."""
        try:
            report = self._cancel_unread(works)
        finally:
            # Whatever happened, the loop must go and look.
            with self._wake:
                for work in works:
                    work.cancel_answered = True
                self._wake.notify_all()
        self._tell(
            [
                self._moved(work, Stage.CANCELLED if work.row.stage is Stage.WAITING else work.row.stage)
                for work in works
            ]
        )
        if report.problems:
            log.warning("account.cancel_problems", venue_account=self.target.name, **_told(report))

    def _cancel_unread(self, works: Sequence[_Work]) -> CancelReport:
        symbols: tuple[str, ...] | None = None
        if all(work.extent.symbols is not None for work in works):
            symbols = tuple(sorted({symbol for work in works for symbol in work.extent.symbols or ()}))
        return self.venue.cancel_everything(symbols, self._sent(works), self._limits.venue_timeout)

    def _sent(self, works: Sequence[_Work]) -> Callable[[], None]:
        def sent() -> None:
            now = self._clock.monotonic()
            with self._wake:
                for work in works:
                    work.row = work.row.reached("first_cancel_sent", now - work.goal.received)

        return sent

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopping:
                    wait = self._seconds_to_wait()
                    if wait is not None and wait <= 0:
                        break
                    self._wake.wait(wait)
                if self._stopping:
                    return
                now = self._clock.monotonic()
                due = [work for work in self._works.values() if work.cancel_answered and work.next_read <= now]
            if not self._guarded(self._round, due):
                self._failures += 1
                with self._wake:
                    for work in due:
                        work.next_read = self._clock.monotonic() + self._failed_pause()

    def _seconds_to_wait(self) -> float | None:
        """Until the next read is due; None when there is nothing to do. Lock held."""
        due = [work.next_read for work in self._works.values() if work.cancel_answered]
        return None if not due else max(min(due), self._hold_until) - self._clock.monotonic()

    def _guarded(self, work: Callable[..., None], *arguments: object) -> bool:
        """Run *work*; an error that nobody expected is logged and counted, and never ends the loop."""
        try:
            work(*arguments)
        except Exception:  # one of the named borders: the loop must outlive any fault of an adapter
            log.exception("account.fault", venue_account=self.target.name)
            self._observer.fault("account")
            return False
        return True

    def _round(self, due: list[_Work]) -> None:
        """Read once for all works that are due, judge each, cancel what must go, and see to what must be closed."""
        for work in due:
            if not work.extent.known:
                work.extent = extent(work.goal.scope, self.target, self._attribution, self.venue.resolve)
        # Sampled before the read begins: an engine that stops during it may have sent something that it misses.
        stopped = {work.goal.trip.id: self._engines_stopped(work.goal.trip.id) for work in due}
        try:
            seen = self._read(due)
        except AndonError as error:
            self._no_answer(due, error)
            return
        self._failures = 0
        doomed: dict[tuple[str, str], OpenOrder] = {}
        rows, closing = [], []
        for work in due:
            found = must_go(work.goal, work.extent, seen, self.target, self._attribution)
            if not self.target.shadow:
                doomed.update({(order.book, order.order_id): order for order in found.orders})
            row = self._judge(work, seen, found, engines_stopped=stopped[work.goal.trip.id])
            rows += [row] if row is not None else []
            # What cannot be covered is closed all the same, as far as it is seen: reduce-only is safe.
            if found.positions and not found.orders and stopped[work.goal.trip.id] and work.row.stage in _CLOSABLE:
                closing.append((work, found.positions))
        self._observer.swept(self.target.name, "orders_left" if doomed else "empty")
        self._tell(rows)
        if doomed:
            self._cancel_again(due, tuple(doomed.values()))
        for work, positions in closing:
            self._closer.close(work.goal.trip.id, positions, work.epoch)
        self._schedule(due)

    def _read(self, due: Sequence[_Work]) -> Seen:
        self._cycles += 1
        symbols = self._symbols_to_read(due)
        began = self._clock.now()
        orders = self.venue.open_orders(symbols, self._limits.venue_timeout)
        positions = None
        if self._wants_positions(due, wide=symbols is None):
            try:
                positions = self.venue.positions(None, self._limits.venue_timeout)
            except AndonError as error:
                positions = PositionsRead((), Coverage(), (str(error),))
        if symbols is None:
            unowned = [
                order
                for order in orders.orders
                if self._attribution.owner_of(
                    self.target.venue, self.target.account, order.client_order_id, order.symbol
                )
                is None
            ]
            self._observer.unowned(self.target.name, len(unowned), sum((one.notional for one in unowned), Decimal(0)))
        return Seen(orders, positions, began)

    def _wants_positions(self, due: Sequence[_Work], *, wide: bool) -> bool:
        if any(work.goal.action is not Action.HALT or self.target.shadow for work in due):
            return True
        # A halt is proved without positions; what it leaves unguarded is looked at afterwards.
        over = [work for work in due if work.proven or work.row.stage in ENDS]
        look = wide or self._cycles % WIDE_READ_EVERY == 0 or any(not work.positions_seen for work in over)
        return bool(over) and look and self.venue.position_books(None) is not None

    def _symbols_to_read(self, due: Iterable[_Work]) -> tuple[str, ...] | None:
        named: set[str] = set()
        for work in due:
            if work.extent.symbols is not None:
                named |= work.extent.symbols
                continue
            first = work.reads < WIDE_READS_AT_FIRST or bool(work.after_verdict)
            if first or self._cycles % (WIDE_READ_EVERY if work.proven else 2) == 0:
                return None
            named.update(self.venue.symbols())
        # A request for each of so many symbols costs more than one for the whole account; none at all proves nothing.
        return tuple(sorted(named)) if 0 < len(named) <= MOST_NARROW_SYMBOLS else None

    # -- judging ----------------------------------------------------------------------------------------------------

    def _judge(self, work: _Work, seen: Seen, found: MustGo, *, engines_stopped: bool) -> Progress | None:
        """Move a work on by what a read showed; None when it showed nothing new."""
        now = self._clock.monotonic()
        work.reads += 1
        if self.target.shadow:
            detail = dict(listed(found.orders, found.positions, self.target, self._attribution))
            return self._moved(work, Stage.SHADOW, detail=detail, **_counted(found), read_at=seen.began)
        shown = finding(work.goal, work.extent, seen, found, self.venue, engines_stopped=engines_stopped)
        if shown is None:
            return self._moved(work, Stage.CANCELLED) if work.row.stage is Stage.WAITING else None
        stage, why = shown.stage, shown.why
        stuck = [order for order in found.orders if work.cancels.get(order.order_id, 0) >= STUCK_AFTER]
        if stuck:
            stage, why = Stage.STUCK, f"{len(stuck)} orders outlive every cancel, e.g. {stuck[0].order_id}"
        if stage is Stage.UNKNOWN and work.proven and not self._silent_too_long(work, now):
            return None
        if stage is not Stage.UNKNOWN:
            work.silent_since = None
        proves = stage in PROVES[work.goal.action]
        if work.proven and not proves:
            # As urgent as on its first day.
            work.reads = 0
        elif proves and not work.proven:
            work.after_verdict = [now + seconds for seconds in AFTER_VERDICT_SECONDS]
            work.cancels.clear()
        detail = {"why": why} if why else {}
        if found.orders:
            detail |= listed(found.orders[:10], (), self.target, self._attribution)
        bare = self._unguarded(work, seen, detail)
        return self._moved(work, stage, detail=detail, **_counted(found), naked_notional=bare, read_at=seen.began)

    def _unguarded(self, work: _Work, seen: Seen, detail: dict[str, object]) -> Decimal:
        """The value of the positions in scope that no stop guards; what a round did not look at stays as it was."""
        if seen.positions is None:
            if "naked" in work.row.detail:
                detail["naked"] = work.row.detail["naked"]
            return work.row.naked_notional
        work.positions_seen = True
        mine = positions_in(seen.positions.positions, work.extent, self.target, self._attribution)
        unguarded = naked(mine, seen.orders.orders)
        if unguarded:
            detail["naked"] = {symbol: str(value) for symbol, value in unguarded.items()}
        return sum(unguarded.values(), Decimal(0))

    def _silent_too_long(self, work: _Work, now: float) -> bool:
        """Whether what was proved is too old to stand: the venue has not answered since."""
        work.silent_since = work.silent_since or now
        return now - work.silent_since > max(self._limits.empty, 3 * self._limits.sweep)

    def _moved(self, work: _Work, stage: Stage, **changes: Any) -> Progress:
        """The row of *work* in *stage*; a person is told once that it takes too long, and again after it was well."""
        now = self._clock.monotonic()
        with self._wake:
            row = work.row
            if stage is not row.stage or row.since is None:
                row = replace(row, stage=stage, since=self._clock.now())
            row = replace(row, **changes, epoch=work.epoch, revision=row.revision + 1)
            if stage in (Stage.EMPTY, Stage.FLAT):
                row = row.reached("empty", now - work.goal.received)
            if stage is Stage.FLAT:
                row = row.reached("flat", now - work.goal.received)
            work.row = row
            if work.proven or stage is Stage.SHADOW:
                work.row = replace(row, late=False)
            elif stage in (Stage.STUCK, Stage.UNCOVERED) or now > work.late_at(self._limits):
                work.row = replace(row, late=True)
            return work.row

    def _tell(self, rows: Sequence[Progress]) -> None:
        if rows:
            self._report(rows)

    def _no_answer(self, due: list[_Work], error: AndonError) -> None:
        """The venue did not say: what cannot be read can still be cancelled, where all of it is in scope."""
        self._failures += 1
        self._observer.swept(self.target.name, "failed")
        log.warning("account.read_failed", venue_account=self.target.name, reason=error.reason, error=str(error))
        now = self._clock.monotonic()
        rows = []
        for work in due:
            work.reads += 1
            if self.target.shadow:
                stage = Stage.SHADOW
            elif work.proven and not self._silent_too_long(work, now):
                stage = work.row.stage
            else:
                stage = Stage.UNKNOWN
            rows.append(self._moved(work, stage, detail={"why": str(error), "reason": error.reason}))
        self._tell(rows)
        if isinstance(error, TemporaryError) and error.retry_after:
            # Asking on through a ban only makes it longer.
            self._hold_until = now + min(error.retry_after, LONGEST_HOLD_SECONDS)
        else:
            whole = [work for work in due if not work.proven and not work.reads_first]
            if whole and not self.target.shadow:
                report = self._cancel_unread(whole)
                log.warning("account.cancelled_unread", venue_account=self.target.name, **_told(report))
        with self._wake:
            for work in due:
                work.next_read = self._clock.monotonic() + self._failed_pause()

    def _failed_pause(self) -> float:
        return min(0.05 * math.pow(2, min(self._failures, 10)), SLOWEST_RETRY_SECONDS)

    # -- acting -----------------------------------------------------------------------------------------------------

    def _cancel_again(self, due: Sequence[_Work], orders: tuple[OpenOrder, ...]) -> None:
        waiting = [work for work in due if not work.proven]
        for work in waiting:
            for order in orders:
                work.cancels[order.order_id] = work.cancels.get(order.order_id, 0) + 1
        covers_all = any(not work.reads_first and work.extent.symbols is None for work in waiting)
        sent = self._sent(waiting)
        if len(orders) > FEW_ORDERS and covers_all:
            symbols = tuple(sorted({order.symbol for order in orders}))
            report = self.venue.cancel_everything(symbols, sent, self._limits.venue_timeout)
        else:
            report = self.venue.cancel_orders(orders, sent, self._limits.venue_timeout)
        if report.problems:
            log.warning("account.cancel_problems", venue_account=self.target.name, **_told(report))

    def _slice_done(self) -> None:
        """A slice has ended: look what it did, as soon as the next may go out."""
        with self._wake:
            for work in self._works.values():
                if work.goal.action is Action.FLATTEN and not work.proven:
                    work.next_read = min(work.next_read, self._closer.next_at())
            self._wake.notify_all()

    # -- when to look again -----------------------------------------------------------------------------------------

    def _schedule(self, due: Sequence[_Work]) -> None:
        with self._wake:
            now = self._clock.monotonic()
            for work in due:
                work.next_read = now + self._pause(work, now)
            kept = [work for work in self._works.values() if work.proven or self.target.shadow]
            # Sweeps of all goals fall together, so that one read serves them.
            together = min((work.next_read for work in kept if not work.after_verdict), default=0.0)
            for work in kept:
                if not work.after_verdict:
                    work.next_read = together

    def _pause(self, work: _Work, now: float) -> float:
        """Seconds until *work* is read again: few while it is young, more when it is stuck, a sweep when it is kept."""
        if work.proven:
            while work.after_verdict and work.after_verdict[0] <= now:
                work.after_verdict.pop(0)
            return work.after_verdict[0] - now if work.after_verdict else self._limits.sweep
        if self.target.shadow:
            return max(self._limits.sweep, 1.0)
        if work.row.positions and work.row.stage in _CLOSABLE:
            return CLOSING_LOOK_SECONDS
        return min(0.01 * math.pow(1.6, min(work.reads, 20)), SLOWEST_RETRY_SECONDS)


def _counted(found: MustGo) -> dict[str, Any]:
    value = sum((order.notional for order in found.orders), Decimal(0))
    value += sum((position.notional for position in found.positions), Decimal(0))
    return {"orders": len(found.orders), "positions": len(found.positions), "notional": value}


def _told(report: CancelReport) -> dict[str, object]:
    return {
        "requests": report.requests,
        "accepted": report.accepted,
        "unknown": report.unknown,
        "refused": report.refused,
        "problems": list(report.problems[:5]),
    }
