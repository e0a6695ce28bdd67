"""Which orders add exposure, which positions nothing guards, and how people are shown both."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from tests import builders
from webhook.actions.exposure import MOST_LISTED, adding_exposure, listed, naked
from webhook.actions.port import OpenOrder, Position, Side
from webhook.killswitch.desired import AccountTarget
from webhook.policy.attribution import Attribution, StrategyOwnership

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def an_order(number: int, side: Side, quantity: str | None, price: str | None, **changes: Any) -> OpenOrder:
    return builders.an_order(
        order_id=str(number),
        side=side,
        quantity=None if quantity is None else Decimal(quantity),
        price=None if price is None else Decimal(price),
        **changes,
    )


def test_orders_that_close_a_position_add_nothing_until_they_are_more_than_it() -> None:
    long = (Position(BTC, Decimal(1), Decimal(100)),)
    near, far = an_order(1, Side.SELL, "0.8", "101"), an_order(2, Side.SELL, "0.8", "110")
    buy, held_by_venue = an_order(3, Side.BUY, "1", "99"), an_order(4, Side.SELL, "5", "120", reduce_only=True)

    assert adding_exposure((far, near, buy, held_by_venue), long) == (buy, far)


def test_both_legs_of_a_hedge_may_be_closed() -> None:
    legs = (
        Position(BTC, Decimal(1), Decimal(100), side="long"),
        Position(BTC, Decimal(-1), Decimal(100), side="short"),
    )
    sell, buy = (
        an_order(1, Side.SELL, "1", "101", position_side="long"),
        an_order(2, Side.BUY, "1", "99", position_side="short"),
    )

    assert adding_exposure((sell, buy), legs) == ()
    # The same sides open the other leg.
    opening = (
        an_order(3, Side.SELL, "1", "101", position_side="short"),
        an_order(4, Side.BUY, "1", "99", position_side="long"),
    )
    assert set(adding_exposure((*opening, sell, buy), legs)) == set(opening)


def test_an_order_whose_quantity_nobody_knows_adds_exposure() -> None:
    long = (Position(BTC, Decimal(1), Decimal(100)),)
    unknown = an_order(1, Side.SELL, None, "101")

    assert adding_exposure((unknown,), long) == (unknown,)
    assert adding_exposure((an_order(2, Side.SELL, None, "101", close_position=True),), long) == ()


def test_the_room_to_close_is_there_once_for_all_who_share_the_account() -> None:
    long = (Position(BTC, Decimal(10), Decimal(100)),)
    one = an_order(1, Side.SELL, "10", "101", client_order_id="grid_1")
    other = an_order(2, Side.SELL, "10", "102", client_order_id="trend_1")

    assert adding_exposure((other, one), long) == (other,)


def a_stop(number: int, side: Side, quantity: str | None, **changes: Any) -> OpenOrder:
    return an_order(number, side, quantity, None, **({"trigger": True, "reduce_only": True} | changes))


def test_a_position_is_naked_as_far_as_no_stop_that_can_only_close_it_guards_it() -> None:
    held = (Position(BTC, Decimal(2), Decimal(100)), Position(ETH, Decimal(-4), Decimal(10)))

    assert naked(held, ()) == {BTC: Decimal(200), ETH: Decimal(40)}
    half = a_stop(1, Side.SELL, "0.5")
    assert naked(held, (half,)) == {BTC: Decimal(150), ETH: Decimal(40)}
    assert naked(held, (half, a_stop(2, Side.SELL, "1.5"), a_stop(3, Side.BUY, "4", symbol=ETH))) == {}
    whole = a_stop(4, Side.SELL, None, reduce_only=False, close_position=True)
    assert naked(held, (whole, half)) == {ETH: Decimal(40)}


def test_what_could_open_a_position_guards_none() -> None:
    held = (Position(BTC, Decimal(2), Decimal(100)),)
    loose = a_stop(1, Side.SELL, "2", reduce_only=False)
    no_stop = an_order(2, Side.SELL, "2", "110", reduce_only=True)
    wrong_side = a_stop(3, Side.BUY, "2")

    assert naked(held, (loose, no_stop, wrong_side)) == {BTC: Decimal(200)}


def test_orders_and_positions_are_listed_with_ids_owner_and_value() -> None:
    account = AccountTarget("sandbox-shared", "sandbox", "shared")
    attribution = Attribution((StrategyOwnership("grid", "sandbox", "shared", ("grid_",)),))
    orders = [
        an_order(1, Side.BUY, "2", "90.5", client_order_id="grid_7", filled=Decimal("0.5")),
        an_order(2, Side.SELL, None, None, client_order_id=None),
    ]

    found = listed(orders, [Position(BTC, Decimal(-3), Decimal(100))], account, attribution)

    assert found == {
        "orders": [
            {
                "order_id": "1",
                "client_order_id": "grid_7",
                "symbol": BTC,
                "side": "buy",
                "quantity": "1.5",
                "price": "90.5",
                "notional": "135.75",
                "owner": "grid",
            },
            {
                "order_id": "2",
                "client_order_id": None,
                "symbol": BTC,
                "side": "sell",
                "quantity": None,
                "price": None,
                "notional": "0",
                "owner": None,
            },
        ],
        "positions": [{"symbol": BTC, "side": "both", "quantity": "-3", "notional": "300", "currency": "USDT"}],
    }
    many = listed(orders * 200, (), account, attribution)
    assert len(many["orders"]) == MOST_LISTED


@given(
    some.lists(
        some.tuples(some.sampled_from(Side), some.integers(1, 50), some.integers(50, 150), some.booleans()), max_size=12
    ),
    some.integers(-60, 60),
)
def test_what_is_left_can_never_turn_a_position_round(orders: list[tuple[Side, int, int, bool]], held: int) -> None:
    """Whatever fills of the orders that stay, the position does not grow and does not change sides."""
    resting = [
        an_order(n, side, str(size), str(price), reduce_only=only) for n, (side, size, price, only) in enumerate(orders)
    ]
    positions = (Position(BTC, Decimal(held), Decimal(100)),) if held else ()
    adding = adding_exposure(resting, positions)
    stay = [one for one in resting if one not in adding and not one.reduce_only]

    assert all(one.side is (Side.SELL if held > 0 else Side.BUY) for one in stay)
    assert sum((one.remaining for one in stay), Decimal(0)) <= abs(held)
