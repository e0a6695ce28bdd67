"""What is known of each exchange.  A new one is one file here and one line in `CATALOGUE`."""

from collections.abc import Mapping
from typing import Any

from webhook.venues.ccxt.exchanges import (
    binance,
    binancecoinm,
    binanceusdm,
    bitget,
    bybit,
    coinbase,
    deribit,
    gate,
    hyperliquid,
    kraken,
    krakenfutures,
    kucoin,
    kucoinfutures,
    okx,
)
from webhook.venues.ccxt.exchanges.model import Book, Exchange, Listing, PositionBook, Product, Request

CATALOGUE: Mapping[str, Exchange] = {
    one.name: one
    for one in (
        binance.EXCHANGE,
        binancecoinm.EXCHANGE,
        binanceusdm.EXCHANGE,
        bitget.EXCHANGE,
        bybit.EXCHANGE,
        coinbase.EXCHANGE,
        deribit.EXCHANGE,
        gate.EXCHANGE,
        hyperliquid.EXCHANGE,
        kraken.EXCHANGE,
        krakenfutures.EXCHANGE,
        kucoin.EXCHANGE,
        kucoinfutures.EXCHANGE,
        okx.EXCHANGE,
    )
}

_EVERY_TYPE = frozenset({"spot", "margin", "swap", "future", "option"})


def unknown(client: Any) -> Exchange:
    """An exchange without a file, as ccxt describes it (*client* is its object): cancelled, never verified.

    A symbol is never cancelled by a request that may mean more than it: orders are listed, and cancelled one by one.
    """
    has = {name: client.has.get(name) is True for name in ("cancelAllOrders", "cancelOrders", "fetchPositions")}
    books = []
    for name, params in (("normal", {}), ("trigger", {"trigger": True}), ("trailing", {"trailing": True})):
        if name != "normal" and not _anywhere(client.features, name):
            continue
        books.append(
            Book(
                name=name,
                products=("all",),
                account=(Listing("fetch_open_orders", params),),
                symbol=(Listing("fetch_open_orders", {"symbol": "$unified", **params}),),
                cancel=Request("cancel_order", {"id": "$id", "symbol": "$unified", **params}),
                batch=Request("cancel_orders", {"ids": "$ids", "symbol": "$unified", **params})
                if has["cancelOrders"]
                else None,
                cancel_account=(Request("cancel_all_orders", params),) if has["cancelAllOrders"] else (),
                parse="",
                trigger=name != "normal",
            )
        )
    positions = PositionBook(
        name="positions", product="all", account=(Listing("fetch_positions"),), size=("contracts",), parse=""
    )
    return Exchange(
        name=str(client.id),
        products=(Product("all", _EVERY_TYPE),),
        books=tuple(books),
        positions=(positions,) if has["fetchPositions"] else (),
        known=False,
    )


def _anywhere(features: Any, name: str) -> bool:
    """Whether ccxt says of any market type that open orders of this kind are listed apart."""
    if not isinstance(features, Mapping):
        return False
    listed = features.get("fetchOpenOrders")
    if isinstance(listed, Mapping) and listed.get(name) is True:
        return True
    return any(_anywhere(inner, name) for key, inner in features.items() if key != "fetchOpenOrders")
