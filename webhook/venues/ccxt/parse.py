"""From ccxt's dictionaries to our words: orders, positions, quotes.  What cannot be read is an error, never a guess."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from webhook.actions.port import OpenOrder, Position, Quote, Side
from webhook.errors import TemporaryError
from webhook.venues.ccxt.exchanges.model import Path, dig
from webhook.venues.ccxt.markets import Markets

_TICK_SIZE, _DECIMAL_PLACES = 4, 2
"""ccxt's numbers for what a precision means; the third is a count of significant digits."""
_FINEST = Decimal("0.00000001")
_ALMOST = Decimal("0.000001")
"""Less than this part of a step is an error of rounding."""
_SIDES = {"long": "long", "short": "short", "1": "long", "2": "short"}


def decimal(value: Any) -> Decimal | None:
    """A number of ccxt (float, text, integer) as Decimal; None for what is absent or no number."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def read_order(
    raw: Mapping[str, Any],
    book: str,
    *,
    symbol: str,
    markets: Markets,
    trigger: bool = False,
    client_id: Sequence[Path] = (),
) -> OpenOrder:
    """One of ccxt's orders, of the market *symbol*; raises ValueError when it lacks what a cancel needs."""
    info: Mapping[str, Any] = raw.get("info") or {}
    closes = _closes(info)
    order_id = raw.get("id")
    side = _closing_side(info) if closes and "initial" in info else raw.get("side")
    if not order_id or not symbol or side not in ("buy", "sell"):
        raise ValueError("an order without id, symbol or side")
    trigger_price = decimal(raw.get("triggerPrice")) or decimal(raw.get("stopPrice"))
    price = decimal(raw.get("price")) or decimal(info.get("limitPrice")) or trigger_price
    unit = markets.unit(symbol, price)
    amount, filled = decimal(raw.get("amount")), decimal(raw.get("filled")) or Decimal(0)
    return OpenOrder(
        order_id=str(order_id),
        client_order_id=_client_order_id(raw, info, client_id),
        symbol=symbol,
        side=Side(side),
        # An order for "all there is" has no quantity, or says 0.
        quantity=amount * unit if amount and unit is not None else None,
        filled=filled * unit if unit is not None else Decimal(0),
        price=price or None,
        reduce_only=raw.get("reduceOnly") is True
        or any(_says(part, key) for part in _parts(info) for key in ("reduceOnly", "reduce_only", "is_reduce_only"))
        or closes,
        book=book,
        position_side=position_side(info),
        trigger=trigger or bool(trigger_price),
        close_position=closes,
    )


def position_side(info: Mapping[str, Any]) -> str:
    """``long`` or ``short`` in hedge mode, else ``both``, by the field that an exchange has for it."""
    for key in ("positionSide", "posSide", "positionIdx"):
        if (value := info.get(key)) is not None:
            return _SIDES.get(str(value).casefold(), "both")
    if str(info.get("mode", "")).startswith("dual_"):
        return _SIDES.get(str(info["mode"]).removeprefix("dual_"), "both")
    if str(info.get("posMode", "")).startswith("hedge"):
        return _SIDES.get(str(info.get("holdSide") or "").casefold(), "both")
    return "both"


def _parts(info: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A row, and what Gate keeps in one of its own: the order that is sent when the price is reached."""
    inner = info.get("initial")
    return (info, inner) if isinstance(inner, Mapping) else (info,)


def _closes(info: Mapping[str, Any]) -> bool:
    """Whether it closes all that there is: Binance, OKX, Bitget and Gate say that each in its own way."""
    if str(info.get("closeFraction", "")) == "1" or info.get("planType") in ("pos_profit", "pos_loss"):
        return True
    return any(_says(part, key) for part in _parts(info) for key in ("closePosition", "is_close"))


def _closing_side(info: Mapping[str, Any]) -> str:
    """The side of an order of Gate that closes a position and so has no size, whose sign would tell."""
    told = " ".join(str(part.get(key, "")) for part in _parts(info) for key in ("auto_size", "order_type"))
    return "buy" if "short" in told else "sell"


def _says(info: Mapping[str, Any], key: str) -> bool:
    """Whether a field says yes; exchanges write it in several ways."""
    return str(info.get(key, "")).casefold() in ("true", "yes", "1")


def _client_order_id(raw: Mapping[str, Any], info: Mapping[str, Any], paths: Sequence[Path]) -> str | None:
    for path in paths:
        if value := dig(info, path):
            return str(value)
    return raw.get("clientOrderId") or None


def read_position(raw: Mapping[str, Any], *, symbol: str, markets: Markets) -> Position:
    """A position that is not zero; raises ValueError when it cannot be sized or valued."""
    size = abs(decimal(raw.get("contracts")) or Decimal(0))
    side = raw.get("side")
    mark = next((price for key in ("markPrice", "lastPrice", "entryPrice") if (price := decimal(raw.get(key)))), None)
    info: Mapping[str, Any] = raw.get("info") or {}
    notional = abs(decimal(raw.get("notional")) or decimal(info.get("value")) or Decimal(0))
    market = markets.market(symbol)
    if market is None:
        raise ValueError(f"a position in a market that is not known: {symbol}")
    if not mark and notional and size and not market.get("inverse") and (unit := markets.unit(symbol)):
        mark = notional / (size * unit)
    if side not in ("long", "short") or not size or not mark:
        raise ValueError(f"a position in {symbol} without side, size or price")
    unit = markets.unit(symbol, mark)
    if unit is None:
        raise ValueError(f"a position in {symbol} of unknown unit")
    hedged = raw.get("hedged") is True or position_side(info) != "both"
    return Position(
        symbol=symbol,
        quantity=size * unit if side == "long" else -size * unit,
        mark_price=mark,
        side=str(side) if hedged else "both",
        # The price of an option is in what it is settled in.
        currency=str(market.get("settle" if market.get("type") == "option" else "quote") or "USDT"),
        value=markets.value(symbol, size),
    )


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
    count = value / unit
    nearest = count.to_integral_value()
    if abs(count - nearest) > _ALMOST:
        nearest = count.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return nearest * unit


def read_quote(
    symbol: str,
    book: Mapping[str, Any],
    mark: Decimal | None,
    market: Mapping[str, Any],
    mode: int,
    band: Decimal,
    *,
    unit: Decimal = Decimal(1),
    largest: Sequence[Path] = (),
) -> Quote:
    """The top of a book and what rests within *band* of mid; raises `TemporaryError` for a one-sided book.

    *unit*: base units in one of the exchange's amounts; *largest*: where a market's ``info`` has the largest order.
    """
    bids, asks = _levels(book.get("bids")), _levels(book.get("asks"))
    if not bids or not asks:
        raise TemporaryError(f"the book of {symbol} has no {'bids' if asks else 'asks'}", reason="empty_book")
    mid = (bids[0][0] + asks[0][0]) / 2
    low, high = mid * (1 - band), mid * (1 + band)
    quantity_step = step(market["precision"].get("amount"), mode, bids[0][1])
    limits = (market.get("limits") or {}).get("amount") or {}
    # The smaller of what ccxt and the exchange say: an order that is too large is refused as a whole.
    most = [decimal(limits.get("max")), *(decimal(dig(market.get("info") or {}, path)) for path in largest)]
    most = [value for value in most if value]
    return Quote(
        symbol=symbol,
        bid=bids[0][0],
        ask=asks[0][0],
        mark=mark or mid,
        bid_depth=sum((size for price, size in bids if price >= low), Decimal(0)) * unit,
        ask_depth=sum((size for price, size in asks if price <= high), Decimal(0)) * unit,
        depth_band=band,
        price_tick=step(market["precision"].get("price"), mode, mid),
        quantity_step=quantity_step * unit,
        minimum_quantity=(decimal(limits.get("min")) or quantity_step) * unit,
        maximum_quantity=min(value for value in most if value) * unit if most else None,
    )


def _levels(side: Any) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(str(level[0])), Decimal(str(level[1]))) for level in side or ()]
