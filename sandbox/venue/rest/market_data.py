"""Public answers that both markets share: time, symbols, book, trades, tickers."""

from typing import Any

from sandbox.venue.instruments import Market
from sandbox.venue.market.pair import TradingPair
from sandbox.venue.refusal import Refused
from sandbox.venue.rest.request import ApiRequest
from sandbox.venue.rest.route import Handler

DEPTH_LIMIT = 500
MOST_DEPTH = 5000


def ping(_: ApiRequest) -> Any:
    """GET ping."""
    return {}


def server_time(request: ApiRequest) -> Any:
    """GET time."""
    return {"serverTime": request.exchange.clock.milliseconds()}


def exchange_info(market: Market) -> Handler:
    """GET exchangeInfo."""

    def answer(request: ApiRequest) -> Any:
        pairs = request.exchange.pairs[market]
        return {
            "timezone": "UTC",
            "serverTime": request.exchange.clock.milliseconds(),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [one.instrument.exchange_info() for one in pairs.values()],
        }

    return answer


def depth(market: Market) -> Handler:
    """GET depth."""

    def answer(request: ApiRequest) -> Any:
        pair = request.exchange.pair(market, request.text("symbol"))
        asked = request.number("limit")
        limit = DEPTH_LIMIT if asked is None else asked
        if not 1 <= limit <= MOST_DEPTH:
            raise Refused(-4021, f"{limit} is not valid depth limit.")
        bids, asks = pair.snapshot(limit)
        shown: dict[str, Any] = {"lastUpdateId": pair.last_update_id, "bids": bids, "asks": asks}
        if market is Market.USDM:
            shown |= {"E": pair.last_event_ms, "T": pair.last_event_ms}
        return shown

    return answer


def trades(market: Market) -> Handler:
    """GET trades: the outside market's, latest last."""

    def answer(request: ApiRequest) -> Any:
        pair = request.exchange.pair(market, request.text("symbol"))
        prints = list(pair.prints)[-(request.number("limit") or DEPTH_LIMIT) :]
        return [
            {
                "id": one["t"],
                "price": one["p"],
                "qty": one["q"],
                "quoteQty": str(float(one["p"]) * float(one["q"])),
                "time": one["T"],
                "isBuyerMaker": one["m"],
                "isBestMatch": True,
            }
            for one in prints
        ]

    return answer


def agg_trades(market: Market) -> Handler:
    """GET aggTrades: every trade stands for itself."""

    def answer(request: ApiRequest) -> Any:
        pair = request.exchange.pair(market, request.text("symbol"))
        since, limit = request.number("startTime") or 0, request.number("limit") or DEPTH_LIMIT
        prints = [one for one in pair.prints if one["T"] >= since][-limit:]
        return [
            {
                "a": one["t"],
                "p": one["p"],
                "q": one["q"],
                "f": one["t"],
                "l": one["t"],
                "T": one["T"],
                "m": one["m"],
            }
            for one in prints
        ]

    return answer


def quote_ticker(market: Market) -> Handler:
    """GET ticker/bookTicker."""
    return _per_symbol(market, _quote)


def price_ticker(market: Market) -> Handler:
    """GET ticker/price."""
    return _per_symbol(market, lambda one: {"symbol": one.symbol, "price": _last(one), **_time(one)})


def day_ticker(market: Market) -> Handler:
    """GET ticker/24hr: a day that began with the process."""
    return _per_symbol(market, _day)


def _per_symbol(market: Market, shown: Any) -> Handler:
    def answer(request: ApiRequest) -> Any:
        symbol = request.maybe_symbol(market)
        if symbol:
            return shown(request.exchange.pair(market, symbol))
        return [shown(one) for one in request.exchange.pairs[market].values()]

    return answer


def _quote(pair: TradingPair) -> dict[str, Any]:
    bids, asks = pair.snapshot(1)
    bid, ask = bids[0] if bids else ("0", "0"), asks[0] if asks else ("0", "0")
    return {
        "symbol": pair.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        **_time(pair),
    }


def _time(pair: TradingPair) -> dict[str, int]:
    # Only futures tell the time here, and ccxt takes a ticker with a time for a future.
    return {"time": pair.last_event_ms} if pair.market is Market.USDM else {}


def _last(pair: TradingPair) -> str:
    return format(pair.last_price or pair.mark or pair.instrument.start_price, "f")


def _day(pair: TradingPair) -> dict[str, Any]:
    quote, last = _quote(pair), _last(pair)
    first = pair.prints[0]["p"] if pair.prints else last
    return quote | {
        "priceChange": str(float(last) - float(first)),
        "priceChangePercent": str(round((float(last) / float(first) - 1) * 100, 3)),
        "weightedAvgPrice": last,
        "prevClosePrice": first,
        "lastPrice": last,
        "lastQty": pair.prints[-1]["q"] if pair.prints else "0",
        "openPrice": first,
        "highPrice": max((one["p"] for one in pair.prints), key=float, default=last),
        "lowPrice": min((one["p"] for one in pair.prints), key=float, default=last),
        "volume": format(pair.volume, "f"),
        "quoteVolume": str(float(pair.volume) * float(last)),
        "openTime": pair.last_event_ms - 86_400_000,
        "closeTime": pair.last_event_ms,
        "firstId": pair.prints[0]["t"] if pair.prints else -1,
        "lastId": pair.last_trade_id,
        "count": len(pair.prints),
    }
