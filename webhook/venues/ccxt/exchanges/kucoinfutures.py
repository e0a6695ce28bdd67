"""KuCoin futures alone: spot and margin of the account are another account here (`kucoin` looks after all of them)."""

from webhook.venues.ccxt.exchanges import kucoin
from webhook.venues.ccxt.exchanges.model import Exchange

EXCHANGE = Exchange(
    name="kucoinfutures",
    products=(kucoin.FUTURES,),
    books=kucoin.FUTURES_BOOKS,
    positions=(kucoin.FUTURES_POSITIONS,),
    prepare=("is_uta_enabled",),
    mode=kucoin.MODE,
    client_ids=kucoin.CLIENT_IDS,
    client_id=(("clientOid",),),
    margin_mode=True,
    lookup={"futures": kucoin.FUTURES_LOOKUP},
    largest=(("maxOrderQty",),),
    depth=100,
)
