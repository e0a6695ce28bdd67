"""Drawdown and daily loss of one book of money, with deposits and withdrawals left aside.

*Drawdown* is ``1 - equity / peak``.  When money moves in or out the peak is scaled by what the move did to the
equity, so a deposit never hides a loss, a withdrawal never looks like one, and a drawdown is the same just before and
just after either (the time-weighted way).  *Daily loss* is in money: equity now, less equity at the start of the day,
less what was moved in since.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

DAY_SECONDS: Final = 86_400
_ZERO: Final = Decimal(0)


def day_of(time: float, starts_at: int) -> int:
    """The start of the day that *time* falls into, seconds since the epoch; *starts_at* is seconds after 00:00 UTC."""
    return int((time - starts_at) // DAY_SECONDS) * DAY_SECONDS + starts_at


@dataclass(slots=True)
class Book:
    """What is remembered of one equity: money in its own currency, times in seconds since the epoch.

    ``net_deposits`` is ``None`` until it was said; ``day_equity`` is the equity at the start of ``day`` and
    ``day_flows`` the money moved in (less out) since.  A day without an event has no need of one: ``*_at`` ask for
    the time themselves.
    """

    equity: Decimal
    net_deposits: Decimal | None
    peak: Decimal
    time: float
    day: int
    day_equity: Decimal
    day_flows: Decimal = _ZERO

    @classmethod
    def opened(cls, equity: Decimal, net_deposits: Decimal | None, time: float, starts_at: int) -> "Book":
        """The first time it is seen: peak and day start are what is there now."""
        return cls(equity, net_deposits, equity, time, day_of(time, starts_at), equity)

    def observe(self, equity: Decimal, net_deposits: Decimal | None, time: float, starts_at: int) -> None:
        """The last one counts; without *net_deposits* no money was moved."""
        flow = _ZERO
        if net_deposits is not None:
            if self.net_deposits is not None:
                flow = net_deposits - self.net_deposits
            self.net_deposits = net_deposits
        day = day_of(time, starts_at)
        if day > self.day:
            # The last equity of the day before is the best that is known of the moment the day began.
            self.day, self.day_equity, self.day_flows = day, self.equity, _ZERO
        elif day < self.day:
            # A late event from before the day began knows better what there was at its start.
            self.day_equity, self.day_flows = equity, -flow
        self.day_flows += flow
        before = equity - flow
        self.peak = max(self.peak, before)
        if flow:
            # From or to nothing there is no ratio to keep: the new money starts its own peak.
            self.peak = self.peak * equity / before if before > _ZERO and equity > _ZERO else equity
        self.peak = max(self.peak, equity)
        self.equity = equity
        self.time = time

    def drawdown(self) -> Decimal | None:
        """Ratio of the peak that is lost; ``None`` when there never was anything to lose."""
        return 1 - self.equity / self.peak if self.peak > _ZERO else None

    def daily_pnl_at(self, now: float, starts_at: int) -> Decimal:
        """Money won (or, negative, lost) since the day of *now* began."""
        return _ZERO if day_of(now, starts_at) > self.day else self.equity - self.day_equity - self.day_flows

    def daily_loss_at(self, now: float, starts_at: int) -> Decimal | None:
        """Loss since the day of *now* began over the equity at its start, 0 for a gain; ``None`` without such equity.

        An account that began the day empty is measured against what was paid in since.
        """
        rolled = day_of(now, starts_at) > self.day
        base = self.equity if rolled else self.day_equity
        if base <= _ZERO and not rolled:
            base = self.day_equity + self.day_flows
        if base <= _ZERO:
            return None
        return max(_ZERO, -self.daily_pnl_at(now, starts_at) / base)
