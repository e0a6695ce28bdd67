"""Public answers that both markets share: time, symbols, book, trades, tickers."""

from typing import Any

from sandbox.venue.rest.request import Call, Handler
from sandbox.venue.instruments import Market
from sandbox.venue.market.pair import Listing
from sandbox.venue.refusal import Refused

DEPTH_LIMIT = 500
MOST_DEPTH = 5000


def ping(_: Call) -> Any:
    """GET ping."""
    return {}


def server_time(call: Call) -> Any:
    """GET time."""
    return {"serverTime": call.exchange.clock.milliseconds()}


def exchange_info(market: Market) -> Handler:
    """GET exchangeInfo."""

    def answer(call: Call) -> Any:
        listings = call.exchange.listings[market]
        return {
            "timezone": "UTC",
            "serverTime": call.exchange.clock.milliseconds(),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [one.instrument.exchange_info() for one in listings.values()],
        }

    return answer


def depth(market: Market) -> Handler:
    """GET depth."""

    def answer(call: Call) -> Any:
        listing = call.exchange.listing(market, call.text("symbol"))
        asked = call.number("limit")
        limit = DEPTH_LIMIT if asked is None else asked
        if not 1 <= limit <= MOST_DEPTH:
            raise Refused(-4021, f"{limit} is not valid depth limit.")
        bids, asks = listing.snapshot(limit)
        shown: dict[str, Any] = {"lastUpdateId": listing.last_update_id, "bids": bids, "asks": asks}
        if market is Market.USDM:
            shown |= {"E": listing.last_event_ms, "T": listing.last_event_ms}
        return shown

    return answer


def trades(market: Market) -> Handler:
    """GET trades: the outside market's, latest last."""

    def answer(call: Call) -> Any:
        listing = call.exchange.listing(market, call.text("symbol"))
        prints = list(listing.prints)[-(call.number("limit") or DEPTH_LIMIT) :]
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

    def answer(call: Call) -> Any:
        listing = call.exchange.listing(market, call.text("symbol"))
        since, limit = call.number("startTime") or 0, call.number("limit") or DEPTH_LIMIT
        prints = [one for one in listing.prints if one["T"] >= since][-limit:]
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
    def answer(call: Call) -> Any:
        symbol = call.maybe_symbol(market)
        if symbol:
            return shown(call.exchange.listing(market, symbol))
        return [shown(one) for one in call.exchange.listings[market].values()]

    return answer


def _quote(listing: Listing) -> dict[str, Any]:
    bids, asks = listing.snapshot(1)
    bid, ask = bids[0] if bids else ("0", "0"), asks[0] if asks else ("0", "0")
    return {
        "symbol": listing.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        **_time(listing),
    }


def _time(listing: Listing) -> dict[str, int]:
    # Only futures tell the time here, and ccxt takes a ticker with a time for a future.
    return {"time": listing.last_event_ms} if listing.market is Market.USDM else {}


def _last(listing: Listing) -> str:
    return format(listing.last_price or listing.mark or listing.instrument.start_price, "f")


def _day(listing: Listing) -> dict[str, Any]:
    quote, last = _quote(listing), _last(listing)
    first = listing.prints[0]["p"] if listing.prints else last
    return quote | {
        "priceChange": str(float(last) - float(first)),
        "priceChangePercent": str(round((float(last) / float(first) - 1) * 100, 3)),
        "weightedAvgPrice": last,
        "prevClosePrice": first,
        "lastPrice": last,
        "lastQty": listing.prints[-1]["q"] if listing.prints else "0",
        "openPrice": first,
        "highPrice": max((one["p"] for one in listing.prints), key=float, default=last),
        "lowPrice": min((one["p"] for one in listing.prints), key=float, default=last),
        "volume": format(listing.volume, "f"),
        "quoteVolume": str(float(listing.volume) * float(last)),
        "openTime": listing.last_event_ms - 86_400_000,
        "closeTime": listing.last_event_ms,
        "firstId": listing.prints[0]["t"] if listing.prints else -1,
        "lastId": listing.last_trade_id,
        "count": len(listing.prints),
    }
