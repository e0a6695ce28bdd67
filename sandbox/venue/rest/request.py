"""One request as its handler sees it: its parameters read strictly, its account, and what faults do to its cancels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from sandbox.venue import refusal
from sandbox.venue.accounts.account import Account, ApiKey
from sandbox.venue.faults.cancels import CancelFaults
from sandbox.venue.instruments import Market
from sandbox.venue.matching.countdown import Countdowns
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.orders.order import AlgoOrder, Order, Side
from sandbox.venue.refusal import Refused

CLIENT_ID_LENGTH = 36


@dataclass(slots=True)
class ApiRequest:
    """A request whose key, time and signature are right."""

    params: dict[str, str]
    exchange: Exchange
    signed_by: tuple[Account, ApiKey] | None = None
    cancels: CancelFaults = field(default_factory=CancelFaults)
    countdowns: Countdowns | None = None

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
        self.exchange.pair(market, symbol)
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

    def cancel(self, order: Order) -> None:
        """Cancel one order (or pretend to); raises Refused when a fault refuses it."""
        self._refuse(order)
        self.cancels.apply(self.exchange.cancel, [order], whole_book=False)

    def cancel_all(self, orders: Iterable[Order]) -> list[Order]:
        """Cancel many orders (or pretend to); gives those that are said to be cancelled."""
        found = [one for one in orders if self.cancels.refusal(one) is None]
        self.cancels.apply(self.exchange.cancel, found, whole_book=True)
        return found

    def cancel_algo(self, algo: AlgoOrder) -> None:
        """Cancel one conditional order (or pretend to); raises Refused when a fault refuses it."""
        self._refuse(algo)
        self.cancels.apply(self.exchange.end_algo, [algo], whole_book=False)

    def cancel_all_algos(self, algos: Iterable[AlgoOrder]) -> None:
        """Cancel many conditional orders (or pretend to)."""
        found = [one for one in algos if self.cancels.refusal(one) is None]
        self.cancels.apply(self.exchange.end_algo, found, whole_book=True)

    def _refuse(self, order: Order | AlgoOrder) -> None:
        refused = self.cancels.refusal(order)
        if refused is not None:
            raise refused


def parameters(query: str, body: str) -> dict[str, str]:
    """All parameters of a request; the body's win."""
    found = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    if body:
        found.update(parse_qsl(body, keep_blank_values=True))
    return found
