"""Orders of the normal and of the conditional book, and their trades."""

import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from sandbox.venue.instruments import Market

ZERO = Decimal(0)
# The name of the conditional book; the normal books are named after their markets.
ALGO = "algo"


class Side(StrEnum):
    """Which way."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Status(StrEnum):
    """Where an order is in its life; the last three rows of Binance's list that we need are final."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(slots=True)
class Trade:
    """One fill of one order."""

    trade_id: int
    order_id: int
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    realised: Decimal
    maker: bool
    time: int


@dataclass(slots=True)
class Order:
    """An order of the normal book.  Times are venue milliseconds; prices are 0 where they do not apply."""

    order_id: int
    client_order_id: str
    account: str
    market: Market
    symbol: str
    side: Side
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    time: int
    reduce_only: bool = False
    close_position: bool = False
    stop_price: Decimal = ZERO
    status: Status = Status.NEW
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    update_time: int = 0
    # Spot stop orders wait in the normal book until their price is reached; everything else works at once.
    waiting: bool = False
    # What stood at our price before us: it must trade first.
    queue_ahead: Decimal = ZERO
    trades: list[Trade] = field(default_factory=list)

    @property
    def ids(self) -> tuple[str, str]:
        """The venue's id and the client's."""
        return str(self.order_id), self.client_order_id

    @property
    def remaining(self) -> Decimal:
        """What is left to fill."""
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status is Status.NEW or self.status is Status.PARTIALLY_FILLED

    @property
    def average(self) -> Decimal:
        """The mean price of what was filled; 0 before."""
        return (self.quote / self.executed).quantize(Decimal("0.00000001")) if self.executed else ZERO


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What somebody asks for.  `price` is 0 for a market order; `quote_quantity` is for spot market orders only."""

    symbol: str
    side: Side
    type: str
    quantity: Decimal
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    stop_price: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    client_id: str = ""

    @property
    def post_only(self) -> bool:
        """Whether it must not take."""
        return self.time_in_force == "GTX" or self.type == "LIMIT_MAKER"


class AlgoStatus(StrEnum):
    """Where a conditional order is in its life."""

    NEW = "NEW"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@dataclass(slots=True)
class AlgoOrder:
    """A conditional order: futures keep these in a book of their own, which the normal cancel-all does not touch."""

    algo_id: int
    client_algo_id: str
    account: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    working_type: str
    time: int
    reduce_only: bool = False
    close_position: bool = False
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO
    status: AlgoStatus = AlgoStatus.NEW
    update_time: int = 0
    trigger_time: int = 0
    # The normal order it became, if it did, and the best price seen since a trailing stop came alive.
    actual_order_id: int = 0
    extreme: Decimal | None = None

    @property
    def ids(self) -> tuple[str, str]:
        """The venue's id and the client's."""
        return str(self.algo_id), self.client_algo_id

    @property
    def is_open(self) -> bool:
        """Whether it can still trigger."""
        return self.status is AlgoStatus.NEW


def new_client_id() -> str:
    """An id for an order whose owner did not give one."""
    return secrets.token_hex(11)
