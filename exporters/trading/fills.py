"""What was traded and what it cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import counter
from exporters.trading.keys import IN_CURRENCY, INSTRUMENT, InstrumentKey

_MAX_CURRENCIES: Final = 4
_ZERO: Final = Decimal(0)

FILLS: Final = counter("trading_fills_total", INSTRUMENT, "rest", "fills", "`fill` events", "Fills.")
FILLED_QUANTITY: Final = counter(
    "trading_filled_quantity_total",
    INSTRUMENT,
    "rest",
    "base units",
    "`fill` events",
    "Quantity filled, bought and sold.",
)
TRADED_NOTIONAL: Final = counter(
    "trading_traded_notional_total",
    f"{INSTRUMENT} currency",
    "rest",
    IN_CURRENCY,
    "`fill` events",
    "Notional of the fills, with the multiplier of the last position event (else 1), in the currency the symbol is "
    "settled in.",
)
FEES: Final = counter(
    "trading_fees_total",
    f"{INSTRUMENT} currency",
    "rest",
    IN_CURRENCY,
    "`fill` events",
    "Fees paid; rebates are apart.",
)
REBATES: Final = counter(
    "trading_fee_rebates_total",
    f"{INSTRUMENT} currency",
    "rest",
    IN_CURRENCY,
    "`fill` events with a negative `fee`",
    "Fees received.",
)
SERIES: Final = (FILLS, FILLED_QUANTITY, TRADED_NOTIONAL, FEES, REBATES)


@dataclass(slots=True)
class Fills:
    """The fills of one instrument since the start of the process; *currency* is what it is settled in."""

    currency: str
    count: int = 0
    quantity: Decimal = _ZERO
    notional: Decimal = _ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)
    rebates: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fees[self.currency] = _ZERO

    def pay(self, fee: Decimal, currency: str) -> bool:
        """A fee was taken (a negative one is a rebate); ``False``: there is no room for another currency."""
        kept = self.fees if fee >= _ZERO else self.rebates
        if currency not in kept and len(kept) >= _MAX_CURRENCIES:
            return False
        kept[currency] = kept.get(currency, _ZERO) + abs(fee)
        return True


def fills(instruments: Iterable[tuple[InstrumentKey, Fills]]) -> Iterator[Metric]:
    """What was traded and what it cost."""
    known = list(instruments)
    yield FILLS.family((key, each.count) for key, each in known)
    yield FILLED_QUANTITY.family((key, float(each.quantity)) for key, each in known)
    yield TRADED_NOTIONAL.family(((*key, each.currency), float(each.notional)) for key, each in known)
    yield FEES.family(((*key, currency), float(paid)) for key, each in known for currency, paid in each.fees.items())
    yield REBATES.family(
        ((*key, currency), float(got)) for key, each in known for currency, got in each.rebates.items()
    )
