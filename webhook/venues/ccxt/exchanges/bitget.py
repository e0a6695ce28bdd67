"""Bitget, classic account (v2): spot, and futures settled in USDT, in USDC and in coins, each a ``productType``.

https://www.bitget.com/api-doc: futures have four lists: normal orders, and plan orders of three kinds (``normal_plan``,
``track_plan``, ``profit_loss``); pages of 100, after the last id.  A plan order is cancelled with its own ``planType``,
of which ``profit_loss`` shows five.  Plan orders of spot are listed symbol by symbol only.  In a unified account (v3)
all of these requests are refused, so that it is never verified.
"""

from webhook.venues.ccxt.exchanges.model import (
    Book,
    ClientIds,
    Exchange,
    LastRow,
    Listing,
    PositionBook,
    Product,
    Request,
)

_NEXT = LastRow("idLessThan", "orderId")
_FUTURES = {"usdt_futures": "USDT-FUTURES", "usdc_futures": "USDC-FUTURES", "coin_futures": "COIN-FUTURES"}


def _spot(name: str, kind: str, *, trigger: bool) -> Book:
    def listing(**more: str) -> Listing:
        params = {"tpslType": kind, "limit": "100", **more}
        return Listing("privateSpotGetV2SpotTradeUnfilledOrders", params, ("data",), 100, _NEXT)

    return Book(
        name=name,
        products=("spot",),
        account=(listing(),),
        symbol=(listing(symbol="$symbol"),),
        cancel=Request(
            "privateSpotPostV2SpotTradeCancelOrder", {"symbol": "$symbol", "orderId": "$id", "tpslType": kind}
        ),
        cancel_symbol=(Request("privateSpotPostV2SpotTradeCancelSymbolOrder", {"symbol": "$symbol"}),)
        if kind == "normal"
        else (),
        trigger=trigger,
    )


def _futures(product: str) -> tuple[Book, ...]:
    where = {"productType": _FUTURES[product]}

    def orders(**more: str) -> Listing:
        params = {"limit": "100", **where, **more}
        return Listing("privateMixGetV2MixOrderOrdersPending", params, ("data", "entrustedList"), 100, _NEXT)

    def plans(kind: str, **more: str) -> Listing:
        params = {"planType": kind, "limit": "100", **where, **more}
        return Listing("privateMixGetV2MixOrderOrdersPlanPending", params, ("data", "entrustedList"), 100, _NEXT)

    def plan(kind: str) -> Book:
        request = Request(
            "privateMixPostV2MixOrderCancelPlanOrder",
            {"symbol": "$symbol", "planType": "$plan", **where},
            each={"orderId": "$id"},
            wrap="orderIdList",
        )
        return Book(
            name=f"{product} {kind}",
            products=(product,),
            account=(plans(kind),),
            symbol=(plans(kind, symbol="$symbol"),),
            cancel=request,
            batch=request,
            batch_size=50,
            remember={"$plan": ("planType",)},
            trigger=True,
        )

    return (
        Book(
            name=product,
            products=(product,),
            account=(orders(),),
            symbol=(orders(symbol="$symbol"),),
            cancel=Request("privateMixPostV2MixOrderCancelOrder", {"symbol": "$symbol", "orderId": "$id", **where}),
            batch=Request(
                "privateMixPostV2MixOrderBatchCancelOrders",
                {"symbol": "$symbol", **where},
                each={"orderId": "$id"},
                wrap="orderIdList",
            ),
            batch_size=50,
            cancel_symbol=(Request("privateMixPostV2MixOrderBatchCancelOrders", {"symbol": "$symbol", **where}),),
            cancel_account=(Request("privateMixPostV2MixOrderCancelAllOrders", where),),
        ),
        plan("normal_plan"),
        plan("track_plan"),
        plan("profit_loss"),
    )


EXCHANGE = Exchange(
    name="bitget",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product(
            "margin",
            frozenset({"spot"}),
            unread="Bitget lists orders on margin symbol by symbol and by time only",
            holdings="balances",
        ),
        Product("usdt_futures", frozenset({"swap", "future"}), linear=True, settles=frozenset({"USDT"})),
        Product("usdc_futures", frozenset({"swap", "future"}), linear=True, settles=frozenset({"USDC"})),
        Product("coin_futures", frozenset({"swap", "future"}), linear=False),
    ),
    books=(
        _spot("spot", "normal", trigger=False),
        _spot("spot tpsl", "tpsl", trigger=True),
        Book(
            name="spot plan",
            products=("spot",),
            symbol=(
                Listing(
                    "privateSpotGetV2SpotTradeCurrentPlanOrder",
                    {"symbol": "$symbol", "limit": "100"},
                    ("data", "orderList"),
                    100,
                    _NEXT,
                ),
            ),
            cancel=Request("privateSpotPostV2SpotTradeCancelPlanOrder", {"orderId": "$id"}),
            cancel_symbol=(Request("privateSpotPostV2SpotTradeBatchCancelPlanOrder", {"symbolList": ["$symbol"]}),),
            cancel_account=(Request("privateSpotPostV2SpotTradeBatchCancelPlanOrder"),),
            trigger=True,
        ),
        *(book for product in _FUTURES for book in _futures(product)),
    ),
    positions=tuple(
        PositionBook(
            name=product,
            product=product,
            account=(Listing("privateMixGetV2MixPositionAllPosition", {"productType": kind}, ("data",)),),
            size=("total",),
        )
        for product, kind in _FUTURES.items()
    ),
    # Else ccxt asks whether the account is a unified one before every first request.
    options={"uta": False},
    refuses=frozenset({"uta"}),
    client_ids=ClientIds(longest=32, others="-_"),
    client_id=(("clientOid",),),
    inverse_in_base=True,
    spot_id="{base}{quote}",
    contract_id="{base}{quote}",
    margin_mode=True,
    lookup={
        product: Listing(
            "privateMixGetV2MixOrderDetail",
            {"symbol": "$symbol", "productType": kind, "clientOid": "$client"},
            ("data",),
        )
        for product, kind in _FUTURES.items()
    },
    largest=(("maxOrderQty",),),
)
