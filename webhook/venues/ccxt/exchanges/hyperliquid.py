"""Hyperliquid: one list of open orders (triggers among them) for its own exchange and spot, one for each HIP-3 dex.

https://hyperliquid.gitbook.io/hyperliquid-docs (info endpoint: frontendOpenOrders, clearinghouseState, perpDexs): every
request is a POST to one address, told apart by ``type``: a parameter of ccxt by that name (a market type) makes it fail
with 422.  There is no cancel-all, and a cancel names the asset by its number, which only the loaded markets tell.
"""

from webhook.venues.ccxt.exchanges.model import (
    Book,
    ClientIds,
    Exchange,
    Listing,
    PositionBook,
    Product,
    Request,
    Values,
)

EXCHANGE = Exchange(
    name="hyperliquid",
    products=(
        Product("spot", frozenset({"spot"}), holdings="balances"),
        Product("perpetuals", frozenset({"swap"})),
        Product(
            "twap",
            frozenset({"spot", "swap"}),
            unread="no request is known that lists running TWAP orders",
            holdings="none",
        ),
    ),
    books=(
        Book(
            name="orders",
            products=("spot", "perpetuals"),
            account=(Listing("publicPostInfo", {"type": "frontendOpenOrders", "user": "$wallet", "dex": "$dex"}),),
            cancel=Request("cancel_order", {"id": "$id", "symbol": "$unified"}),
            batch=Request("cancel_orders", {"ids": "$ids", "symbol": "$unified"}),
            batch_size=50,
            market=("coin",),
        ),
    ),
    positions=(
        PositionBook(
            name="perpetuals",
            product="perpetuals",
            account=(
                Listing(
                    "publicPostInfo",
                    {"type": "clearinghouseState", "user": "$wallet", "dex": "$dex"},
                    rows=("assetPositions",),
                ),
            ),
            market=("position", "coin"),
            size=("position", "szi"),
        ),
    ),
    options={"fetchMarkets": {"hip3": {"limit": 100}}},
    # ccxt would sign approveBuilderFee and setReferrer for us before the first order or cancel.
    silenced=("initialize_client",),
    client_ids=ClientIds(longest=32, prefix="0x", form="hex"),
    names=("name",),
    lookup={
        "perpetuals": Listing(
            "publicPostInfo", {"type": "orderStatus", "user": "$wallet", "oid": "$client"}, rows=("order",)
        ),
    },
    # The first of the list is null: its own exchange, which has no name.
    lists={"$dex": Values(Listing("publicPostInfo", {"type": "perpDexs"}), ("name",), ("",))},
)
