"""Binance USD-M alone: the other wallets of the account are other accounts here (`binance` looks after all of them)."""

from webhook.venues.ccxt.exchanges import binance
from webhook.venues.ccxt.exchanges.model import Exchange

EXCHANGE = Exchange(
    name="binanceusdm",
    products=(binance.USDM,),
    books=binance.contract_books("fapi", binance.USDM),
    positions=(binance.USDM_POSITIONS,),
    options=binance.OPTIONS,
    refuses=binance.REFUSES,
    contract_id="{base}{quote}",
    lookup={"usdm": binance.USDM_LOOKUP},
    depth=500,
    gone=binance.CODES,
)
