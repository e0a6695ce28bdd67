"""The line of one venue account: the thread that empties it, proves it, and keeps it empty.

All trips that touch the account stand in this line as `Demand`s, and one re-read answers all of them: three hundred
alerts at once cost the venue a handful of requests, and a venue that hangs holds up nobody else's line.

The order of things, for each demand: the first cancel goes out at once, from a thread of its own; when it was answered
(or ran out of time) the account is read again, what is still there is cancelled, and so on.  A read counts as a verdict
only if the engines were blocked, or had had their time, *before it began*.  Positions are read after the orders: an
order that filled a moment before the first read shows up in the second.
"""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from webhook.actions.demand import Demand, Finding, FirstSent, Found, Report
from webhook.actions.exposure import Reach, adding_exposure, orders_in_scope, positions_in_scope, reach
from webhook.actions.flatten import FlattenLimits, next_slice, order_id
from webhook.actions.port import CancelReport, OpenOrder, Position, Venue
from webhook.clock import Clock
from webhook.errors import AndonError, TemporaryError
from webhook.killswitch.states import Action
from webhook.policy.attribution import Attribution

log = structlog.get_logger(__name__)

FEW_ORDERS = 50
"""Up to this many orders are cancelled one by one when they outlive the first cancel: a cancel-all missed them."""
WIDE_READS_AT_FIRST = 3
"""So many reads of a new demand cover the whole account; later ones may be narrow: a wide read is dear."""
WIDE_READ_EVERY = 10
"""Of the narrow sweeps every so many-th is wide, so that an order in a symbol nobody configured is found."""
MOST_NARROW_SYMBOLS = 20
SLOWEST_RETRY_SECONDS = 2.0
"""A kill that is stuck reads no oftener, or the venue would ban us for asking: see `limits.sweep_seconds`."""
LONGEST_HOLD_SECONDS = 30.0
"""At most so long a venue's `Retry-After` is obeyed before it is asked again."""


@dataclass(frozen=True, slots=True)
class LineLimits:
    """``venue_timeout``: seconds for one call.  ``sweep``: seconds between re-reads of a scope that is kept empty.
    ``pause``: seconds between slices of a flattening.
    """

    venue_timeout: float
    sweep: float
    pause: float
    flatten: FlattenLimits


class Observer:
    """What a line tells the metrics; the default tells nobody."""

    def swept(self, venue_account: str, outcome: str) -> None:
        """A re-read ended as ``empty``, ``orders_left`` or ``failed``."""

    def halt_broken(self, venue_account: str, orders: int) -> None:
        """So many orders stood in a scope that had been verified empty."""

    def unowned(self, venue_account: str, orders: int) -> None:
        """So many of the open orders belong to no configured strategy."""

    def fault(self, loop: str) -> None:
        """A loop caught an error that no room expected."""


class AccountLine:
    """Empties one venue account and keeps it so; thread-safe."""

    def __init__(
        self,
        venue: Venue,
        attribution: Attribution,
        limits: LineLimits,
        clock: Clock,
        report: Report,
        first_sent: FirstSent,
        observer: Observer,
        *,
        shadow: bool,
    ) -> None:
        """``shadow``: read and tell, but send nothing."""
        self.venue = venue
        self._attribution = attribution
        self._limits = limits
        self._clock = clock
        self._report = report
        self._first_sent = first_sent
        self._observer = observer
        self._shadow = shadow
        self._demands: dict[str, Demand] = {}
        self._uncancelled: list[Demand] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._cycles = 0
        self._failures = 0
        self._retry_at = 0.0
        self._hold = 0.0
        self._sweep_at = 0.0
        self._first = ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"cancel-{venue.name}")
        self._slices = ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"flatten-{venue.name}")
        self._thread = threading.Thread(target=self._run, name=f"line-{venue.name}", daemon=True)

    def start(self) -> None:
        """Start the thread of the line."""
        self._thread.start()

    def add(self, demands: Sequence[Demand]) -> None:
        """Take demands up: their first cancel is on its way when this returns."""
        fast = []
        with self._wake:
            for demand in demands:
                self._demands[demand.trip_id] = demand
                if demand.kept or self._shadow or demand.action is Action.REDUCE or not self._reach(demand).whole:
                    # Nothing may be cancelled unread here: the loop reads first.
                    demand.cancel_answered = True
                else:
                    fast.append(demand)
            self._uncancelled.extend(fast)
            self._retry_at = 0.0
            self._wake.notify_all()
        if fast:
            self._first.submit(self._guarded, self._cancel_first)

    def drop(self, trip_id: str) -> None:
        """Forget a trip: it was resumed, superseded, or another process keeps it."""
        with self._wake:
            self._demands.pop(trip_id, None)
            self._uncancelled = [demand for demand in self._uncancelled if demand.trip_id != trip_id]

    def trips(self) -> set[str]:
        """The trips that stand in this line."""
        with self._wake:
            return set(self._demands)

    def stop(self) -> None:
        """End the threads; a request under way may still finish."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._first.shutdown(wait=False, cancel_futures=True)
        self._slices.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            self._thread.join(timeout=self._limits.venue_timeout * 3)

    # -- the first cancel -------------------------------------------------------------------------------------------

    def _cancel_first(self) -> None:
        """Cancel unread, for every demand that came in since the last call: one request burst serves them all."""
        with self._wake:
            demands, self._uncancelled = self._uncancelled, []
        if not demands:
            return
        try:
            report = self._send_unread(demands)
        finally:
            # Whatever happened, the loop must go and look.
            with self._wake:
                for demand in demands:
                    demand.cancel_answered = True
                self._wake.notify_all()
        self._report([self._finding(Found.CANCEL_DONE, demand, detail=_told(report)) for demand in demands])

    def _cancel_unread(self, demands: Sequence[Demand]) -> None:
        """What cannot be read can still be cancelled, where everything in reach is in scope."""
        whole = [one for one in demands if one.action is not Action.REDUCE and self._reach(one).whole]
        if whole and not self._shadow:
            report = self._send_unread(whole)
            log.warning("line.cancelled_unread", venue_account=self.venue.name, **_told(report))

    def _send_unread(self, demands: Sequence[Demand]) -> CancelReport:
        reaches = [self._reach(demand) for demand in demands]
        symbols: tuple[str, ...] | None = None
        if all(one.symbols is not None for one in reaches):
            symbols = tuple(sorted({symbol for one in reaches for symbol in one.symbols or ()}))

        def sent() -> None:
            now = self._clock.monotonic()
            for demand in demands:
                self._first_sent(demand.trip_id, now)

        return self.venue.cancel_everything(symbols, sent, self._limits.venue_timeout)

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
                demands = self._due()
            if demands and not self._guarded(self._cycle, demands):
                self._failures += 1
            self._retry_at = self._clock.monotonic() + self._pace()

    def _due(self) -> list[Demand]:
        """What this round looks at: all that is urgent, and what is only kept when a sweep is due. Lock held."""
        now = self._clock.monotonic()
        sweep = now >= self._sweep_at
        if sweep:
            self._sweep_at = now + self._limits.sweep
        return [one for one in self._demands.values() if one.cancel_answered and (sweep or not one.kept or one.broken)]

    def _guarded(self, work: Callable[..., None], *arguments: object) -> bool:
        """Run *work*; an error that nobody expected is logged and counted, and never ends the line."""
        try:
            work(*arguments)
        except Exception:  # one of the named borders: the loop must outlive any fault of an adapter
            log.exception("line.fault", venue_account=self.venue.name)
            self._observer.fault("account_line")
            return False
        return True

    def _seconds_to_wait(self) -> float | None:
        """Until the next cycle is due; None when there is nothing to do. Called with the lock held."""
        if not any(demand.cancel_answered for demand in self._demands.values()):
            return None
        return self._retry_at - self._clock.monotonic()

    def _pace(self) -> float:
        """Seconds until the next cycle: none while a kill is young, more when it is stuck, a sweep when all is done."""
        with self._wake:
            urgent = [demand for demand in self._demands.values() if not demand.kept or demand.broken]
        if not urgent:
            return max(self._sweep_at - self._clock.monotonic(), 0.0)
        if self._failures:
            return max(min(0.05 * math.pow(2, min(self._failures, 10)), SLOWEST_RETRY_SECONDS), self._hold)
        youngest = min(demand.reads for demand in urgent)
        if any(demand.empty and demand.action is Action.FLATTEN for demand in urgent):
            return self._limits.pause
        return min(0.01 * math.pow(1.6, min(youngest, 20)), SLOWEST_RETRY_SECONDS)

    def _cycle(self, demands: list[Demand]) -> None:  # noqa: C901 - one round, in the order it happens
        self._cycles += 1
        symbols = self._symbols_to_read(demands)
        # Sampled before the read begins; and what a narrow read does not show is no verdict on a whole account.
        verdicts = {d.trip_id: d.gate.open and (symbols is None or self._reach(d).symbols is not None) for d in demands}
        try:
            orders = self.venue.open_orders(symbols, self._limits.venue_timeout)
            positions: tuple[Position, ...] = ()
            if self.venue.capabilities.positions and any(d.action is not Action.HALT for d in demands):
                positions = self.venue.positions(None, self._limits.venue_timeout)
        except AndonError as error:
            self._failed_read(demands, error)
            return
        self._failures, self._hold = 0, 0.0
        self._count_unowned(orders)
        findings: list[Finding] = []
        doomed: dict[tuple[str, str], OpenOrder] = {}
        closing: list[tuple[Demand, tuple[Position, ...]]] = []
        for demand in demands:
            demand.reads += 1
            standing = self._standing(demand, orders, positions)
            held = self._held(demand, positions)
            if self._shadow:
                findings.append(self._finding(Found.SHADOW, demand, standing, held))
                continue
            for order in standing:
                doomed[order.book, order.order_id] = order
            finding = self._judge(demand, standing, held, verdict=verdicts[demand.trip_id])
            if finding is not None:
                findings.append(finding)
            if held and not standing and demand.empty:
                closing.append((demand, held))
        self._observer.swept(self.venue.name, "orders_left" if doomed else "empty")
        if findings:
            self._report(findings)
        if self._shadow:
            for demand in demands:
                self.drop(demand.trip_id)
            return
        if doomed:
            self._cancel_again(demands, tuple(doomed.values()))
        if closing:
            self._close_positions(closing)

    def _judge(
        self, demand: Demand, standing: tuple[OpenOrder, ...], held: tuple[Position, ...], *, verdict: bool
    ) -> Finding | None:
        """Move a demand on by what a read showed; returns what there is to say about it."""
        now = self._clock.monotonic()
        if demand.kept and (standing or held) and not demand.broken:
            demand.broken = True
            self._observer.halt_broken(self.venue.name, len(standing))
            return self._finding(Found.BROKEN, demand, standing, held)
        if not standing and verdict:
            if not demand.empty:
                demand.empty = True
                demand.late = False
                if not held:
                    demand.kept, demand.broken = True, False
                return self._finding(Found.EMPTY, demand, standing, held)
            if not held and (not demand.kept or demand.broken):
                was_broken, demand.kept, demand.broken = demand.broken, True, False
                found = Found.FLAT if demand.action is Action.FLATTEN and not was_broken else Found.EMPTY
                return self._finding(found, demand, standing, held)
        if not demand.kept and not demand.late and now > demand.late_at:
            demand.late = True
            return self._finding(
                Found.LATE, demand, standing, held, detail={"waiting_for": _waiting_for(standing, held)}
            )
        if standing or held:
            return self._finding(Found.LEFT, demand, standing, held)
        return None

    def _failed_read(self, demands: list[Demand], error: AndonError) -> None:
        """The venue did not say what is open: unknown is never empty."""
        self._failures += 1
        self._observer.swept(self.venue.name, "failed")
        log.warning("line.read_failed", venue_account=self.venue.name, reason=error.reason, error=str(error))
        if isinstance(error, TemporaryError) and error.retry_after:
            # Asking on through a ban only makes it longer.
            self._hold = min(error.retry_after, LONGEST_HOLD_SECONDS)
        now = self._clock.monotonic()
        detail: dict[str, object] = {"error": str(error), "reason": error.reason}
        findings = []
        for demand in demands:
            demand.reads += 1
            late = not demand.kept and not demand.late and now > demand.late_at
            demand.late = demand.late or late
            found = Found.LATE if late else Found.LEFT
            findings.append(replace(self._finding(found, demand, detail=detail), known=False))
        self._report(findings)
        if not self._hold:
            self._cancel_unread([one for one in demands if not one.kept or one.broken])

    # -- what is in scope -------------------------------------------------------------------------------------------

    def _reach(self, demand: Demand) -> Reach:
        return reach(demand.scope, self.venue.venue, self.venue.account, self._attribution)

    def _symbols_to_read(self, demands: Iterable[Demand]) -> tuple[str, ...] | None:
        reaches = [(demand, self._reach(demand)) for demand in demands]
        wide = any(
            one.symbols is None
            and (not demand.kept or demand.broken)
            and (demand.reads < WIDE_READS_AT_FIRST or self._cycles % 2 == 0)
            for demand, one in reaches
        )
        if wide or self._cycles % WIDE_READ_EVERY == 0:
            return None
        named = {symbol for _, one in reaches for symbol in one.symbols or ()}
        if len(named) > MOST_NARROW_SYMBOLS:
            # A request for each of so many symbols costs more than one for the whole account.
            return None
        if any(one.symbols is None for _, one in reaches):
            configured = self.venue.symbols()
            if not configured:
                return None
            named.update(configured)
        return tuple(sorted(named))

    def _standing(
        self, demand: Demand, orders: Sequence[OpenOrder], positions: Sequence[Position]
    ) -> tuple[OpenOrder, ...]:
        """The orders that must not be there: all in scope, or for `reduce` those that could add exposure."""
        mine = orders_in_scope(orders, demand.scope, self.venue.venue, self.venue.account, self._attribution)
        return adding_exposure(mine, positions) if demand.action is Action.REDUCE else mine

    def _held(self, demand: Demand, positions: Sequence[Position]) -> tuple[Position, ...]:
        """The positions that must be closed: those in scope when flat was asked for, else none."""
        if demand.action is not Action.FLATTEN:
            return ()
        return positions_in_scope(positions, demand.scope, self.venue.venue, self.venue.account, self._attribution)

    def _count_unowned(self, orders: Sequence[OpenOrder]) -> None:
        here = (self.venue.venue, self.venue.account)
        self._observer.unowned(
            self.venue.name,
            sum(self._attribution.owner_of(*here, order.client_order_id, order.symbol) is None for order in orders),
        )

    # -- acting -----------------------------------------------------------------------------------------------------

    def _cancel_again(self, demands: Iterable[Demand], orders: tuple[OpenOrder, ...]) -> None:
        waiting = [demand for demand in demands if not demand.kept or demand.broken]

        def sent() -> None:
            now = self._clock.monotonic()
            for demand in waiting:
                self._first_sent(demand.trip_id, now)

        whole = [demand for demand in waiting if demand.action is not Action.REDUCE and self._reach(demand).whole]
        covers_all = any(self._reach(demand).symbols is None for demand in whole)
        if len(orders) > FEW_ORDERS and covers_all:
            symbols = tuple(sorted({order.symbol for order in orders}))
            report = self.venue.cancel_everything(symbols, sent, self._limits.venue_timeout)
        else:
            report = self.venue.cancel_orders(orders, sent, self._limits.venue_timeout)
        if report.problems:
            log.warning("line.cancel_problems", venue_account=self.venue.name, **_told(report))

    def _close_positions(self, closing: list[tuple[Demand, tuple[Position, ...]]]) -> None:
        """Send one slice for each position; a position that two demands cover is closed once."""
        chosen: dict[tuple[str, str], tuple[Demand, Position]] = {}
        for demand, held in closing:
            for position in held:
                chosen.setdefault((position.symbol, position.side), (demand, position))
        work = []
        for demand, position in chosen.values():
            demand.slices += 1
            work.append(self._slices.submit(self._guarded, self._close_slice, demand, position, demand.slices))
        for one in work:
            one.result()

    def _close_slice(self, demand: Demand, position: Position, number: int) -> None:
        limits = self._limits.flatten
        first = demand.first_sizes.setdefault((position.symbol, position.side), abs(position.quantity))
        try:
            quote = self.venue.quote(position.symbol, limits.depth_band_ratio, self._limits.venue_timeout)
            order = next_slice(
                position,
                quote,
                limits,
                first_size=first,
                client_order_id=order_id(demand.trip_id, position.symbol, position.side, f"{demand.attempt}.{number}"),
            )
            if order is None:
                log.warning("flatten.no_depth", venue_account=self.venue.name, symbol=position.symbol)
                return
            fill = self.venue.reduce(order, self._limits.venue_timeout)
        except AndonError as error:
            # Whatever it was, the next cycle reads the position again and goes on from what is true.
            log.warning(
                "flatten.slice_failed",
                venue_account=self.venue.name,
                symbol=position.symbol,
                reason=error.reason,
                error=str(error),
            )
            return
        log.info(
            "flatten.slice",
            venue_account=self.venue.name,
            symbol=order.symbol,
            side=order.side.value,
            quantity=str(order.quantity),
            limit_price=str(order.limit_price),
            filled=str(fill.filled),
            average_price=None if fill.average_price is None else str(fill.average_price),
        )

    def _finding(
        self,
        found: Found,
        demand: Demand,
        standing: Sequence[OpenOrder] = (),
        held: Sequence[Position] = (),
        *,
        detail: dict[str, object] | None = None,
    ) -> Finding:
        value = sum((order.remaining * (order.price or Decimal(0)) for order in standing), Decimal(0))
        value += sum((position.notional for position in held), Decimal(0))
        return Finding(
            found,
            demand.trip_id,
            self.venue.name,
            self._clock.monotonic(),
            len(standing),
            len(held),
            value,
            detail=detail or {},
        )


def _told(report: CancelReport) -> dict[str, object]:
    return {
        "requests": report.requests,
        "accepted": report.accepted,
        "unknown": report.unknown,
        "refused": report.refused,
        "problems": list(report.problems[:5]),
    }


def _waiting_for(standing: Sequence[OpenOrder], held: Sequence[Position]) -> str:
    if standing:
        return "orders to go"
    return "positions to close" if held else "the engines to stop"
