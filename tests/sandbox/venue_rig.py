"""A venue without HTTP: real exchange, real books, moved by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sandbox.venue.accounts.account import Account, ApiKey
from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Market, catalogue
from sandbox.venue.market.pair import TradingPair
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.orders.order import AlgoOrder, NewOrder, Order, Side

BTC = "BTCUSDT"
D = Decimal


@dataclass
class Recorder:
    """A publisher that keeps what it was given."""

    messages: list[tuple[Market, str, str, str, dict[str, Any]]] = field(default_factory=list)

    def publish(self, market: Market, symbol: str, kind: str, stream: str, data: dict[str, Any]) -> None:
        self.messages.append((market, symbol, kind, stream, data))

    def of(self, market: Market, kind: str, symbol: str = BTC) -> list[dict[str, Any]]:
        return [one[4] for one in self.messages if one[:3] == (market, symbol, kind)]


@dataclass
class Rig:
    """Two accounts, `mm` and `trend`, and BTC books that start at 60,000.0 / 60,000.2 with 1 BTC a level."""

    recorder: Recorder = field(default_factory=Recorder)
    balance: str = "100000"

    def __post_init__(self) -> None:
        accounts = [
            Account(name, (ApiKey("engine", f"{name}-key", b"secret"),), {"USDT": D(self.balance)})
            for name in ("mm", "trend")
        ]
        self.exchange = Exchange(catalogue(), accounts, VenueClock(), self.recorder)
        self.mm, self.trend = accounts
        bids = [(f"{60000 - at * 0.2:.1f}", "1") for at in range(5)]
        asks = [(f"{60000.2 + at * 0.2:.1f}", "1") for at in range(5)]
        for market in Market:
            self.pair(market).load(bids, asks, update_id=100)

    def pair(self, market: Market = Market.USDM, symbol: str = BTC) -> TradingPair:
        return self.exchange.pair(market, symbol)

    def limit(self, side: Side, quantity: str, price: str, *, account: Account | None = None, **more: Any) -> Order:
        market = more.pop("market", Market.USDM)
        new = NewOrder(BTC, side, more.pop("type", "LIMIT"), D(quantity), D(price), **more)
        return self.exchange.place(account or self.mm, market, new)

    def at_market(self, side: Side, quantity: str, *, account: Account | None = None, **more: Any) -> Order:
        market = more.pop("market", Market.USDM)
        return self.exchange.place(account or self.mm, market, NewOrder(BTC, side, "MARKET", D(quantity), **more))

    def stop(self, side: Side, trigger: str, *, account: Account | None = None, **more: Any) -> AlgoOrder:
        owner = account or self.mm
        algo = AlgoOrder(
            algo_id=0,
            client_algo_id=more.pop("client_id", ""),
            account=owner.name,
            symbol=BTC,
            side=side,
            type=more.pop("type", "STOP_MARKET"),
            time_in_force="GTC",
            quantity=D(more.pop("quantity", "0.1")),
            price=D(more.pop("price", "0")),
            trigger_price=D(trigger),
            working_type=more.pop("working_type", "CONTRACT_PRICE"),
            time=0,
            **more,
        )
        return self.exchange.place_algo(owner, algo)

    def depth(self, bids: Sequence[tuple[str, str]] = (), asks: Sequence[tuple[str, str]] = ()) -> None:
        self.pair().depth(bids, asks, event_ms=1)

    def trade(self, price: str, quantity: str, *, buyer_is_maker: bool) -> None:
        self.pair().trade(price, quantity, buyer_is_maker=buyer_is_maker, event_ms=1)
