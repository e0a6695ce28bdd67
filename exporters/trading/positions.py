"""What the strategies hold: quantity and notional of each position, gross and net exposure."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from prometheus_client.metrics_core import Metric

from exporters.series import gauge
from exporters.trading.events import Position
from exporters.trading.keys import IN_CURRENCY, INSTRUMENT, MONEY, EquityKey, InstrumentKey

_P: Final = "`position` events"

GROSS_EXPOSURE: Final = gauge(
    "trading_gross_exposure",
    MONEY,
    "kill",
    IN_CURRENCY,
    _P,
    "Sum of the strategy's notionals without their signs.",
)
NET_EXPOSURE: Final = gauge(
    "trading_net_exposure",
    MONEY,
    "kill",
    IN_CURRENCY,
    _P,
    "Sum of the strategy's notionals.",
)
POSITION_QUANTITY: Final = gauge(
    "trading_position_quantity",
    INSTRUMENT,
    "rest",
    "base units, signed",
    _P,
    "Position of the strategy, as last said.",
)
POSITION_NOTIONAL: Final = gauge(
    "trading_position_notional",
    f"{INSTRUMENT} currency",
    "rest",
    f"{IN_CURRENCY}, signed",
    _P,
    "Quantity x mark price x multiplier; in the symbol's own base (an inverse contract) quantity x multiplier.",
)
SERIES: Final = (GROSS_EXPOSURE, NET_EXPOSURE, POSITION_QUANTITY, POSITION_NOTIONAL)


class Holding(NamedTuple):
    """A position as it was last said, and what it is worth in its currency (signed)."""

    position: Position
    notional: Decimal

    def dump(self) -> list[Any]:
        """As plain JSON."""
        return [str(value) if isinstance(value, Decimal) else value for value in self.position]

    @classmethod
    def of(cls, position: Position, base: str) -> "Holding":
        """*position* of a symbol whose base currency is *base*."""
        return cls(
            position,
            notional(position.quantity, position.mark_price, position.multiplier, inverse=position.currency == base),
        )


def restored(saved: Any) -> Position:
    """What ``dump`` gave."""
    quantity, mark, multiplier, currency, unrealised, realised = saved
    return Position(
        quantity=Decimal(quantity),
        mark_price=Decimal(mark),
        multiplier=Decimal(multiplier),
        currency=str(currency),
        unrealised_pnl=None if unrealised is None else Decimal(unrealised),
        realised_pnl=None if realised is None else Decimal(realised),
    )


def notional(quantity: Decimal, price: Decimal, multiplier: Decimal, *, inverse: bool) -> Decimal:
    """What a quantity in base units is worth: counted in its own base (*inverse*) no price is needed."""
    return quantity * multiplier if inverse else quantity * price * multiplier


Held = Iterable[tuple[InstrumentKey, Holding]]


def exposure(held: Held) -> Iterator[Metric]:
    """Gross and net exposure of each strategy and currency."""
    gross: dict[EquityKey, Decimal] = {}
    net: dict[EquityKey, Decimal] = {}
    for key, each in held:
        book = (*key[:3], each.position.currency)
        gross[book] = gross.get(book, Decimal(0)) + abs(each.notional)
        net[book] = net.get(book, Decimal(0)) + each.notional
    yield GROSS_EXPOSURE.family((key, float(total)) for key, total in gross.items())
    yield NET_EXPOSURE.family((key, float(total)) for key, total in net.items())


def positions(held: Held) -> Iterator[Metric]:
    """Quantity and notional of each position."""
    found = list(held)
    yield POSITION_QUANTITY.family((key, float(each.position.quantity)) for key, each in found)
    yield POSITION_NOTIONAL.family(((*key, each.position.currency), float(each.notional)) for key, each in found)
