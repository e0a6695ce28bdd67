"""Kraken Futures: one list of all open orders, untriggered stops among them.

https://docs.kraken.com/api/docs/futures-api/trading/get-open-orders and .../cancel-all-orders: no pages; cancelling all
honours a symbol.  ccxt compares the time in force in lower case: ``IOC`` would leave a resting order.
"""

from webhook.venues.ccxt.exchanges.model import Book, ClientIds, Exchange, Listing, PositionBook, Product, Request

EXCHANGE = Exchange(
    name="krakenfutures",
    products=(Product("futures", frozenset({"swap", "future"})),),
    books=(
        Book(
            name="futures",
            products=("futures",),
            account=(Listing("privateGetOpenorders", rows=("openOrders",)),),
            cancel=Request("privatePostCancelorder", {"order_id": "$id"}),
            cancel_symbol=(Request("privatePostCancelallorders", {"symbol": "$symbol"}),),
            cancel_account=(Request("privatePostCancelallorders"),),
        ),
    ),
    positions=(
        PositionBook(
            name="futures",
            product="futures",
            account=(Listing("privateGetOpenpositions", rows=("openPositions",)),),
            size=("size",),
        ),
    ),
    client_ids=ClientIds(longest=100),
    client_id=(("cliOrdId",),),
    time_in_force="ioc",
)
