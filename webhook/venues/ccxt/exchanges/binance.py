"""Binance: spot, both margins, USD-M, COIN-M and options of one account, and its algorithms.

https://developers.binance.com/docs: each market has its own list of open orders, and USD-M and COIN-M a second one for
conditional orders ("algo").  No request cancels a whole account.  Isolated margin is listed symbol by symbol.
"""

from webhook.venues.ccxt.exchanges.model import Book, Exchange, Listing, PositionBook, Product, Request

CODES = frozenset({"-2011", "-2013"})
OPTIONS = {
    # No requests that nobody asked for; ccxt reads the leverage brackets before it reads positions.
    "fetchMargins": False,
    "leverageBrackets": {},
}
REFUSES = frozenset({"portfolioMargin", "papi"})
"""A portfolio margin account keeps its orders behind other addresses (``/papi``)."""

USDM = Product("usdm", frozenset({"swap", "future"}), linear=True)
COINM = Product("coinm", frozenset({"swap", "future"}), linear=False)


def contract_books(api: str, product: Product) -> tuple[Book, ...]:
    """The two lists of a futures market: *api* is ccxt's name of its address."""
    return (
        Book(
            name=product.name,
            products=(product.name,),
            account=(Listing(f"{api}PrivateGetOpenOrders"),),
            symbol=(Listing(f"{api}PrivateGetOpenOrders", {"symbol": "$symbol"}),),
            cancel=Request(f"{api}PrivateDeleteOrder", {"symbol": "$symbol", "orderId": "$id"}),
            batch=Request(f"{api}PrivateDeleteBatchOrders", {"symbol": "$symbol", "orderidlist": "$ids"}),
            batch_size=10,
            cancel_symbol=(Request(f"{api}PrivateDeleteAllOpenOrders", {"symbol": "$symbol"}),),
        ),
        Book(
            name=f"{product.name} algo",
            products=(product.name,),
            account=(Listing(f"{api}PrivateGetOpenAlgoOrders"),),
            symbol=(Listing(f"{api}PrivateGetOpenAlgoOrders", {"symbol": "$symbol"}),),
            cancel=Request(f"{api}PrivateDeleteAlgoOrder", {"symbol": "$symbol", "algoId": "$id"}),
            cancel_symbol=(Request(f"{api}PrivateDeleteAlgoOpenOrders", {"symbol": "$symbol"}),),
            trigger=True,
        ),
    )


USDM_POSITIONS = PositionBook(
    name="usdm",
    product="usdm",
    account=(Listing("fapiPrivateV3GetPositionRisk"),),
    size=("positionAmt",),
    parse="parse_position_risk",
)
COINM_POSITIONS = PositionBook(
    name="coinm",
    product="coinm",
    account=(Listing("dapiPrivateGetPositionRisk"),),
    size=("positionAmt",),
    parse="parse_position_risk",
)
USDM_LOOKUP = Listing("fapiPrivateGetOrder", {"symbol": "$symbol", "origClientOrderId": "$client"})
COINM_LOOKUP = Listing("dapiPrivateGetOrder", {"symbol": "$symbol", "origClientOrderId": "$client"})

EXCHANGE = Exchange(
    name="binance",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("margin", frozenset({"spot"}), holdings="balances"),
        Product("isolated_margin", frozenset({"spot"}), holdings="balances"),
        USDM,
        COINM,
        Product("options", frozenset({"option"})),
        Product("futures_algorithms", frozenset({"swap", "future"}), linear=True, holdings="none"),
        Product("spot_algorithms", frozenset({"spot"}), holdings="none"),
    ),
    books=(
        Book(
            name="spot",
            products=("spot",),
            account=(Listing("privateGetOpenOrders"),),
            symbol=(Listing("privateGetOpenOrders", {"symbol": "$symbol"}),),
            cancel=Request("privateDeleteOrder", {"symbol": "$symbol", "orderId": "$id"}),
            cancel_symbol=(Request("privateDeleteOpenOrders", {"symbol": "$symbol"}),),
        ),
        Book(
            name="margin",
            products=("margin",),
            account=(Listing("sapiGetMarginOpenOrders"),),
            symbol=(Listing("sapiGetMarginOpenOrders", {"symbol": "$symbol"}),),
            cancel=Request("sapiDeleteMarginOrder", {"symbol": "$symbol", "orderId": "$id"}),
            cancel_symbol=(Request("sapiDeleteMarginOpenOrders", {"symbol": "$symbol"}),),
        ),
        Book(
            name="isolated margin",
            products=("isolated_margin",),
            symbol=(Listing("sapiGetMarginOpenOrders", {"symbol": "$symbol", "isIsolated": "TRUE"}),),
            cancel=Request("sapiDeleteMarginOrder", {"symbol": "$symbol", "orderId": "$id", "isIsolated": "TRUE"}),
            cancel_symbol=(Request("sapiDeleteMarginOpenOrders", {"symbol": "$symbol", "isIsolated": "TRUE"}),),
        ),
        *contract_books("fapi", USDM),
        *contract_books("dapi", COINM),
        Book(
            name="options",
            products=("options",),
            account=(Listing("eapiPrivateGetOpenOrders", {"limit": 1000}, page=1000),),
            symbol=(Listing("eapiPrivateGetOpenOrders", {"symbol": "$symbol", "limit": 1000}, page=1000),),
            cancel=Request("eapiPrivateDeleteOrder", {"symbol": "$symbol", "orderId": "$id"}),
            cancel_symbol=(Request("eapiPrivateDeleteAllOpenOrders", {"symbol": "$symbol"}),),
        ),
        # TWAP and VP: Binance itself sends their orders, as long as they run.
        Book(
            name="futures algorithms",
            products=("futures_algorithms",),
            account=(Listing("sapiGetAlgoFuturesOpenOrders", rows=("orders",)),),
            cancel=Request("sapiDeleteAlgoFuturesOrder", {"algoId": "$id"}),
        ),
        Book(
            name="spot algorithms",
            products=("spot_algorithms",),
            account=(Listing("sapiGetAlgoSpotOpenOrders", rows=("orders",)),),
            cancel=Request("sapiDeleteAlgoSpotOrder", {"algoId": "$id"}),
        ),
    ),
    positions=(USDM_POSITIONS, COINM_POSITIONS),
    options={**OPTIONS, "fetchMarkets": {"types": ["spot", "linear", "inverse"]}},
    refuses=REFUSES,
    spot_id="{base}{quote}",
    contract_id="{base}{quote}",
    inverse_id="{base}{quote}_PERP",
    lookup={"usdm": USDM_LOOKUP, "coinm": COINM_LOOKUP},
    depth=500,
    gone=CODES,
)
