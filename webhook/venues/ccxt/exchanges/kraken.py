"""Kraken spot, with margin: one list of all open orders.

https://docs.kraken.com/api/docs/rest-api/get-open-orders and .../cancel-all-orders: the list has no pages.  CancelAll
has no symbol: it empties the whole account, so that a symbol is read and cancelled order by order.
"""

from webhook.venues.ccxt.exchanges.model import Book, ClientIds, Exchange, Listing, PositionBook, Product, Request

EXCHANGE = Exchange(
    name="kraken",
    products=(Product("spot", frozenset({"spot"}), holdings="balances"),),
    books=(
        Book(
            name="spot",
            products=("spot",),
            account=(Listing("privatePostOpenOrders", rows=("result", "open", "{}")),),
            cancel=Request("privatePostCancelOrder", {"txid": "$id"}),
            batch=Request("privatePostCancelOrderBatch", {"orders": "$ids"}),
            batch_size=50,
            cancel_account=(Request("privatePostCancelAll"),),
            market=("descr", "pair"),
        ),
    ),
    positions=(
        # Positions opened on margin: they can be closed, but beside them stand balances.
        PositionBook(
            name="margin",
            product="spot",
            account=(
                Listing("privatePostOpenPositions", {"docalcs": "true", "consolidation": "market"}, rows=("result",)),
            ),
            market=("pair",),
            size=("vol",),
        ),
    ),
    client_ids=ClientIds(form="uuid"),
    client_id=(("cl_ord_id",),),
    names=("altname", "wsname"),
    # A margin position is only closed by an order that is on margin itself.
    order={"leverage": "2"},
    lookup={
        "spot": Listing("privatePostClosedOrders", {"cl_ord_id": "$client"}, rows=("result", "closed", "{}")),
    },
    depth=500,
)
