"""Binance COIN-M alone: the other wallets of the account are other accounts here (`binance` looks after all)."""

from webhook.venues.ccxt.exchanges import binance
from webhook.venues.ccxt.exchanges.model import Exchange

EXCHANGE = Exchange(
    name="binancecoinm",
    products=(binance.COINM,),
    books=binance.contract_books("dapi", binance.COINM),
    positions=(binance.COINM_POSITIONS,),
    options={**binance.OPTIONS, "defaultSubType": "inverse", "defaultType": "swap"},
    refuses=binance.REFUSES,
    contract_id="{base}{quote}_PERP",
    lookup={"coinm": binance.COINM_LOOKUP},
    depth=500,
    gone=binance.CODES,
)
