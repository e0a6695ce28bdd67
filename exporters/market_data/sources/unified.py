"""What ccxt says of any exchange, in its unified form, as ours: pure, and what cannot be true is refused.

ccxt counts a derivative in contracts, and we count in base units.  A linear contract is ``contractSize`` of the base
currency, an inverse one is ``contractSize`` of the quote currency, worth more of the base the lower the price.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exporters.market_data.status import WORDS
from exporters.market_data.ticks import Levels, Snapshot, Tick, TickError, number_of

_MILLISECOND: Final = 1_000_000
_REMEMBERED: Final = 5_000

# Where ccxt 4.5.90 hands out amounts that are not in the contracts of its own contract size (its code says so):
# in base units, or (deribit) in units of one, of the quote currency when inverse.
_IN_BASE: Final = frozenset(
    {("apex", "depth"), ("apex", "trade"), ("bitget", "depth"), ("bitget", "trade"), ("xt", "trade")}
)
_IN_UNITS: Final = frozenset({"deribit"})


@dataclass(frozen=True, slots=True)
class Contract:
    """What an amount of one is: *size* of the base currency, or of the quote currency when *inverse*."""

    size: float = 1.0
    inverse: bool = False

    def base(self, price: float, amount: float) -> float:
        """*amount* in base units."""
        return amount * self.size / price if self.inverse else amount * self.size


BASE: Final = Contract()


def contract_of(exchange: str, market: Mapping[str, Any], stream: str) -> Contract | None:
    """The contract of ccxt's *market*; ``None`` where its size is not known, or no amount of it is worth price times
    quantity of the quote currency (quanto contracts, inverse options).
    """
    if not market.get("contract"):
        return BASE
    inverse = market.get("inverse") is True
    if (not inverse and market.get("linear") is not True) or (inverse and market.get("option")):
        return None
    if (exchange, stream) in _IN_BASE:
        return BASE
    size = 1.0 if exchange in _IN_UNITS else number_of(market.get("contractSize"))
    return Contract(size, inverse) if size else None


def book_of(symbol: str, said: Mapping[str, Any], contract: Contract, deepest: int | None = None) -> Snapshot:
    """A whole book, at most *deepest* levels a side; raises TickError."""
    nonce = said.get("nonce")
    return Snapshot(
        symbol,
        nonce if type(nonce) is int else 0,
        _levels(said.get("bids"), contract, deepest),
        _levels(said.get("asks"), contract, deepest),
    )


def trade_of(symbol: str, said: Mapping[str, Any], contract: Contract) -> Tick:
    """A trade of the market; raises TickError."""
    price, quantity = number_of(said.get("price")), number_of(said.get("amount"))
    if not price:
        raise TickError("price: must be a number above zero", "price")
    if not quantity:
        raise TickError("amount: must be a number above zero", "quantity")
    side = said.get("side")
    return Tick(
        "trade",
        symbol,
        time_of(said),
        0,
        0,
        None,
        price=price,
        quantity=contract.base(price, quantity),
        side=side if side in ("buy", "sell") else "unknown",
    )


def time_of(said: Mapping[str, Any]) -> int | None:
    """``timestamp`` in nanoseconds since the epoch, ``None`` where the exchange says none."""
    value = number_of(said.get("timestamp"))
    return int(value) * _MILLISECOND if value else None


def statuses_of(markets: Mapping[str, Any]) -> dict[str, str]:
    """Unified symbol -> trading, halt, break, auction or unknown, by the exchange's own word, else by ``active``."""
    found = {}
    for symbol, market in markets.items():
        info = market.get("info")
        word = info.get("status", info.get("contractStatus", info.get("state"))) if isinstance(info, Mapping) else None
        by_word = WORDS.get(word.upper()) if isinstance(word, str) else None
        active = market.get("active")
        found[symbol] = by_word or ("unknown" if active is None else "trading" if active else "halt")
    return found


class NewTrades:
    """Which trades of a list were not in the ones before, by their ids; memory is bounded."""

    def __init__(self) -> None:
        self._seen: set[Any] = set()
        self._order: deque[Any] = deque()
        self._begun = False

    def of(self, trades: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], bool]:
        """Those that are new, and whether some before them may have been missed.  Of the first list none is new: it
        is about the time before we listened.
        """
        fresh = []
        overlap = False
        listed = False
        for trade in trades:
            listed = True
            key = trade.get("id") or (trade.get("timestamp"), trade.get("price"), trade.get("amount"))
            if key in self._seen:
                overlap = True
                continue
            self._seen.add(key)
            self._order.append(key)
            fresh.append(trade)
            if len(self._order) > _REMEMBERED:
                self._seen.discard(self._order.popleft())
        if not self._begun:
            self._begun = listed
            return [], False
        return fresh, listed and not overlap


def _levels(said: Any, contract: Contract, deepest: int | None) -> Levels:
    if said is None:
        return ()
    levels = []
    if not isinstance(said, list):
        raise TickError("bids, asks: must be lists")
    for each in said[:deepest]:
        if not isinstance(each, list | tuple) or len(each) < 2:  # price and quantity
            raise TickError("bids, asks: must hold pairs of price and quantity")
        price, quantity = number_of(each[0]), number_of(each[1])
        if not price:
            raise TickError("a price must be a number above zero", "price")
        if quantity is None:
            raise TickError("a quantity must be a number that is not negative", "quantity")
        levels.append((price, contract.base(price, quantity)))
    return tuple(levels)
