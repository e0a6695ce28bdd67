"""Which orders and positions a demand is about."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as some

from webhook.actions.exposure import Reach, adding_exposure, positions_in_scope, reach
from webhook.actions.port import OpenOrder, Position, Side
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.policy.attribution import Attribution, StrategyOwnership

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
OWNERS = Attribution(
    (
        StrategyOwnership("alone", "v", "own", ("alone_",), exclusive=True),
        StrategyOwnership("grid", "v", "shared", ("grid_",)),
        StrategyOwnership("btc", "v", "shared", ("btc_",), exclusive=True, symbols=(BTC,)),
    )
)


def an_order(
    number: int, side: Side, quantity: str, price: str | None, *, symbol: str = BTC, reduce_only: bool = False
) -> OpenOrder:
    return OpenOrder(
        str(number),
        None,
        symbol,
        side,
        Decimal(quantity),
        Decimal(0),
        None if price is None else Decimal(price),
        reduce_only,
    )


def test_a_scope_without_a_strategy_may_be_cancelled_unread() -> None:
    assert reach(GLOBAL, "v", "shared", OWNERS) == Reach(None, whole=True)
    assert reach(Scope.of({"symbol": BTC}), "v", "shared", OWNERS) == Reach((BTC,), whole=True)


def test_a_strategy_may_be_cancelled_unread_only_where_it_is_alone() -> None:
    def of(strategy: str, account: str, symbol: str | None = None) -> Reach:
        labels = {"strategy": strategy} | ({} if symbol is None else {"symbol": symbol})
        return reach(Scope.of(labels), "v", account, OWNERS)

    assert of("alone", "own") == Reach(None, whole=True)
    assert of("grid", "shared") == Reach(None, whole=False)
    # Alone on a symbol is not alone in the account: its ids may rest elsewhere.
    assert of("btc", "shared") == Reach(None, whole=False)
    assert of("btc", "shared", BTC) == Reach((BTC,), whole=True)
    assert of("btc", "shared", ETH) == Reach((ETH,), whole=False)


def test_positions_of_a_shared_account_belong_to_nobody_in_particular() -> None:
    held = (Position(BTC, Decimal(1), Decimal(100)), Position(ETH, Decimal(2), Decimal(10)))

    def of(strategy: str) -> list[str]:
        return [one.symbol for one in positions_in_scope(held, Scope.of({"strategy": strategy}), "v", "shared", OWNERS)]

    assert of("btc") == [BTC]
    assert of("grid") == []
    assert [one.symbol for one in positions_in_scope(held, GLOBAL, "v", "shared", OWNERS)] == [BTC, ETH]


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
    orders = (an_order(1, Side.SELL, "1", "101"), an_order(2, Side.BUY, "1", "99"))

    assert adding_exposure(orders, legs) == ()


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
