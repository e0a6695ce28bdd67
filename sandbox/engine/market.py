"""What the market looks like to a strategy: symbols, the top of the book, and the rules of prices and quantities."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum


def venue_symbol(symbol: str) -> str:
    """Write ``BTC/USDT:USDT`` as Binance does: ``BTCUSDT``."""
    return symbol.partition(":")[0].replace("/", "")


def unified_symbol(symbol: str, currency: str = "USDT") -> str:
    """Write ``BTCUSDT`` as ccxt does: ``BTC/USDT:USDT``, the perpetual that is quoted and settled in *currency*."""
    return f"{symbol.removesuffix(currency)}/{currency}:{currency}"


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The other one."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, slots=True)
class Tick:
    """The best prices, in quote units; ``at`` is when we read them, in seconds of the monotonic clock."""

    bid: Decimal
    ask: Decimal
    at: float

    @property
    def mid(self) -> Decimal:
        """Half way between the best prices."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Rules:
    """What the venue asks of an order: prices in whole ``price_tick``, quantities in whole ``quantity_step``.

    ``minimum_notional`` (quote units) does not hold for reduce-only orders.
    """

    price_tick: Decimal
    quantity_step: Decimal
    minimum_quantity: Decimal
    minimum_notional: Decimal

    def price_down(self, price: Decimal) -> Decimal:
        """Round a price down to a whole tick."""
        return (price / self.price_tick).to_integral_value(ROUND_FLOOR) * self.price_tick

    def price_up(self, price: Decimal) -> Decimal:
        """Round a price up to a whole tick."""
        return (price / self.price_tick).to_integral_value(ROUND_CEILING) * self.price_tick

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """Round a quantity down to a whole step."""
        return (quantity / self.quantity_step).to_integral_value(ROUND_FLOOR) * self.quantity_step

    def smallest(self, price: Decimal) -> Decimal:
        """Give the smallest quantity that may be sent at *price*: a tenth above the venue's minimum, to be sure."""
        needed = self.minimum_notional * Decimal("1.1") / price
        steps = (needed / self.quantity_step).to_integral_value(ROUND_CEILING)
        return max(self.minimum_quantity, steps * self.quantity_step)
