"""Gate: spot (classic or unified account), perpetuals settled in USDT and in BTC, delivery futures, options.

https://www.gate.com/docs/developers/apiv4: each has a list of orders and (but for options) one of price-triggered ones.
Spot lists up to 100 orders of *each* pair on a page; the others go on by an offset.  A unified account has to be named.
Trailing and chase orders of perpetuals have lists of their own, which are not documented well enough to be read.
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
)


def _offset(method: str, **params: str) -> Listing:
    return Listing(method, {"limit": "100", **params}, page=100, next=Numbered("offset", first=0, by_row=True))


def _spot(product: str, **account: str) -> tuple[Book, Book]:
    pages = Numbered("page")
    each = {"currency_pair": "$symbol", "id": "$id", **account}
    return (
        Book(
            name=product,
            products=(product,),
            account=(Listing("privateSpotGetOpenOrders", {"limit": "100", **account}, ("*", "orders"), 100, pages),),
            symbol=(
                Listing(
                    "privateSpotGetOrders",
                    {"limit": "100", "status": "open", "currency_pair": "$symbol", **account},
                    page=100,
                    next=pages,
                ),
            ),
            cancel=Request(
                "privateSpotDeleteOrdersOrderId", {"currency_pair": "$symbol", "order_id": "$id", **account}
            ),
            batch=Request("privateSpotPostCancelBatchOrders", each=each),
            batch_size=20,
            cancel_symbol=(Request("privateSpotDeleteOrders", {"currency_pair": "$symbol", **account}),),
            cancel_account=(Request("privateSpotDeleteOrders", account),),
            market=("currency_pair",),
        ),
        Book(
            name=f"{product} price",
            products=(product,),
            account=(_offset("privateSpotGetPriceOrders", status="open", **account),),
            symbol=(_offset("privateSpotGetPriceOrders", status="open", market="$symbol", **account),),
            cancel=Request("privateSpotDeletePriceOrdersOrderId", {"order_id": "$id"}),
            cancel_symbol=(Request("privateSpotDeletePriceOrders", {"market": "$symbol", **account}),),
            cancel_account=(Request("privateSpotDeletePriceOrders", account),),
            market=("market",),
            trigger=True,
        ),
    )


def _futures(product: str, api: str, settle: str, *, batch: bool) -> tuple[Book, Book]:
    where = {"settle": settle}
    return (
        Book(
            name=product,
            products=(product,),
            account=(_offset(f"private{api}GetSettleOrders", status="open", **where),),
            symbol=(_offset(f"private{api}GetSettleOrders", status="open", contract="$symbol", **where),),
            cancel=Request(f"private{api}DeleteSettleOrdersOrderId", {"order_id": "$id", **where}),
            batch=Request(f"private{api}PostSettleBatchCancelOrders", where, each="$id", wrap="first")
            if batch
            else None,
            batch_size=20,
            cancel_symbol=(Request(f"private{api}DeleteSettleOrders", {"contract": "$symbol", **where}),),
            market=("contract",),
        ),
        Book(
            name=f"{product} price",
            products=(product,),
            account=(_offset(f"private{api}GetSettlePriceOrders", status="open", **where),),
            symbol=(_offset(f"private{api}GetSettlePriceOrders", status="open", contract="$symbol", **where),),
            cancel=Request(f"private{api}DeleteSettlePriceOrdersOrderId", {"order_id": "$id", **where}),
            cancel_symbol=(Request(f"private{api}DeleteSettlePriceOrders", {"contract": "$symbol", **where}),),
            cancel_account=(Request(f"private{api}DeleteSettlePriceOrders", where),),
            market=("initial", "contract"),
            trigger=True,
        ),
    )


EXCHANGE = Exchange(
    name="gate",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("unified_spot", frozenset({"spot"}), holdings="balances"),
        Product("usdt_perpetuals", frozenset({"swap"}), linear=True, settles=frozenset({"USDT"})),
        Product("btc_perpetuals", frozenset({"swap"}), linear=False, settles=frozenset({"BTC"})),
        Product("delivery", frozenset({"future"}), settles=frozenset({"USDT"})),
        Product("options", frozenset({"option"})),
        Product(
            "automatic",
            frozenset({"swap"}),
            unread="how trailing and chase orders are listed is not established",
            holdings="none",
        ),
    ),
    books=(
        *_spot("spot"),
        *_spot("unified_spot", account="unified"),
        *_futures("usdt_perpetuals", "Futures", "usdt", batch=True),
        *_futures("btc_perpetuals", "Futures", "btc", batch=True),
        *_futures("delivery", "Delivery", "usdt", batch=False),
        Book(
            name="options",
            products=("options",),
            account=(_offset("privateOptionsGetOrders", status="open"),),
            symbol=(_offset("privateOptionsGetOrders", status="open", contract="$symbol"),),
            cancel=Request("privateOptionsDeleteOrdersOrderId", {"order_id": "$id"}),
            cancel_symbol=(Request("privateOptionsDeleteOrders", {"contract": "$symbol"}),),
            cancel_account=(Request("privateOptionsDeleteOrders"),),
            market=("contract",),
        ),
    ),
    positions=(
        *(
            PositionBook(
                name=product,
                product=product,
                account=(
                    Listing(
                        "privateFuturesGetSettlePositions",
                        {"settle": settle, "holding": "true", "limit": "100"},
                        page=100,
                    ),
                ),
                market=("contract",),
                size=("size",),
            )
            for product, settle in (("usdt_perpetuals", "usdt"), ("btc_perpetuals", "btc"))
        ),
        PositionBook(
            name="delivery",
            product="delivery",
            account=(Listing("privateDeliveryGetSettlePositions", {"settle": "usdt"}),),
            market=("contract",),
            size=("size",),
        ),
        PositionBook(
            name="options",
            product="options",
            account=(Listing("privateOptionsGetPositions"),),
            market=("contract",),
            size=("size",),
        ),
    ),
    # ccxt asks for the kind of account before its first order.
    prepare=("load_unified_status",),
    client_ids=ClientIds(longest=28, prefix="t-"),
    client_id=(("text",), ("initial", "text"), ("put", "text")),
    spot_id="{base}_{quote}",
    contract_id="{base}_{quote}",
    hedged={},
    lookup={
        product: Listing("privateFuturesGetSettleOrdersOrderId", {"settle": settle, "order_id": "$client"})
        for product, settle in (("usdt_perpetuals", "usdt"), ("btc_perpetuals", "btc"))
    },
    largest=(("order_size_max",),),
)
