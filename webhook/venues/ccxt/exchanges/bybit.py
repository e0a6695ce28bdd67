"""Bybit v5: spot, linear and inverse contracts and options, each a category with its own list of orders.

https://bybit-exchange.github.io/docs/v5/order/open-order and .../cancel-all: pages of 50 with a cursor.  Spot keeps
five kinds of orders apart (``orderFilter``); elsewhere a list without it shows every kind, and a cancel-all without it
cancels every kind.  Linear contracts are asked for by ``settleCoin``.
"""

from webhook.venues.ccxt.exchanges.model import (
    Book,
    ClientIds,
    Cursor,
    Exchange,
    Listing,
    PositionBook,
    Product,
    Request,
)

_SETTLES = ("USDT", "USDC")


def _orders(**params: str) -> Listing:
    return Listing(
        "privateGetV5OrderRealtime",
        {"limit": "50", **params},
        rows=("result", "list"),
        page=50,
        next=Cursor("cursor", ("result", "nextPageCursor")),
    )


def _positions(**params: str) -> Listing:
    return Listing(
        "privateGetV5PositionList",
        {"limit": "200", **params},
        rows=("result", "list"),
        page=200,
        next=Cursor("cursor", ("result", "nextPageCursor")),
    )


def _cancel_all(**params: str) -> Request:
    return Request("privatePostV5OrderCancelAll", params)


def _spot(name: str, kind: str, *, trigger: bool) -> Book:
    chosen = {"category": "spot", "orderFilter": kind}
    return Book(
        name=name,
        products=("spot",),
        account=(_orders(**chosen),),
        symbol=(_orders(**chosen, symbol="$symbol"),),
        cancel=Request("privatePostV5OrderCancel", {**chosen, "symbol": "$symbol", "orderId": "$id"}),
        cancel_symbol=(_cancel_all(**chosen, symbol="$symbol"),),
        cancel_account=(_cancel_all(**chosen),),
        trigger=trigger,
    )


def _contracts(category: str, account: tuple[Listing, ...], cancel_account: tuple[Request, ...]) -> Book:
    each = {"symbol": "$symbol", "orderId": "$id"}
    return Book(
        name=category,
        products=(category,),
        account=account,
        symbol=(_orders(category=category, symbol="$symbol"),),
        cancel=Request("privatePostV5OrderCancel", {"category": category, **each}),
        batch=Request("privatePostV5OrderCancelBatch", {"category": category}, each=each, wrap="request"),
        batch_size=10,
        cancel_symbol=(_cancel_all(category=category, symbol="$symbol"),),
        cancel_account=cancel_account,
    )


EXCHANGE = Exchange(
    name="bybit",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("linear", frozenset({"swap", "future"}), linear=True, settles=frozenset(_SETTLES)),
        Product("inverse", frozenset({"swap", "future"}), linear=False),
        Product("option", frozenset({"option"}), settles=frozenset(_SETTLES)),
        Product(
            "spreads",
            frozenset({"spot", "swap", "future"}),
            unread="ccxt has no call that lists the orders of spread trading",
            holdings="none",
        ),
    ),
    books=(
        _spot("spot", "Order", trigger=False),
        _spot("spot tpsl", "tpslOrder", trigger=True),
        _spot("spot stop", "StopOrder", trigger=True),
        _spot("spot oco", "OcoOrder", trigger=True),
        _spot("spot bidirectional", "BidirectionalTpslOrder", trigger=True),
        _contracts(
            "linear",
            tuple(_orders(category="linear", settleCoin=coin) for coin in _SETTLES),
            tuple(_cancel_all(category="linear", settleCoin=coin) for coin in _SETTLES),
        ),
        # Inverse contracts are listed without a coin, but cancelled only with one: symbol by symbol, or by order.
        _contracts("inverse", (_orders(category="inverse"),), ()),
        _contracts(
            "option",
            tuple(_orders(category="option", settleCoin=coin) for coin in _SETTLES),
            (_cancel_all(category="option"),),
        ),
    ),
    positions=(
        PositionBook(
            name="linear",
            product="linear",
            account=tuple(_positions(category="linear", settleCoin=coin) for coin in _SETTLES),
            size=("size",),
        ),
        PositionBook(name="inverse", product="inverse", account=(_positions(category="inverse"),), size=("size",)),
        PositionBook(
            name="option",
            product="option",
            account=tuple(_positions(category="option", settleCoin=coin) for coin in _SETTLES),
            size=("size",),
        ),
    ),
    # ccxt asks for the kind of account before it sends an order.
    prepare=("is_unified_enabled",),
    # In USD for inverse contracts, in the base currency elsewhere.
    contracts=False,
    client_ids=ClientIds(longest=36, others="-_"),
    client_id=(("orderLinkId",),),
    spot_id="{base}{quote}",
    contract_id="{base}{quote}",
    lookup={
        category: Listing(
            "privateGetV5OrderRealtime",
            {"category": category, "symbol": "$symbol", "orderLinkId": "$client"},
            rows=("result", "list"),
        )
        for category in ("linear", "inverse", "option")
    },
    largest=(("lotSizeFilter", "maxOrderQty"),),
    depth=200,
    gone=frozenset({"110001", "170213"}),
)
