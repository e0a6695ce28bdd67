"""Orders and transactions of a trading session, as RTS 9 counts them."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from exporters.trading.equity.book import DAY_SECONDS, day_of

_ZERO: Final = Decimal(0)


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

    def dump(self) -> list[Any] | None:
        """As plain JSON; ``None`` while nothing was counted."""
        if not self.orders and not self.trades:
            return None
        return [self.begins, self.ends, self.orders, str(self.order_volume), self.trades, str(self.trade_volume)]

    @classmethod
    def restored(cls, saved: Any) -> "Session":
        """What ``dump`` gave."""
        if saved is None:
            return cls()
        begins, ends, orders, order_volume, trades, trade_volume = saved
        return cls(float(begins), float(ends), int(orders), Decimal(order_volume), int(trades), Decimal(trade_volume))
