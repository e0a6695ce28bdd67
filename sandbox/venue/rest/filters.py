"""The filters of `exchangeInfo` that prices and quantities must pass."""

from decimal import Decimal

from sandbox.venue.instruments import Instrument
from sandbox.venue.refusal import Refused


def on_grid(value: Decimal, increment: Decimal) -> bool:
    """Whether a value is a whole multiple of the increment."""
    return value % increment == 0


def check_futures_filters(instrument: Instrument, *, price: Decimal | None, quantity: Decimal | None) -> None:
    """The PRICE_FILTER and LOT_SIZE of a perpetual."""
    if price is not None:
        if price <= 0:
            raise Refused(-4001, "Price less than 0.")
        if _decimals(price) > _decimals(instrument.tick):
            raise Refused(-1111, "Precision is over the maximum defined for this asset.")
        if not on_grid(price, instrument.tick):
            raise Refused(-4014, "Price not increased by tick size.")
    if quantity is not None:
        if quantity <= 0:
            raise Refused(-4003, "Quantity less than or equal to zero.")
        if _decimals(quantity) > _decimals(instrument.step):
            raise Refused(-1111, "Precision is over the maximum defined for this asset.")
        if quantity > instrument.max_quantity:
            raise Refused(-4005, "Quantity greater than max quantity.")
        if not on_grid(quantity, instrument.step):
            raise Refused(-4023, "Qty not increased by step size.")


def check_futures_worth(instrument: Instrument, worth: Decimal) -> None:
    """The MIN_NOTIONAL of a perpetual; `worth` is the order's notional in USDT."""
    least = instrument.min_notional
    if worth < least:
        raise Refused(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def check_spot_filters(instrument: Instrument, *, price: Decimal | None, quantity: Decimal | None) -> None:
    """The PRICE_FILTER and LOT_SIZE of a spot symbol."""
    if price is not None and (price <= 0 or not on_grid(price, instrument.tick)):
        raise Refused(-1013, "Filter failure: PRICE_FILTER")
    if quantity is not None and (
        quantity <= 0 or quantity > instrument.max_quantity or not on_grid(quantity, instrument.step)
    ):
        raise Refused(-1013, "Filter failure: LOT_SIZE")


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
