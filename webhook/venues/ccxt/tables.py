"""What ccxt does not say about exchanges in a form a program can use, as data.

Read in the sources of ccxt 4.5.90.  An exchange that is not in a table gets the careful answer; every value can be
replaced by the options of a venue (``capabilities``, ``books``, ``market_ids``), so that a new exchange needs no code.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Params = Mapping[str, Any]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TRIGGER: Params = {"trigger": True}
_TRAILING: Params = {"trailing": True}
_BINANCE_FAMILY = frozenset({"binance", "binanceusdm", "binancecoinm", "binanceus"})

CONTRACT_TYPES = frozenset({"swap", "future", "delivery", "linear", "inverse", "option"})
"""The market types that have positions."""

ONLY_CONTRACTS = _names("binancecoinm binanceusdm")
"""These inherit "spot" for a default from the exchange that they are a part of."""

TRIGGER_BOOKS = _names(
    "bitget bybit bybiteu blofin derive gate gateio htx huobi kucoin kucoinfutures latoken mexc modetrade nado "
    "okx okxus myokx phemex poloniex weex woo woofipro xt"
)
"""Conditional orders are listed and cancelled apart from normal ones, by ccxt's parameter ``trigger``."""

CONTRACT_TRIGGER_BOOKS = frozenset({"binance", "binanceusdm", "binancecoinm"})
"""The same, but only for contracts: on Binance spot there is one book."""

TRAILING_BOOKS = _names("bitget htx huobi okx okxus myokx xt")
"""A third book, by the parameter ``trailing``."""

NO_TRIGGER_CANCEL_ALL = _names("kucoin kucoinfutures mexc derive")
"""cancelAllOrders ignores ``trigger``: that book is read and cancelled order by order."""

SYMBOL_REQUIRED_TO_CANCEL_ALL = _names(
    "aster backpack binance binancecoinm binanceus binanceusdm bitget btse bydfi coinsph deepcoin delta hashkey "
    "hollaex htx huobi lbank paradex phemex toobit weex"
)
"""cancelAllOrders refuses to work for the whole account at once."""

SYMBOL_REQUIRED_TO_READ = _names("bit2c bitbns bithumb bitrue bydfi deepcoin htx huobi latoken lbank mercado phemex")
"""fetchOpenOrders refuses to read the whole account at once."""

BATCH_SIZES: Mapping[str, int] = {
    "binance": 10,
    "binancecoinm": 10,
    "binanceusdm": 10,
    "bitget": 50,
    "blofin": 20,
    "bybit": 10,
    "gate": 20,
    "okx": 20,
}
"""How many orders one cancelOrders may name; 10 where nothing is known."""

BATCH_TRIGGER = _names("bitget blofin htx huobi nado okx okxus myokx")
"""cancelOrders can also name orders of the trigger book."""

PAGE_SIZES: Mapping[str, int] = {"bitget": 100, "bybit": 50, "bybiteu": 50, "gate": 100, "okx": 100, "okxus": 100}
"""How many open orders one answer holds at most; asked for explicitly, and a full page is not taken for everything."""

UNPAGED = _BINANCE_FAMILY
"""Open orders always come whole."""

SUSPICIOUS_SIZES = frozenset({20, 50, 100, 200, 500, 1000})
"""For an exchange that is in neither table: an answer of such a length may be a full page."""

BOOK_DEPTHS: Mapping[str, int] = {"binance": 500, "binanceusdm": 500, "binancecoinm": 500, "bybit": 200, "okx": 400}
"""How many price levels to ask for; where nothing is given, what the exchange sends by itself."""

CONSTRUCTION: Mapping[str, Params] = {
    "binance": {"fetchCurrencies": False, "fetchMargins": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
    "binanceus": {"fetchCurrencies": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
    "binanceusdm": {"fetchCurrencies": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
    "binancecoinm": {"fetchCurrencies": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
}
"""ccxt options that a killer wants: no requests it can do without, no warning for reading the whole account."""

_ID_FORMATS: Mapping[str, tuple[str, str | None]] = {
    "binance": ("{base}{quote}", "{base}{quote}"),
    "binanceus": ("{base}{quote}", None),
    "binanceusdm": ("{base}{quote}", "{base}{quote}"),
    "binancecoinm": ("{base}{quote}", "{base}{quote}_PERP"),
    "bitget": ("{base}{quote}", "{base}{quote}"),
    "bybit": ("{base}{quote}", "{base}{quote}"),
    "gate": ("{base}_{quote}", "{base}_{quote}"),
    "kucoin": ("{base}-{quote}", None),
    "mexc": ("{base}{quote}", "{base}_{quote}"),
    "okx": ("{base}-{quote}", "{base}-{quote}-SWAP"),
}


def books_of(exchange: str, *, contracts: bool) -> dict[str, Params]:
    """The order books of an exchange, each with the ccxt parameters that name it."""
    books: dict[str, Params] = {"normal": {}}
    if exchange in TRIGGER_BOOKS or (contracts and exchange in CONTRACT_TRIGGER_BOOKS):
        books["trigger"] = _TRIGGER
    if exchange in TRAILING_BOOKS:
        books["trailing"] = _TRAILING
    return books


def kind_of(symbol: str) -> tuple[str, str | None]:
    """The market type of a unified symbol, and for contracts whether it is linear or inverse."""
    pair, colon, rest = symbol.partition(":")
    if not colon:
        return "spot", None
    settle, dash, term = rest.partition("-")
    kind = "swap" if not dash else "option" if term.endswith(("-C", "-P")) else "future"
    return kind, "inverse" if settle == pair.partition("/")[0] else "linear"


def wide_markets(
    default: tuple[str, str | None], symbols: Iterable[str], market_types: Iterable[str]
) -> tuple[Params, ...]:
    """The parameters with which the whole account is asked for, one set for each of the markets that it trades in.

    *default* is what ccxt means when no type is named; *market_types*, when given, are taken as they are.  One empty
    set when the default is all there is.
    """
    if named := [{"type": kind} for kind in market_types]:
        return tuple(named)
    wanted = list(dict.fromkeys(kind_of(symbol) for symbol in symbols))
    kind, direction = default
    if not wanted or wanted in ([(kind, direction)], [(kind, "linear")] if direction is None else []):
        return ({},)
    # Some exchanges pass on what they do not know: the direction is only named where it decides something.
    directions = {other for _, other in wanted if other}
    if directions <= {direction or "linear"}:
        return tuple({"type": kind} for kind in dict.fromkeys(kind for kind, _ in wanted))
    return tuple({"type": kind, **({"subType": other} if other else {})} for kind, other in wanted)


def guessed_market(
    exchange: str, symbol: str, market_id: str | None = None, *, contract: bool = False
) -> dict[str, Any] | None:
    """A market good enough to cancel with, made of a unified symbol alone, for when markets could not be loaded.

    None when neither *market_id* is given nor the form of the exchange's own names known.  *contract*: what a symbol
    that is only the exchange's own name is taken for.  Never used to price or size an order.
    """
    pair, _, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    settle = settle.partition("-")[0]
    if not slash and contract:
        quote = settle = "?"
    spot_form, contract_form = _ID_FORMATS.get(exchange, (None, None))
    form = contract_form if settle else spot_form
    if market_id is None:
        if not slash or form is None or "-" in symbol:
            return None
        market_id = form.format(base=base, quote=quote)
    return {
        "id": market_id,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "baseId": base,
        "quoteId": quote,
        "settle": settle or None,
        "settleId": settle or None,
        "type": "swap" if settle else "spot",
        "spot": not settle,
        "margin": False,
        "swap": bool(settle),
        "future": False,
        "option": False,
        "contract": bool(settle),
        "linear": (settle == quote) if settle else None,
        "inverse": (settle == base) if settle else None,
        "active": True,
        "contractSize": 1 if settle else None,
        "precision": {"amount": None, "price": None},
        "limits": {"amount": {}, "price": {}, "cost": {}, "leverage": {}},
        "info": {},
    }
