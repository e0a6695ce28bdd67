"""What a fill, a lock and an unlock do to an account's money."""

from decimal import Decimal

from sandbox.venue.accounts.account import Account
from sandbox.venue.instruments import QUOTE, Instrument, Market
from sandbox.venue.orders.order import Order, Side, Status, Trade

ZERO = Decimal(0)
# (maker, taker) as a share of the notional.
FEES: dict[Market, tuple[Decimal, Decimal]] = {
    Market.USDM: (Decimal("0.0002"), Decimal("0.0005")),
    Market.SPOT: (Decimal("0.001"), Decimal("0.001")),
}
SMALLEST = Decimal("0.00000001")


def settle(
    account: Account,
    order: Order,
    instrument: Instrument,
    price: Decimal,
    quantity: Decimal,
    *,
    maker: bool,
    now: int,
    trade_id: int,
) -> Trade:
    """Book one fill: money, position, the order's own progress, and the trade that tells of it."""
    rate = FEES[order.market][0 if maker else 1]
    notional = price * quantity
    signed = quantity * order.side.sign
    realised = ZERO
    if order.market is Market.USDM:
        commission, asset = (notional * rate).quantize(SMALLEST), QUOTE
        position = account.position(order.symbol)
        realised = position.fill(signed, price)
        position.update_time = now
        account.wallet += realised - commission
        account.fees += commission
    else:
        commission, asset = _settle_spot(account, order, instrument, price, quantity, rate)
    order.executed += quantity
    order.quote += notional
    order.update_time = now
    order.status = Status.PARTIALLY_FILLED if order.remaining else Status.FILLED
    trade = Trade(
        trade_id=trade_id,
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        price=price,
        quantity=quantity,
        commission=commission,
        commission_asset=asset,
        realised=realised,
        maker=maker,
        time=now,
    )
    order.trades.append(trade)
    account.record(order.market, trade)
    return trade


def _settle_spot(
    account: Account, order: Order, instrument: Instrument, price: Decimal, quantity: Decimal, rate: Decimal
) -> tuple[Decimal, str]:
    base, quote = account.holding(instrument.base), account.holding(QUOTE)
    locked_at = lock_price(order)
    if order.side is Side.BUY:
        commission = (quantity * rate).quantize(SMALLEST)
        base.free += quantity - commission
        if locked_at:
            quote.locked -= locked_at * quantity
            quote.free += (locked_at - price) * quantity
        else:
            quote.free -= price * quantity
        return commission, instrument.base
    commission = (price * quantity * rate).quantize(SMALLEST)
    if locked_at:
        base.locked -= quantity
    else:
        base.free -= quantity
    quote.free += price * quantity - commission
    return commission, QUOTE


def lock_price(order: Order) -> Decimal:
    """The price at which a spot order's money is set aside; 0 for a market order, which sets nothing aside."""
    return order.price or order.stop_price


def lock(account: Account, order: Order, instrument: Instrument) -> bool:
    """Set aside what a spot order may need; False when the free balance does not cover it."""
    price = lock_price(order)
    if not price:
        return True
    asset, amount = _lock(order, instrument, price)
    holding = account.holding(asset)
    if holding.free < amount:
        return False
    holding.free -= amount
    holding.locked += amount
    return True


def unlock(account: Account, order: Order, instrument: Instrument) -> None:
    """Give back what a spot order that ends did not use."""
    price = lock_price(order)
    if price:
        asset, amount = _lock(order, instrument, price)
        holding = account.holding(asset)
        holding.locked -= amount
        holding.free += amount


def _lock(order: Order, instrument: Instrument, price: Decimal) -> tuple[str, Decimal]:
    if order.side is Side.BUY:
        return QUOTE, price * order.remaining
    return instrument.base, order.remaining
