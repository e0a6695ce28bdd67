"""Positions, spot balances, and the arithmetic of margin."""

from dataclasses import dataclass
from decimal import Decimal

from sandbox.venue.instruments import BRACKETS

ZERO = Decimal(0)
DEFAULT_LEVERAGE = 20
SMALLEST = Decimal("0.00000001")


@dataclass(slots=True)
class Position:
    """A one-way position: signed quantity, mean entry price, realised profit since the start (before fees)."""

    symbol: str
    quantity: Decimal = ZERO
    entry: Decimal = ZERO
    realised: Decimal = ZERO
    leverage: int = DEFAULT_LEVERAGE
    update_time: int = 0

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit if it were closed at the mark."""
        return (mark - self.entry) * self.quantity

    def fill(self, signed: Decimal, price: Decimal) -> Decimal:
        """Add a signed quantity at a price; returns the profit this realised."""
        before = self.quantity
        after = before + signed
        realised = ZERO
        if before == 0 or (before > 0) == (signed > 0):
            self.entry = (self.entry * abs(before) + price * abs(signed)) / abs(after)
        else:
            closed = min(abs(before), abs(signed))
            # Rounded as it is booked, so that the sum of what was told is what the wallet has got.
            realised = ((price - self.entry) * (closed if before > 0 else -closed)).quantize(SMALLEST)
            if after == 0:
                self.entry = ZERO
            elif (after > 0) != (before > 0):
                self.entry = price
        self.quantity = after
        self.realised += realised
        return realised


@dataclass(slots=True)
class Holding:
    """A spot balance."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Margin:
    """A futures account at one moment, in USDT."""

    wallet: Decimal
    unrealised: Decimal
    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal

    @property
    def balance(self) -> Decimal:
        """Wallet and unrealised profit: the account's equity."""
        return self.wallet + self.unrealised

    @property
    def initial(self) -> Decimal:
        """What positions and resting orders tie up."""
        return self.position_initial + self.order_initial

    @property
    def available(self) -> Decimal:
        """What new orders may use; never negative."""
        return max(ZERO, self.balance - self.initial)


def maintenance_margin(notional: Decimal) -> Decimal:
    """What a position of this notional must be backed by, in USDT."""
    bracket = next((one for one in BRACKETS if notional < one.cap), BRACKETS[-1])
    return max(ZERO, notional * bracket.rate - bracket.cumulative)
