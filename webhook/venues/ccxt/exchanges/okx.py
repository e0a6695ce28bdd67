"""OKX: one account for everything, with one list of normal orders and one of each kind of algorithmic order.

https://www.okx.com/docs-v5 (orders-pending, orders-algo-pending, cancel-batch-orders, cancel-algos): pages of 100,
after the last id; one kind at a time, except that ``conditional`` and ``oco`` go together.  There is no cancel-all.
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

_BOTH = ("spot", "derivatives")


def _algo(kind: str, *, trigger: bool, absent: frozenset[str] = frozenset()) -> Book:
    def listing(**more: str) -> Listing:
        return Listing(
            "privateGetTradeOrdersAlgoPending",
            {"ordType": kind, "limit": "100", **more},
            rows=("data",),
            page=100,
            next=LastRow("after", "algoId"),
            absent=absent,
        )

    each = {"algoId": "$id", "instId": "$symbol"}
    return Book(
        name=kind,
        products=_BOTH,
        account=(listing(),),
        symbol=(listing(instId="$symbol"),),
        cancel=Request("privatePostTradeCancelAlgos", each=each),
        batch=Request("privatePostTradeCancelAlgos", each=each),
        batch_size=10,
        market=("instId",),
        trigger=trigger,
    )


def _pending(**more: str) -> Listing:
    return Listing(
        "privateGetTradeOrdersPending",
        {"limit": "100", **more},
        rows=("data",),
        page=100,
        next=LastRow("after", "ordId"),
    )


# Not every account has this kind: 51000 is OKX's "parameter ordType error".  The documented kinds have no such excuse:
# where one of them is refused, nothing is called empty.
_NO_SUCH_KIND = frozenset({"51000"})

EXCHANGE = Exchange(
    name="okx",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("derivatives", frozenset({"swap", "future", "option"})),
        Product("spreads", frozenset({"spot", "swap", "future"}), spans=True, holdings="none"),
    ),
    books=(
        Book(
            name="normal",
            products=_BOTH,
            account=(_pending(),),
            symbol=(_pending(instId="$symbol"),),
            cancel=Request("privatePostTradeCancelOrder", {"instId": "$symbol", "ordId": "$id"}),
            batch=Request("privatePostTradeCancelBatchOrders", each={"ordId": "$id", "instId": "$symbol"}),
            batch_size=20,
            market=("instId",),
        ),
        _algo("conditional,oco", trigger=True),
        _algo("trigger", trigger=True),
        _algo("move_order_stop", trigger=True),
        _algo("iceberg", trigger=False),
        _algo("twap", trigger=False),
        _algo("chase", trigger=False),
        _algo("smart_iceberg", trigger=False, absent=_NO_SUCH_KIND),
        Book(
            name="spreads",
            products=("spreads",),
            account=(
                Listing(
                    "privateGetSprdOrdersPending",
                    {"limit": "100"},
                    rows=("data",),
                    page=100,
                    next=LastRow("endId", "ordId"),
                ),
            ),
            cancel=Request("privatePostSprdCancelOrder", {"ordId": "$id"}),
            market=("sprdId",),
        ),
    ),
    positions=(
        PositionBook(
            name="derivatives",
            product="derivatives",
            account=tuple(
                Listing("privateGetAccountPositions", {"instType": kind}, rows=("data",))
                for kind in ("SWAP", "FUTURES", "OPTION")
            ),
            market=("instId",),
            size=("pos",),
        ),
    ),
    client_ids=ClientIds(longest=32, form="hex"),
    client_id=(("clOrdId",), ("algoClOrdId",)),
    spot_id="{base}-{quote}",
    contract_id="{base}-{quote}-SWAP",
    margin_mode=True,
    lookup={
        "derivatives": Listing("privateGetTradeOrder", {"instId": "$symbol", "clOrdId": "$client"}, rows=("data",)),
    },
    largest=(("maxLmtSz",),),
    depth=400,
    gone=frozenset({"51400", "51401", "51402", "51410", "51603"}),
)
