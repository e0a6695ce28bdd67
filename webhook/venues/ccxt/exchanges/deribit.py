"""Deribit: one list of all open orders, trigger orders among them, in every currency.

https://docs.deribit.com: private/get_open_orders takes no currency (the one by currency, which ccxt uses, means BTC
when none is named), private/get_positions takes ``any``, private/cancel_all covers all.  Our id of an order is its
``label``.  Amounts are in USD for inverse contracts and in the base currency elsewhere, never in contracts.
"""

from webhook.venues.ccxt.exchanges.model import Book, ClientIds, Exchange, Listing, PositionBook, Product, Request

EXCHANGE = Exchange(
    name="deribit",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("derivatives", frozenset({"swap", "future", "option"})),
    ),
    books=(
        Book(
            name="orders",
            products=("spot", "derivatives"),
            account=(Listing("privateGetGetOpenOrders", rows=("result",)),),
            symbol=(Listing("privateGetGetOpenOrdersByInstrument", {"instrument_name": "$symbol"}, rows=("result",)),),
            cancel=Request("privateGetCancel", {"order_id": "$id"}),
            cancel_symbol=(Request("privateGetCancelAllByInstrument", {"instrument_name": "$symbol"}),),
            cancel_account=(Request("privateGetCancelAll"),),
            market=("instrument_name",),
        ),
    ),
    positions=(
        PositionBook(
            name="positions",
            product="derivatives",
            account=(Listing("privateGetGetPositions", {"currency": "any"}, rows=("result",)),),
            market=("instrument_name",),
            size=("size",),
        ),
    ),
    client_ids=ClientIds(longest=64),
    client_id=(("label",),),
    contracts=False,
    client_param="label",
    lookup={
        "derivatives": Listing(
            "privateGetGetOrderStateByLabel", {"currency": "$settle", "label": "$client"}, rows=("result",)
        ),
    },
    depth=1000,
)
