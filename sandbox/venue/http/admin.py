"""The admin API: breaking the venue, filling it, looking into it.  docs/sandbox.md is its reference."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.venue.faults.faults import FaultError
from sandbox.venue.instruments import Market
from sandbox.venue.accounts.account import Account
from sandbox.venue.market.pair import Listing
from sandbox.venue.orders.order import AlgoOrder, NewOrder, Side
from sandbox.venue.refusal import Refused
from sandbox.venue.venue import Venue

Answer = tuple[Any, int]
ALGO = "algo"
MOST_ORDERS = 100_000


class AdminError(Exception):
    """An admin request that cannot be done; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def answer(venue: Venue, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
    """Answer one admin request: (content, status).  Raises AdminError."""
    name = path.removeprefix("/admin/").rstrip("/")
    found = _HANDLERS.get((method, name))
    if found is not None:
        return found(venue, query, body)
    if method == "DELETE" and name.startswith("faults/"):
        number = name.removeprefix("faults/")
        if not number.isdigit() or not venue.faults.remove(int(number)):
            raise AdminError(f"no fault {number}", 404)
        return {"removed": int(number)}, 200
    raise AdminError(f"no {method} {path}", 404)


def add_fault(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST faults."""
    try:
        fault = venue.faults.add(body)
    except FaultError as error:
        raise AdminError(str(error)) from error
    return fault.shown(), 201


def list_faults(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """GET faults."""
    return {"faults": [one.shown() for one in venue.faults.active()], "applied": venue.faults.applied}, 200


def clear_faults(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """DELETE faults."""
    venue.faults.clear()
    return {"faults": []}, 200


def state(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """GET state."""
    counts: dict[str, dict[str, int]] = {}
    for (path, method, account, _status), number in venue.requests.items():
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
            market.value: {symbol: _market(listing) for symbol, listing in by_symbol.items()}
            for market, by_symbol in venue.exchange.listings.items()
        },
        "replay": venue.replay.state() if venue.replay else None,
        "stream": {"clients": venue.hub.listeners, "sent": venue.hub.sent, "cut_off": venue.hub.cut_off},
        "limits": _limits(venue),
        "faults": [one.shown() for one in venue.faults.active()],
    }, 200


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
        "countdowns": venue.countdowns(account),
    }


def _by_symbol(symbols: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for symbol in symbols:
        counts[symbol] = counts.get(symbol, 0) + 1
    return counts


def _market(listing: Listing) -> dict[str, Any]:
    return {
        "mid": None if listing.book.mid is None else str(listing.book.mid),
        "bid": None if listing.book.best_bid is None else str(listing.book.best_bid),
        "ask": None if listing.book.best_ask is None else str(listing.book.best_ask),
        "last": None if listing.last_price is None else str(listing.last_price),
        "levels": len(listing.book.bids) + len(listing.book.asks),
        "update_id": listing.last_update_id,
        "event_ms": listing.last_event_ms,
    }


def _limits(venue: Venue) -> dict[str, int]:
    limits = venue.limiter.limits
    return {name: getattr(limits, name) for name in limits.__slots__}


def set_limits(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST limits: any of the limiter's numbers; every count starts anew."""
    limits = venue.limiter.limits
    for name, value in body.items():
        if name not in limits.__slots__ or not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise AdminError(f"{name}: one of {', '.join(limits.__slots__)}, a whole number")
    for name, value in body.items():
        setattr(limits, name, value)
    venue.limiter.reset()
    return _limits(venue), 200


def set_latency(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST latency: `milliseconds` of round trip added to every signed request."""
    milliseconds = body.get("milliseconds")
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool) or milliseconds < 0:
        raise AdminError("milliseconds: a number, 0 or more")
    venue.latency = milliseconds / 1000
    return {"latency_ms": milliseconds}, 200


def set_time(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST time: `offset_seconds` between the machine's clock and the venue's, for good."""
    offset = body.get("offset_seconds")
    if not isinstance(offset, int | float) or isinstance(offset, bool):
        raise AdminError("offset_seconds: a number")
    venue.clock.offset = float(offset)
    return {"now": venue.clock.milliseconds(), "offset_seconds": offset}, 200


def reset(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """POST reset."""
    venue.reset()
    return {"reset": True}, 200


def requests(venue: Venue, query: dict[str, str], _: dict[str, Any]) -> Answer:
    """GET requests: the log after number `since`, oldest first; filters: account, path (prefix), method; `limit`."""
    since, limit = _whole(query, "since", 0), _whole(query, "limit", 10_000)
    found: list[dict[str, Any]] = []
    for one in venue.asked:
        if one.number <= since or len(found) >= limit:
            continue
        if query.get("account") not in {None, one.account} or query.get("method") not in {None, one.method}:
            continue
        if not one.path.startswith(query.get("path", "")):
            continue
        found.append({name: getattr(one, name) for name in one.__slots__})
    last = venue.asked[-1].number if venue.asked else 0
    return {"requests": found, "last": last}, 200


def _whole(query: dict[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise AdminError(f"{name}: a whole number") from None


def place_orders(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST orders: many resting orders at once, spread evenly over symbols and both sides, away from the market."""
    name = body.get("account")
    account = venue.exchange.accounts.get(name) if isinstance(name, str) else None
    if account is None:
        raise AdminError(f"account: one of {', '.join(venue.exchange.accounts)}")
    book, number = body.get("book", Market.USDM.value), body.get("count", 1)
    if book not in {Market.USDM, Market.SPOT, ALGO}:
        raise AdminError("book: usdm, algo or spot")
    if not isinstance(number, int) or not 0 < number <= MOST_ORDERS:
        raise AdminError(f"count: 1 to {MOST_ORDERS}")
    market = Market.SPOT if book == Market.SPOT else Market.USDM
    symbols = body.get("symbols") or list(venue.exchange.listings[market])
    prefix, distance, side = body.get("prefix", "seed-"), body.get("distance_ratio", 0.05), body.get("side")
    if side not in {None, *Side}:
        raise AdminError("side: BUY or SELL, or leave it out for both")
    if not isinstance(symbols, list) or not all(one in venue.exchange.listings[market] for one in symbols):
        raise AdminError("symbols: a list of traded symbols")
    if not isinstance(prefix, str) or not isinstance(distance, int | float) or not 0 < distance < 1:
        raise AdminError("prefix: a string; distance_ratio: between 0 and 1")
    place = _place_algo if book == ALGO else _place
    ids: list[int] = []
    for at in range(number):
        listing = venue.exchange.listings[market][symbols[at % len(symbols)]]
        # A spot account has no base to sell, so unless told otherwise it buys.
        default = Side.SELL if market is Market.USDM and (at // len(symbols)) % 2 else Side.BUY
        chosen = Side(side) if side else default
        try:
            ids.append(place(venue, account, listing, chosen, f"{prefix}{venue.seeded}", Decimal(str(distance))))
        except Refused as refused:
            raise AdminError(
                f"order {at + 1} of {number} on {listing.symbol}: {refused.code} {refused.message}"
            ) from refused
        venue.seeded += 1
    return {"account": account.name, "book": book, "placed": len(ids), "ids": ids}, 201


def _terms(listing: Listing, side: Side, distance: Decimal) -> tuple[Decimal, Decimal]:
    """A price that far from the market (a buy below, a sell above) and the smallest quantity allowed there."""
    instrument = listing.instrument
    mark = listing.mark or instrument.start_price
    price = instrument.floor_price(mark * (1 - distance * side.sign))
    steps = -(-instrument.min_notional // (price * instrument.step))
    return price, (steps + 1) * instrument.step


def _place(venue: Venue, account: Account, listing: Listing, side: Side, client_id: str, distance: Decimal) -> int:
    price, quantity = _terms(listing, side, distance)
    new = NewOrder(listing.symbol, side, "LIMIT", quantity, price, client_id=client_id)
    return venue.exchange.place(account, listing.market, new).order_id


def _place_algo(venue: Venue, account: Account, listing: Listing, side: Side, client_id: str, distance: Decimal) -> int:
    # A stop waits on the other side of the market than a limit order: a buy above, a sell below.
    trigger, quantity = _terms(listing, side.opposite, distance)
    algo = AlgoOrder(
        algo_id=0,
        client_algo_id=client_id,
        account=account.name,
        symbol=listing.symbol,
        side=side,
        type="STOP_MARKET",
        time_in_force="GTC",
        quantity=quantity,
        price=Decimal(0),
        trigger_price=trigger,
        working_type="CONTRACT_PRICE",
        time=0,
    )
    return venue.exchange.place_algo(account, algo).algo_id


_HANDLERS: dict[tuple[str, str], Callable[[Venue, dict[str, str], dict[str, Any]], Answer]] = {
    ("POST", "faults"): add_fault,
    ("GET", "faults"): list_faults,
    ("DELETE", "faults"): clear_faults,
    ("GET", "state"): state,
    ("GET", "requests"): requests,
    ("POST", "limits"): set_limits,
    ("POST", "latency"): set_latency,
    ("POST", "time"): set_time,
    ("POST", "orders"): place_orders,
    ("POST", "reset"): reset,
}
