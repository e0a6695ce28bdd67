"""One request as a route sees it: its parameters read strictly, its account, and what faults do to its cancels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.venue import refusal
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.instruments import Instrument, Market
from sandbox.venue.accounts.account import Account, ApiKey
from sandbox.venue.orders.order import AlgoOrder, Order, Side
from sandbox.venue.refusal import Refused

CLIENT_ID_LENGTH = 36


@dataclass(slots=True)
class CancelFaults:
    """How cancels of this request are falsified: applied `late` by so many seconds, or missing some of a cancel-all."""

    late: float | None = None
    missing_count: int = 0
    missing_ratio: float = 0.0
    later: Callable[[float, Callable[[], None]], None] | None = None

    def apply(self, cancels: Iterable[Callable[[], None]], *, whole_book: bool) -> None:
        """Do the cancels as far and as late as the faults let them happen; the client hears of success anyhow."""
        todo = list(cancels)
        if whole_book and (self.missing_count or self.missing_ratio):
            missed = max(self.missing_count, round(len(todo) * self.missing_ratio))
            todo = todo[: max(0, len(todo) - missed)]
        for cancel in todo:
            if self.late is not None and self.later is not None:
                self.later(self.late, cancel)
            else:
                cancel()


@dataclass(slots=True)
class Call:
    """A request that passed the door."""

    params: dict[str, str]
    exchange: Exchange
    signed_by: tuple[Account, ApiKey] | None = None
    cancels: CancelFaults = field(default_factory=CancelFaults)
    # Sets the dead man's timer: (account, symbol, milliseconds).
    countdown: Callable[[Account, str, int], None] | None = None

    @property
    def account(self) -> Account:
        """The account whose key signed; only signed routes ask."""
        if self.signed_by is None:
            raise Refused(-2014, "API-key format invalid.", status=401)
        return self.signed_by[0]

    def text(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.params.get(name)
        if not value:
            raise refusal.missing(name)
        return value

    def optional(self, name: str) -> str | None:
        """A parameter that may be there; empty is absent."""
        return self.params.get(name) or None

    def number(self, name: str) -> int | None:
        """A whole number, if given."""
        value = self.optional(name)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            raise refusal.missing(name) from None

    def decimal(self, name: str) -> Decimal | None:
        """A decimal, if given; negative, infinite and unreadable values are refused."""
        value = self.optional(name)
        if value is None:
            return None
        try:
            found = Decimal(value)
        except InvalidOperation:
            raise refusal.missing(name) from None
        if not found.is_finite() or found < 0:
            raise refusal.missing(name)
        return found

    def flag(self, name: str) -> bool:
        """True for `true`, false for `false` or absence."""
        value = (self.optional(name) or "false").lower()
        if value not in {"true", "false"}:
            raise refusal.missing(name)
        return value == "true"

    def symbol(self, market: Market) -> str:
        """A symbol that is traded."""
        symbol = self.text("symbol")
        self.exchange.listing(market, symbol)
        return symbol

    def maybe_symbol(self, market: Market) -> str | None:
        """A symbol that is traded, if one is given."""
        return self.symbol(market) if self.optional("symbol") else None

    def side(self) -> Side:
        """BUY or SELL."""
        try:
            return Side(self.text("side"))
        except ValueError:
            raise Refused(-1117, "Invalid side.") from None

    def client_id(self, name: str) -> str:
        """A client's order id, empty when it gave none; -4015 for a bad one."""
        value = self.optional(name) or ""
        if len(value) > CLIENT_ID_LENGTH:
            raise Refused(-4015, "Client order id length should be less than 36 chars.")
        if value and not all(one.isascii() and (one.isalnum() or one in ".:/_-") for one in value):
            raise Refused(-4015, "Client order id is not valid.")
        return value

    def cancel_order(self, order: Order) -> None:
        """Cancel one order (or pretend to)."""
        self.cancels.apply([lambda: self.exchange.cancel(order)], whole_book=False)

    def cancel_all(self, orders: Iterable[Order]) -> None:
        """Cancel many orders (or pretend to)."""
        self.cancels.apply([_cancel(self.exchange, one) for one in orders], whole_book=True)

    def cancel_algo(self, algo: AlgoOrder) -> None:
        """Cancel one conditional order (or pretend to)."""
        self.cancels.apply([lambda: self.exchange.end_algo(algo)], whole_book=False)

    def cancel_all_algos(self, algos: Iterable[AlgoOrder]) -> None:
        """Cancel many conditional orders (or pretend to)."""
        self.cancels.apply([_end_algo(self.exchange, one) for one in algos], whole_book=True)


def _cancel(exchange: Exchange, order: Order) -> Callable[[], None]:
    return lambda: exchange.cancel(order)


def _end_algo(exchange: Exchange, algo: AlgoOrder) -> Callable[[], None]:
    return lambda: exchange.end_algo(algo)


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A path that is served: what answers, whether it must be signed, its request weight, how many orders it is."""

    handler: Handler
    signed: bool = True
    weight: int = 1
    weight_without_symbol: int | None = None
    orders: int = 0


Routes = dict[tuple[str, str], Route]


def on_grid(value: Decimal, increment: Decimal) -> bool:
    """Whether a value is a whole multiple of the increment."""
    return value % increment == 0


def check_futures_filters(instrument: Instrument, *, price: Decimal | None, quantity: Decimal | None) -> None:
    """The PRICE_FILTER and LOT_SIZE of a perpetual."""
    if price is not None:
        if price <= 0:
            raise Refused(-4001, "Price less than 0.")
        if _decimals(price) > _decimals(instrument.tick):
            raise Refused(-1111, "Precision is over the maximum defined for this asset.")
        if not on_grid(price, instrument.tick):
            raise Refused(-4014, "Price not increased by tick size.")
    if quantity is not None:
        if quantity <= 0:
            raise Refused(-4003, "Quantity less than or equal to zero.")
        if _decimals(quantity) > _decimals(instrument.step):
            raise Refused(-1111, "Precision is over the maximum defined for this asset.")
        if quantity > instrument.max_quantity:
            raise Refused(-4005, "Quantity greater than max quantity.")
        if not on_grid(quantity, instrument.step):
            raise Refused(-4023, "Qty not increased by step size.")


def check_spot_filters(instrument: Instrument, *, price: Decimal | None, quantity: Decimal | None) -> None:
    """The PRICE_FILTER and LOT_SIZE of a spot symbol."""
    if price is not None and (price <= 0 or not on_grid(price, instrument.tick)):
        raise Refused(-1013, "Filter failure: PRICE_FILTER")
    if quantity is not None and (
        quantity <= 0 or quantity > instrument.max_quantity or not on_grid(quantity, instrument.step)
    ):
        raise Refused(-1013, "Filter failure: LOT_SIZE")


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
