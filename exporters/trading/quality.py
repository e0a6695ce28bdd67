"""How well a strategy trades: how much of what it sends is filled, at what cost, how often it turns its inventory over.

Everything is by the events' own times, so that a replay gives the same numbers.  The memory of an instrument does not
grow with its orders.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from exporters.buckets import Buckets
from exporters.trading.equity import DAY_SECONDS, day_of
from exporters.trading.windows import SLOTS, Window

_ZERO: Final = Decimal(0)
_STEPS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)
SLIPPAGE_RATIOS: Final = (*(-step for step in reversed(_STEPS)), 0.0, *_STEPS)


@dataclass(slots=True)
class Session:
    """Orders and transactions of one instrument in one trading session, as RTS 9 counts them; a session is a day."""

    begins: float = -math.inf
    ends: float = -math.inf
    orders: int = 0
    order_volume: Decimal = _ZERO
    trades: int = 0
    trade_volume: Decimal = _ZERO

    def admits(self, time: float, starts_at: int) -> bool:
        """Begin anew with the first event of a new day; ``False`` for a late one of a day that is over."""
        if time >= self.ends:
            self.begins = day_of(time, starts_at)
            self.ends = self.begins + DAY_SECONDS
            self.orders = self.trades = 0
            self.order_volume = self.trade_volume = _ZERO
        return time >= self.begins

    def ordered(self, volume: Decimal) -> None:
        """A submission, modification or cancellation of *volume* was sent."""
        self.orders += 1
        self.order_volume += volume

    def traded(self, volume: Decimal) -> None:
        """A transaction of *volume*."""
        self.trades += 1
        self.trade_volume += volume

    def by_number(self, now: float) -> float | None:
        """Orders per transaction, less one; before the first transaction as if there had been one."""
        if not self.orders or now >= self.ends:
            return None
        return self.orders / max(1, self.trades) - 1

    def by_volume(self, now: float) -> float | None:
        """Ordered volume over traded volume, less one; ``None`` before the first transaction."""
        if not self.orders or now >= self.ends or self.trade_volume <= _ZERO:
            return None
        return float(self.order_volume / self.trade_volume) - 1


@dataclass(slots=True)
class Quality:
    """One instrument: what was sent in the window and what of it was filled, and the session; *price* is the last."""

    sent: Window = field(default_factory=Window)
    filled: Window = field(default_factory=Window)
    session: Session = field(default_factory=Session)
    price: Decimal | None = None
    held: Decimal = _ZERO


@dataclass(slots=True)
class Inventory:
    """Traded and held notional of a strategy in one currency; *gross* is what it holds since *at*.

    ``held`` adds up notional x seconds, ``known`` the seconds, so that their ratio is the mean over time.
    """

    gross: Decimal = _ZERO
    at: float | None = None
    traded: Window = field(default_factory=Window)
    held: Window = field(default_factory=Window)
    known: Window = field(default_factory=Window)

    def move(self, change: Decimal, time: float, seconds: int) -> None:
        """The notional held became *change* greater at *time*; *seconds* is the length of a slot."""
        if self.at is None:
            self.at = time
        begin = max(self.at, time - SLOTS * seconds)
        while begin < time:
            slot = int(begin // seconds)
            end = min(float((slot + 1) * seconds), time)
            span = Decimal(end - begin)
            self.held.add(slot, self.gross * span)
            self.known.add(slot, span)
            begin = end
        self.at = max(self.at, time)
        self.gross += change

    def turnover(self, now: float, seconds: int) -> float | None:
        """Traded notional of the window over the mean notional held in it; ``None`` when nothing was held."""
        slot = int(now // seconds)
        held, known = self.held.total(slot), self.known.total(slot)
        if self.at is not None and now > self.at:
            span = Decimal(min(now - self.at, float(SLOTS * seconds)))
            held += self.gross * span
            known += span
        if held <= _ZERO or known <= _ZERO:
            return None
        return float(self.traded.total(slot) * known / held)


@dataclass(slots=True)
class Strategy:
    """When a strategy last sent, was answered and traded (0: never), and its inventory by currency."""

    last_order: float = 0.0
    last_acknowledgement: float = 0.0
    last_fill: float = 0.0
    modifies: int = 0
    inventory: dict[str, Inventory] = field(default_factory=dict)


def slippage(side: str, price: Decimal, mid: Decimal) -> float:
    """What was paid beyond the mid at arrival, as a ratio of it; positive is a cost."""
    away = price - mid if side == "buy" else mid - price
    return float(away / mid)


def slippage_buckets() -> Buckets:
    """An empty histogram with signed bounds."""
    return Buckets(SLIPPAGE_RATIOS)
