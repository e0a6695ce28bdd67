"""Coinbase (Advanced Trade): one list of orders for spot and derivatives of the portfolio that the key belongs to.

https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders: pages with a cursor, one
status at a time.  There is no cancel-all: orders are listed and cancelled in batches.  How positions of derivatives are
read is not established.
"""

from webhook.venues.ccxt.exchanges.model import Book, ClientIds, Cursor, Exchange, Listing, Product, Request

_ALIVE = ("OPEN", "PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED")


def _orders(status: str) -> Listing:
    return Listing(
        "v3PrivateGetBrokerageOrdersHistoricalBatch",
        {"order_status": status, "limit": "100"},
        rows=("orders",),
        page=100,
        next=Cursor("cursor", ("cursor",), more=("has_next",)),
    )


_CANCEL = Request("v3PrivatePostBrokerageOrdersBatchCancel", {"order_ids": "$ids"})

EXCHANGE = Exchange(
    name="coinbase",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("derivatives", frozenset({"swap", "future"})),
    ),
    books=(
        Book(
            name="orders",
            products=("spot", "derivatives"),
            account=tuple(_orders(status) for status in _ALIVE),
            cancel=_CANCEL,
            batch=_CANCEL,
            batch_size=100,
            market=("product_id",),
        ),
    ),
    client_ids=ClientIds(longest=36),
    spot_id="{base}-{quote}",
    gone=frozenset({"UNKNOWN_CANCEL_ORDER", "DUPLICATE_CANCEL_REQUEST"}),
)
