"""Drawdown and daily loss of one book of money, with deposits and withdrawals left aside.

*Drawdown* is ``1 - equity / peak``, and never below 0.  When money moves in or out the peak is scaled by what the move
did to the equity, so a deposit never hides a loss, a withdrawal never looks like one, and a drawdown is the same just
before and just after either (the time-weighted way).  *Daily loss* is in money: equity now, less equity at the start
of the day, less what was moved in since.

Equity and ``net_deposits`` come from different places, so one may lag behind the other.  A move is therefore matched
with the step of equity that it explains best: this one, the one before, or one still to come.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

DAY_SECONDS: Final = 86_400
_SLOTS: Final = 5
_NEVER: Final = float("-inf")
_ZERO: Final = Decimal(0)


def day_of(time: float, starts_at: int) -> int:
    """The start of the day that *time* falls into, seconds since the epoch; *starts_at* is seconds after 00:00 UTC."""
    return int((time - starts_at) // DAY_SECONDS) * DAY_SECONDS + starts_at


@dataclass(frozen=True, slots=True)
class EquityOptions:
    """How a book is kept.

    An equity is a peak once it held for *peak_seconds*.  A deposit or withdrawal waits *flow_seconds* for the step of
    equity that belongs to it, and counts as it was said after that.  Of a book that tells ``net_deposits``, one step
    down of more than *fall_ratio* counts with the next equity, or after *fall_seconds*: it may be a withdrawal.
    """

    day_starts_at: int = 0
    peak_seconds: float = 10.0
    flow_seconds: float = 10.0
    fall_ratio: float = 0.02
    fall_seconds: float = 5.0


@dataclass(slots=True)
class Step:
    """A step of equity that no deposit explains: how far from what, with the peak, the day and the time of then."""

    change: Decimal
    before: Decimal
    peak: Decimal
    day: int
    time: float


@dataclass(slots=True)
class Book:
    """What is remembered of one equity: money in its own currency, times in seconds since the epoch.

    ``net_deposits`` is ``None`` until it was said; ``flows`` is the money moved in (less out) that was matched with a
    step of equity, ``waiting`` what was not yet, said at ``waiting_since``.  ``day_equity`` is the equity at the start
    of ``day``, said at ``day_equity_at``, and ``day_flows`` the ``flows`` of then.  A day without an event has no need
    of one: ``*_at`` ask for the time themselves.
    """

    equity: Decimal
    net_deposits: Decimal | None
    peak: Decimal
    time: float
    day: int
    day_equity: Decimal
    day_equity_at: float = _NEVER
    flows: Decimal = _ZERO
    day_flows: Decimal = _ZERO
    waiting: Decimal = _ZERO
    waiting_since: float = 0.0
    step: Step | None = None
    fallen_from: Decimal | None = None
    fallen_at: float = 0.0
    low: Decimal = _ZERO
    slot: int = 0
    lows: deque[Decimal] = field(default_factory=lambda: deque(maxlen=_SLOTS))

    @classmethod
    def opened(cls, equity: Decimal, net_deposits: Decimal | None, time: float, options: EquityOptions) -> "Book":
        """The first time it is seen: peak and day start are what is there now."""
        book = cls(equity, net_deposits, equity, time, day_of(time, options.day_starts_at), equity)
        book.begin_level(options)
        return book

    def begin_level(self, options: EquityOptions) -> None:
        """Begin anew to look for an equity that holds."""
        self.lows.clear()
        self.slot = int(self.time * _SLOTS / options.peak_seconds)
        self.low = self.equity

    def settle(self, options: EquityOptions) -> None:
        """Take the equity for what it is: no step of it is doubtful any more."""
        self.step = self.fallen_from = None
        self.begin_level(options)

    def observe(
        self, equity: Decimal, net_deposits: Decimal | None, time: float, received: float, options: EquityOptions
    ) -> Decimal:
        """The last one counts; without *net_deposits* no money was moved.

        Gives the money that was found to belong to an earlier step: what was taken for profit until now and is none.
        """
        day = day_of(time, options.day_starts_at)
        if day < self.day:
            self._correct_day_start(equity, net_deposits, time)
            return _ZERO
        if day > self.day:
            # The last equity of the day before is the best that is known of the moment the day began.
            self.day, self.day_equity, self.day_equity_at, self.day_flows = day, self.equity, self.time, self.flows
        self._confirm_peak(equity, time, options)
        flow = _ZERO
        if net_deposits is not None:
            if self.net_deposits is not None:
                flow = net_deposits - self.net_deposits
            self.net_deposits = net_deposits
        change = equity - self.equity
        earlier = _ZERO
        if flow and self._explained_before(flow, change, time, options):
            earlier, flow = flow, _ZERO
            self._moved_earlier(earlier)
        moved = self._match(flow, change, time, options) if flow or self.waiting else _ZERO
        self._take_step(equity, change - moved, moved, time, received, options)
        if moved or earlier:
            self.begin_level(options)
        return earlier

    def _correct_day_start(self, equity: Decimal, net_deposits: Decimal | None, time: float) -> None:
        """A late event from before the day began: it says nothing of now, but knows better what there was then."""
        if time < self.day_equity_at:
            return
        self.day_equity, self.day_equity_at = equity, time
        if net_deposits is not None and self.net_deposits is not None:
            self.day_flows = self.flows - (self.net_deposits - self.waiting - net_deposits)

    def _confirm_peak(self, equity: Decimal, time: float, options: EquityOptions) -> None:
        """A level is a peak when nothing below it was said for ``peak_seconds``; what is said holds until the next."""
        slot = int(time * _SLOTS / options.peak_seconds)
        if slot <= self.slot:
            self.low = min(self.low, equity)
            return
        self.lows.append(self.low)
        self.lows.extend([self.equity] * min(slot - self.slot - 1, _SLOTS))
        self.slot, self.low = slot, min(self.equity, equity)
        if len(self.lows) == _SLOTS:
            self.peak = max(self.peak, min(self.lows))

    def _explained_before(self, flow: Decimal, change: Decimal, time: float, options: EquityOptions) -> bool:
        """The step of the last event, or of a moment ago, fits *flow* better than the step that came with it."""
        step = self.step
        if step is None or (step.time < self.time and time - step.time > options.flow_seconds):
            return False
        return _explains(flow, step.change) > max(_ZERO, _explains(flow, change))

    def _moved_earlier(self, flow: Decimal) -> None:
        """The step before this one was money moved in or out: take back what it did to the peak."""
        step = self.step
        if step is None:
            return
        since = self.peak if self.peak > step.peak else _ZERO
        self.peak = max(_scaled(step.peak, step.before + step.change, flow), since)
        self.flows += flow
        if step.day < self.day:
            self.day_flows += flow  # it is in the equity that the day began with
        self.step = None

    def _match(self, flow: Decimal, change: Decimal, time: float, options: EquityOptions) -> Decimal:
        """How much of what was moved, and waits, belongs to this step of equity; the rest waits on."""
        if not self.waiting:
            self.waiting_since = time
        ways = (_ZERO, self.waiting, flow, self.waiting + flow)
        moved = max(ways, key=lambda each: _explains(each, change))
        left = self.waiting + flow - moved
        if left and time - self.waiting_since > options.flow_seconds:
            moved, left = moved + left, _ZERO
        elif moved == self.waiting:
            self.waiting_since = time  # what is left was said now
        self.waiting = left
        return moved

    def _take_step(
        self, equity: Decimal, change: Decimal, moved: Decimal, time: float, received: float, options: EquityOptions
    ) -> None:
        """*change* is what is left of the step without the money *moved*."""
        before = equity - change
        if moved:
            self.flows += moved
            self.peak = _scaled(self.peak, equity, moved)
        known = self.step
        if change and (known is None or time - known.time > options.flow_seconds or abs(change) >= abs(known.change)):
            self.step = Step(change, before, self.peak, self.day, time)
        self.fallen_from = None
        if self.net_deposits is not None and change < _ZERO < before and float(-change / before) > options.fall_ratio:
            self.fallen_from, self.fallen_at = before, received
        self.equity = equity
        self.time = time

    def known_equity(self, now: float, options: EquityOptions) -> Decimal:
        """The equity that losses are counted by."""
        if self.fallen_from is not None and now - self.fallen_at < options.fall_seconds:
            return self.fallen_from
        return self.equity

    def adjusted_at(self, now: float, options: EquityOptions) -> Decimal:
        """The equity less what was paid in and out since it was first seen: its changes are profit."""
        return self.known_equity(now, options) - self.flows

    def drawdown_at(self, now: float, options: EquityOptions) -> Decimal | None:
        """Ratio of the peak that is lost; ``None`` when there never was anything to lose."""
        return max(_ZERO, 1 - self.known_equity(now, options) / self.peak) if self.peak > _ZERO else None

    def daily_pnl_at(self, now: float, options: EquityOptions) -> Decimal:
        """Money won (or, negative, lost) since the day of *now* began."""
        if day_of(now, options.day_starts_at) > self.day:
            return _ZERO
        return self.known_equity(now, options) - self.day_equity - (self.flows - self.day_flows)

    def daily_loss_at(self, now: float, options: EquityOptions) -> Decimal | None:
        """Loss since the day of *now* began over the equity at its start, 0 for a gain; ``None`` without such equity.

        An account that began the day empty is measured against what was paid in since.
        """
        rolled = day_of(now, options.day_starts_at) > self.day
        base = self.equity if rolled else self.day_equity
        if base <= _ZERO and not rolled:
            base = self.day_equity + self.flows - self.day_flows
        if base <= _ZERO:
            return None
        return max(_ZERO, -self.daily_pnl_at(now, options) / base)

    def dump(self) -> list[Any]:
        """As plain JSON; the last step is left behind."""
        return [
            str(self.equity),
            None if self.net_deposits is None else str(self.net_deposits),
            str(self.peak),
            self.time,
            self.day,
            str(self.day_equity),
            None if self.day_equity_at == _NEVER else self.day_equity_at,
            str(self.flows),
            str(self.day_flows),
            str(self.waiting),
            self.waiting_since,
        ]

    @classmethod
    def restored(cls, saved: Any, options: EquityOptions, *, same_day: bool) -> "Book":
        """What ``dump`` gave.

        When somebody moved the boundary (not *same_day*), the day under way keeps its start until the next one begins
        on the new grid.
        """
        equity, net_deposits, peak, time, day, day_equity, day_equity_at, flows, day_flows, waiting, since = saved
        book = cls(
            equity=Decimal(equity),
            net_deposits=None if net_deposits is None else Decimal(net_deposits),
            peak=Decimal(peak),
            time=float(time),
            day=int(day) if same_day else day_of(float(time), options.day_starts_at),
            day_equity=Decimal(day_equity),
            day_equity_at=_NEVER if day_equity_at is None else float(day_equity_at),
            flows=Decimal(flows),
            day_flows=Decimal(day_flows),
            waiting=Decimal(waiting),
            waiting_since=float(since),
        )
        book.begin_level(options)
        return book


def _explains(flow: Decimal, change: Decimal) -> Decimal:
    """How much nearer to nothing the step *change* comes when *flow* is taken out of it."""
    return abs(change) - abs(change - flow)


def _scaled(peak: Decimal, equity: Decimal, flow: Decimal) -> Decimal:
    """The *peak* in the money of after a *flow* that made the equity what it is."""
    before = equity - flow
    # From or to nothing there is no ratio to keep: the new money starts its own peak.
    return peak * equity / before if before > _ZERO and equity > _ZERO else equity
