"""From ccxt's dictionaries to our words: orders, positions, quotes, and whether an answer can have been whole."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from webhook.actions.port import OpenOrder, Position, Quote, Side
from webhook.errors import TemporaryError
from webhook.venues.ccxt.tables import PAGE_SIZES, SUSPICIOUS_SIZES, UNPAGED

_TICK_SIZE, _DECIMAL_PLACES = 4, 2
"""ccxt's numbers for what a precision means; the third is a count of significant digits."""
_FINEST = Decimal("0.00000001")


def decimal(value: Any) -> Decimal | None:
    """A number of ccxt (float, text, integer) as Decimal; None for what is absent."""
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def read_order(raw: Mapping[str, Any], book: str) -> OpenOrder:
    """One of ccxt's orders; raises ValueError when it lacks what a cancel needs."""
    order_id, symbol, side = raw.get("id"), raw.get("symbol"), raw.get("side")
    if not order_id or not symbol or side not in ("buy", "sell"):
        raise ValueError("an order without id, symbol or side")
    return OpenOrder(
        order_id=str(order_id),
        client_order_id=raw.get("clientOrderId") or None,
        symbol=str(symbol),
        side=Side(side),
        quantity=decimal(raw.get("amount")) or Decimal(0),
        filled=decimal(raw.get("filled")) or Decimal(0),
        price=decimal(raw.get("price")) or decimal(raw.get("triggerPrice")),
        reduce_only=raw.get("reduceOnly") is True or _closes_position(raw),
        book=book,
    )


def _closes_position(raw: Mapping[str, Any]) -> bool:
    """Binance's stop orders that close a whole position can only reduce, and have no quantity."""
    info = raw.get("info")
    return isinstance(info, Mapping) and str(info.get("closePosition", "")).lower() == "true"


def check_whole(exchange: str, parsed: Sequence[Any], payload: Any, what: str) -> None:
    """Raise `TemporaryError` when *parsed* orders may not be all there are.

    ccxt drops orders it cannot place on a market, and an exchange may have sent only its first page.
    """
    if isinstance(payload, list) and len(payload) != len(parsed):
        raise TemporaryError(f"{what}: ccxt read {len(parsed)} of {len(payload)} orders", reason="incomplete")
    if page := PAGE_SIZES.get(exchange):
        full = len(parsed) >= page
    else:
        full = exchange not in UNPAGED and len(parsed) in SUSPICIOUS_SIZES
    if full:
        raise TemporaryError(f"{what}: {len(parsed)} orders may be only the first page", reason="incomplete")


def read_positions(parsed: Sequence[Mapping[str, Any]], payload: Any, what: str) -> tuple[Position, ...]:
    """The positions that are not zero; raises `TemporaryError` when ccxt lost one or it cannot be valued."""
    positions = []
    for raw in parsed:
        size = abs(decimal(raw.get("contracts")) or Decimal(0))
        if size == 0:
            continue
        side, symbol = raw.get("side"), raw.get("symbol")
        multiplier = decimal(raw.get("contractSize")) or Decimal(1)
        notional = decimal(raw.get("notional"))
        mark = decimal(raw.get("markPrice")) or (abs(notional) / (size * multiplier) if notional else None)
        if side not in ("long", "short") or not symbol or not mark:
            raise TemporaryError(f"{what}: a position without side, symbol or mark price", reason="unreadable")
        pair, _, settle = str(symbol).partition(":")
        base, _, quote = pair.partition("/")
        if settle.partition("-")[0] == base:
            # Inverse: a contract is worth a fixed sum in quote units, whatever the price.
            multiplier /= mark
        positions.append(
            Position(
                symbol=str(symbol),
                quantity=size if side == "long" else -size,
                mark_price=mark,
                side=str(side) if raw.get("hedged") is True else "both",
                multiplier=multiplier,
                currency=quote or "USDT",
            )
        )
    if isinstance(payload, list):
        held = sum(1 for raw in payload if isinstance(raw, Mapping) and (decimal(raw.get("positionAmt")) or 0) != 0)
        if held > len(positions):
            raise TemporaryError(f"{what}: ccxt read {len(positions)} of {held} positions", reason="incomplete")
    return tuple(positions)


def step(precision: Any, mode: int, at: Decimal) -> Decimal:
    """What values near *at* must be whole multiples of, from ccxt's precision in its mode; never zero."""
    value = decimal(precision)
    if value is None or value < 0:
        return _FINEST
    if mode == _TICK_SIZE:
        return value or _FINEST
    if mode == _DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(value))
    return Decimal(1).scaleb(at.adjusted() - int(value) + 1)


def whole(value: Decimal, unit: Decimal, *, up: bool) -> Decimal:
    """*value* as a whole multiple of *unit*, rounded one way."""
    return (value / unit).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * unit


def read_quote(
    symbol: str, book: Mapping[str, Any], mark: Decimal | None, market: Mapping[str, Any], mode: int, band: Decimal
) -> Quote:
    """The top of a book and what rests within *band* of mid; raises `TemporaryError` for a one-sided book."""
    bids, asks = _levels(book.get("bids")), _levels(book.get("asks"))
    if not bids or not asks:
        raise TemporaryError(f"the book of {symbol} has no {'bids' if asks else 'asks'}", reason="empty_book")
    mid = (bids[0][0] + asks[0][0]) / 2
    low, high = mid * (1 - band), mid * (1 + band)
    quantity_step = step(market["precision"].get("amount"), mode, bids[0][1])
    limits = (market.get("limits") or {}).get("amount") or {}
    return Quote(
        symbol=symbol,
        bid=bids[0][0],
        ask=asks[0][0],
        mark=mark or mid,
        bid_depth=sum((size for price, size in bids if price >= low), Decimal(0)),
        ask_depth=sum((size for price, size in asks if price <= high), Decimal(0)),
        depth_band=band,
        price_tick=step(market["precision"].get("price"), mode, mid),
        quantity_step=quantity_step,
        minimum_quantity=decimal(limits.get("min")) or quantity_step,
    )


def _levels(side: Any) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(str(level[0])), Decimal(str(level[1]))) for level in side or ()]
