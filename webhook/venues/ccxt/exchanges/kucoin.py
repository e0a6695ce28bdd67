"""KuCoin, classic account: spot, margin and futures.

https://www.kucoin.com/docs-new: spot and margin list open orders of one symbol, and (hf/orders/active/symbols) the
symbols that have some; stop orders and OCO orders have lists of their own, in pages.  Futures list all, in pages, and
stop orders apart.  A unified account has other addresses: nothing of this is true there, so that it is asked for first.
"""

from webhook.venues.ccxt.exchanges.model import (
    Book,
    ClientIds,
    Exchange,
    Listing,
    Numbered,
    PositionBook,
    Product,
    Request,
    Values,
)

FUTURES = Product("futures", frozenset({"swap", "future"}))
_PAGES = Numbered("currentPage")


def _paged(method: str, size: int, **params: str) -> Listing:
    return Listing(method, {"pageSize": str(size), **params}, ("data", "items"), size, _PAGES)


def _stops(name: str, product: str, kind: str) -> Book:
    cancel_all = "privateDeleteStopOrderCancel"
    return Book(
        name=name,
        products=(product,),
        account=(_paged("privateGetStopOrder", 500, tradeType=kind),),
        symbol=(_paged("privateGetStopOrder", 500, tradeType=kind, symbol="$symbol"),),
        cancel=Request("privateDeleteStopOrderOrderId", {"orderId": "$id"}),
        cancel_symbol=(Request(cancel_all, {"symbol": "$symbol", "tradeType": kind}),),
        cancel_account=(Request(cancel_all, {"tradeType": kind}),),
        trigger=True,
    )


def _margin(product: str, kind: str) -> Book:
    def listing(symbol: str) -> Listing:
        return Listing("privateGetHfMarginOrdersActive", {"symbol": symbol, "tradeType": kind}, ("data",))

    return Book(
        name=product,
        products=(product,),
        account=(listing(f"${product}"),),
        symbol=(listing("$symbol"),),
        cancel=Request("privateDeleteHfMarginOrdersOrderId", {"symbol": "$symbol", "orderId": "$id"}),
        cancel_symbol=(Request("privateDeleteHfMarginOrders", {"symbol": "$symbol", "tradeType": kind}),),
    )


def _active_symbols(kind: str) -> Listing:
    return Listing("privateGetHfMarginOrderActiveSymbols", {"tradeType": kind}, ("data", "symbols"))


_NO_STOPS = "how stop and OCO orders on margin are listed is not established"
_MARGIN = {"cross_margin": "MARGIN_TRADE", "isolated_margin": "MARGIN_ISOLATED_TRADE"}

FUTURES_BOOKS = (
    Book(
        name="futures",
        products=("futures",),
        account=(_paged("futuresPrivateGetOrders", 1000, status="active"),),
        symbol=(_paged("futuresPrivateGetOrders", 1000, status="active", symbol="$symbol"),),
        cancel=Request("futuresPrivateDeleteOrdersOrderId", {"orderId": "$id"}),
        cancel_symbol=(Request("futuresPrivateDeleteOrders", {"symbol": "$symbol"}),),
        cancel_account=(Request("futuresPrivateDeleteOrders"),),
    ),
    Book(
        name="futures stop",
        products=("futures",),
        account=(_paged("futuresPrivateGetStopOrders", 1000),),
        symbol=(_paged("futuresPrivateGetStopOrders", 1000, symbol="$symbol"),),
        cancel=Request("futuresPrivateDeleteOrdersOrderId", {"orderId": "$id"}),
        cancel_symbol=(Request("futuresPrivateDeleteStopOrders", {"symbol": "$symbol"}),),
        cancel_account=(Request("futuresPrivateDeleteStopOrders"),),
        trigger=True,
    ),
)
FUTURES_POSITIONS = PositionBook(
    name="futures",
    product="futures",
    account=(Listing("futuresPrivateGetPositions", rows=("data",)),),
    size=("currentQty",),
)
FUTURES_LOOKUP = Listing("futuresPrivateGetOrdersByClientOid", {"clientOid": "$client"}, ("data",))
CLIENT_IDS = ClientIds(longest=40, others="-_")
MODE = ("uta", False)
"""ccxt's option that `is_uta_enabled` learns."""

EXCHANGE = Exchange(
    name="kucoin",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        *(Product(name, frozenset({"spot"}), unread=_NO_STOPS, holdings="balances") for name in _MARGIN),
        FUTURES,
    ),
    books=(
        Book(
            name="spot",
            products=("spot",),
            account=(Listing("privateGetHfOrdersActive", {"symbol": "$spot"}, ("data",)),),
            symbol=(Listing("privateGetHfOrdersActive", {"symbol": "$symbol"}, ("data",)),),
            cancel=Request("privateDeleteHfOrdersOrderId", {"symbol": "$symbol", "orderId": "$id"}),
            cancel_symbol=(Request("privateDeleteHfOrders", {"symbol": "$symbol"}),),
            cancel_account=(Request("privateDeleteHfOrdersCancelAll"),),
        ),
        _stops("spot stop", "spot", "TRADE"),
        Book(
            name="spot oco",
            products=("spot",),
            account=(_paged("privateGetOcoOrders", 500),),
            symbol=(_paged("privateGetOcoOrders", 500, symbol="$symbol"),),
            cancel=Request("privateDeleteOcoOrderOrderId", {"orderId": "$id"}),
            cancel_symbol=(Request("privateDeleteOcoOrders", {"symbol": "$symbol"}),),
            cancel_account=(Request("privateDeleteOcoOrders"),),
            trigger=True,
            sideless=True,
            closed=("status", frozenset({"DONE", "CANCELLED"})),
        ),
        *(_margin(name, kind) for name, kind in _MARGIN.items()),
        *(_stops(f"{name} stop", name, kind) for name, kind in _MARGIN.items()),
        *FUTURES_BOOKS,
    ),
    positions=(FUTURES_POSITIONS,),
    prepare=("is_uta_enabled",),
    mode=MODE,
    client_ids=CLIENT_IDS,
    client_id=(("clientOid",),),
    spot_id="{base}-{quote}",
    margin_mode=True,
    lookup={"futures": FUTURES_LOOKUP},
    largest=(("maxOrderQty",),),
    depth=100,
    lists={
        "$spot": Values(Listing("privateGetHfOrdersActiveSymbols", rows=("data", "symbols"))),
        **{f"${name}": Values(_active_symbols(kind)) for name, kind in _MARGIN.items()},
    },
)
