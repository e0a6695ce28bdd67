"""What fills cost against the mid at their order's arrival: by ratio, and in money."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from exporters.buckets import Buckets

_STEPS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)
RATIOS: Final = (*(-step for step in reversed(_STEPS)), 0.0, *_STEPS)
_MAX_CURRENCIES: Final = 4
_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Cost:
    """The measured fills in one currency: what they were worth at the arrival mid, what they lost and won against it.

    Lost and won are apart, as neither may fall; lost less won over *notional* is the slippage weighted by quantity.
    """

    notional: Decimal = _ZERO
    lost: Decimal = _ZERO
    won: Decimal = _ZERO


@dataclass(slots=True)
class Slippage:
    """The fills of one strategy since the start of the process that have an arrival mid."""

    ratios: Buckets = field(default_factory=lambda: Buckets(RATIOS))
    costs: dict[str, Cost] = field(default_factory=dict)

    def measure(self, side: str, price: Decimal, mid: Decimal, worth: Decimal, currency: str) -> bool:
        """A fill at *price*, *worth* this much at the arrival *mid*; ``False``: there is no room for its currency."""
        ratio = (price - mid if side == "buy" else mid - price) / mid
        self.ratios.observe(float(ratio))
        cost = self.costs.get(currency)
        if cost is None:
            if len(self.costs) >= _MAX_CURRENCIES:
                return False
            cost = self.costs[currency] = Cost()
        cost.notional += worth
        if ratio >= _ZERO:
            cost.lost += worth * ratio
        else:
            cost.won -= worth * ratio
        return True
