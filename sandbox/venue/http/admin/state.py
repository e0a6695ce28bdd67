"""What `GET /admin/state` shows."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sandbox.venue.accounts.account import Account
from sandbox.venue.instruments import Market
from sandbox.venue.market.pair import TradingPair
from sandbox.venue.orders.order import ALGO
from sandbox.venue.venue import Venue


def state(venue: Venue) -> dict[str, Any]:
    """Accounts, markets, request counts, limits and faults."""
    counts: dict[str, dict[str, int]] = {}
    for (path, method, account, _status), number in venue.request_log.counts.items():
        of_account = counts.setdefault(account or "public", {})
        of_account[f"{method} {path}"] = of_account.get(f"{method} {path}", 0) + number
    return {
        "now": venue.clock.milliseconds(),
        "offset_seconds": venue.clock.offset,
        "skew_seconds": venue.clock.skew,
        "latency_ms": venue.latency * 1000,
        "seed": venue.seed,
        "accounts": {name: _account(venue, one) for name, one in venue.exchange.accounts.items()},
        "requests": counts,
        "markets": {
            market.value: {symbol: _market(pair) for symbol, pair in by_symbol.items()}
            for market, by_symbol in venue.exchange.pairs.items()
        },
        "replay": venue.replay.state() if venue.replay else None,
        "stream": {
            "clients": venue.market_stream.listeners,
            "sent": venue.market_stream.sent,
            "cut_off": venue.market_stream.cut_off,
        },
        "limits": asdict(venue.rate_limiter.limits),
        "faults": [one.shown() for one in venue.faults.active()],
    }


def _account(venue: Venue, account: Account) -> dict[str, Any]:
    margin = venue.exchange.margin(account)
    books = {market.value: _by_symbol(one.symbol for one in account.open[market].values()) for market in Market}
    books[ALGO] = _by_symbol(one.symbol for one in account.algo.values())
    return {
        "open_orders": books,
        "open_orders_total": sum(sum(by_symbol.values()) for by_symbol in books.values()),
        "positions": {
            one.symbol: {"quantity": str(one.quantity), "entry": str(one.entry), "realised": str(one.realised)}
            for one in account.positions.values()
            if one.quantity
        },
        "wallet": str(margin.wallet),
        "equity": str(margin.balance),
        "available": str(margin.available),
        "maintenance_margin": str(margin.maintenance),
        "fees": str(account.fees),
        "spot": {
            asset: {"free": str(one.free), "locked": str(one.locked)}
            for asset, one in account.holdings.items()
            if one.free or one.locked
        },
        "countdowns": venue.countdowns.left(account),
    }


def _by_symbol(symbols: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for symbol in symbols:
        counts[symbol] = counts.get(symbol, 0) + 1
    return counts


def _market(pair: TradingPair) -> dict[str, Any]:
    return {
        "mid": None if pair.book.mid is None else str(pair.book.mid),
        "bid": None if pair.book.best_bid is None else str(pair.book.best_bid),
        "ask": None if pair.book.best_ask is None else str(pair.book.best_ask),
        "last": None if pair.last_price is None else str(pair.last_price),
        "levels": len(pair.book.bids) + len(pair.book.asks),
        "update_id": pair.last_update_id,
        "event_ms": pair.last_event_ms,
    }
