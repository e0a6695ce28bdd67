"""How a position is closed: in slices, inside the collar, never more than it is."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as some

from webhook.actions.flatten import FlattenLimits, collar, next_slice, order_id
from webhook.actions.port import Position, Quote, Side

LIMITS = FlattenLimits(Decimal("0.005"), 5, Decimal("0.25"), Decimal("0.005"))


def a_quote(*, depth: str = "100", mark: str = "60000") -> Quote:
    return Quote(
        "BTC/USDT:USDT",
        Decimal(mark) - 1,
        Decimal(mark) + 1,
        Decimal(mark),
        Decimal(depth),
        Decimal(depth),
        Decimal("0.005"),
        Decimal("0.1"),
        Decimal("0.001"),
        Decimal("0.001"),
    )


def test_a_position_is_cut_into_slices_of_what_it_was_at_first() -> None:
    position = Position("BTC/USDT:USDT", Decimal("0.6"), Decimal(60000))

    order = next_slice(position, a_quote(), LIMITS, first_size=Decimal(1), client_order_id="x")

    assert order is not None
    assert (order.side, order.quantity, order.limit_price) == (Side.SELL, Decimal("0.2"), Decimal(59700))


def test_a_thin_book_makes_the_slices_smaller() -> None:
    position = Position("BTC/USDT:USDT", Decimal(-10), Decimal(60000))

    order = next_slice(position, a_quote(depth="1"), LIMITS, first_size=Decimal(10), client_order_id="x")

    assert order is not None
    assert (order.side, order.quantity, order.limit_price) == (Side.BUY, Decimal("0.25"), Decimal(60300))


def test_an_empty_book_is_not_traded_into() -> None:
    position = Position("BTC/USDT:USDT", Decimal(1), Decimal(60000))

    assert next_slice(position, a_quote(depth="0"), LIMITS, first_size=Decimal(1), client_order_id="x") is None


def test_a_rest_too_small_for_an_order_of_its_own_goes_along() -> None:
    position = Position("BTC/USDT:USDT", Decimal("0.2005"), Decimal(60000))

    order = next_slice(position, a_quote(), LIMITS, first_size=Decimal(1), client_order_id="x")

    assert order is not None
    assert order.quantity == Decimal("0.2005")


@given(
    some.decimals("0.001", "100", places=3),
    some.decimals("0.001", "100", places=3),
    some.decimals("0", "50", places=3),
    some.booleans(),
)
def test_a_slice_is_never_more_than_the_position_nor_outside_the_collar(
    left: Decimal, first: Decimal, depth: Decimal, long: bool
) -> None:
    position = Position("BTC/USDT:USDT", left if long else -left, Decimal(60000))
    quote = a_quote(depth=str(depth))

    order = next_slice(position, quote, LIMITS, first_size=max(first, left), client_order_id="x")

    if order is not None:
        assert 0 < order.quantity <= left
        assert abs(order.limit_price / quote.mark - 1) <= LIMITS.collar_ratio
        assert order.limit_price % quote.price_tick == 0


def test_the_collar_is_rounded_inwards() -> None:
    quote = a_quote(mark="60000.07")

    assert collar(Side.SELL, quote, LIMITS.collar_ratio) >= quote.mark * (1 - LIMITS.collar_ratio)
    assert collar(Side.BUY, quote, LIMITS.collar_ratio) <= quote.mark * (1 + LIMITS.collar_ratio)


def test_an_order_id_names_the_slice_and_fits_every_venue() -> None:
    first = order_id("20261122T231648-b85a43c5", "BTC/USDT:USDT", "both", "1.1")

    assert first == order_id("20261122T231648-b85a43c5", "BTC/USDT:USDT", "both", "1.1")
    assert first.startswith("kill-b85a43c5-")
    assert (
        len(
            {
                first,
                order_id("20261122T231648-b85a43c5", "ETH/USDT:USDT", "both", "1.1"),
                order_id("20261122T231648-b85a43c5", "BTC/USDT:USDT", "both", "1.2"),
            }
        )
        == 3
    )
    assert len(order_id("20261122T231648-b85a43c5", "BTC/USDT:USDT", "both", "123.456789")) <= 36
