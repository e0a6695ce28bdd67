"""The strategies' decisions, without any venue."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine.market import Rules, Side, Tick
from sandbox.engine.parameters import ParameterError, described
from sandbox.engine.strategies.mean_reversion import MeanReversion
from sandbox.engine.strategies.quoting import Quoting
from sandbox.engine.strategies.strategy import Cancel, CloseParent, OpenParent, Parent, Place, View, Working
from sandbox.engine.strategies.trend_following import TrendFollowing

RULES = Rules(
    price_tick=Decimal("0.1"),
    quantity_step=Decimal("0.001"),
    minimum_quantity=Decimal("0.001"),
    minimum_notional=Decimal(100),
)


def view(now=0.0, mid="60000", position="0", working=(), parent=None):
    half = Decimal("0.05")
    return View(
        now=now,
        tick=Tick(Decimal(mid) - half, Decimal(mid) + half, now),
        rules=RULES,
        position=Decimal(position),
        working=tuple(working),
        parent=parent,
    )


def working(side, price, *, age=10.0, leaving=False, name="mm-btc_1", parent_id=None):
    return Working(name, side, Decimal(price), Decimal("0.01"), False, parent_id, age, leaving)


def parent(side, quantity="0.03", committed="0", *, age=1.0, since_child=None):
    return Parent("p1", side, Decimal(quantity), Decimal(committed), Decimal(committed), age, since_child)


# Quoting.


def test_it_quotes_both_sides_around_the_mid():
    bid, ask = Quoting().decide(view())
    assert (bid.side, ask.side) == (Side.BUY, Side.SELL)
    assert bid.price == Decimal("59982.0")
    assert ask.price == Decimal("60018.0")
    assert bid.quantity == ask.quantity == Decimal("0.01")


def test_it_leaves_a_quote_where_it_is_while_the_price_has_hardly_moved():
    quotes = [working(Side.BUY, "59982", name="a"), working(Side.SELL, "60018", name="b")]
    assert Quoting().decide(view(mid="60003", working=quotes)) == []


def test_it_moves_its_quotes_when_the_price_has_moved():
    quotes = [working(Side.BUY, "59982", name="a"), working(Side.SELL, "60018", name="b")]
    assert Quoting().decide(view(mid="60060", working=quotes)) == [Cancel("a"), Cancel("b")]


def test_it_does_not_move_a_quote_that_is_young_or_already_leaving():
    young = [working(Side.BUY, "50000", name="a", age=0.3), working(Side.SELL, "70000", name="b", leaving=True)]
    assert Quoting().decide(view(working=young)) == []


def test_it_shades_its_quotes_against_its_inventory():
    flat, long = Quoting(), Quoting()
    flat_bid, flat_ask = flat.decide(view())
    long_bid, long_ask = long.decide(view(position="0.04"))
    assert long_bid.price < flat_bid.price
    assert long_ask.price < flat_ask.price


def test_it_stops_buying_at_its_limit_and_pulls_the_bid():
    intents = Quoting().decide(view(position="0.05", working=[working(Side.BUY, "59982", name="a")]))
    assert intents[0] == Cancel("a")
    assert [one.side for one in intents[1:]] == [Side.SELL]


def test_it_keeps_one_quote_a_side():
    double = [working(Side.BUY, "59982", name="a"), working(Side.BUY, "59982", name="b")]
    assert Cancel("b") in Quoting().decide(view(working=double))


def test_it_does_not_place_the_same_side_again_at_once():
    quoting = Quoting()
    assert len(quoting.decide(view(now=0.0))) == 2
    assert quoting.decide(view(now=0.5)) == []
    assert len(quoting.decide(view(now=1.5))) == 2


@given(
    mid=st.decimals(min_value=1000, max_value=200000, places=1),
    position=st.decimals(min_value="-0.3", max_value="0.3", places=3),
)
def test_a_quote_is_never_across_the_spread_and_always_on_the_tick(mid, position):
    one = view(mid=str(mid), position=str(position))
    for wish in Quoting().decide(one):
        assert wish.price % RULES.price_tick == 0
        if wish.side is Side.BUY:
            assert wish.price <= one.tick.bid
        else:
            assert wish.price >= one.tick.ask


# Trend following.


def follow(trend, *, start, step, count, position="0"):
    """Show *count* prices, one a second, and give everything wished."""
    wished = []
    for number in range(count):
        wished += trend.decide(view(now=float(number), mid=str(start + step * number), position=position))
    return wished


def test_a_rising_market_makes_it_long_and_a_falling_one_short():
    up, down = TrendFollowing(), TrendFollowing()
    assert follow(up, start=60000, step=5, count=60)[0] == OpenParent(Side.BUY, Decimal("0.030"))
    assert follow(down, start=60000, step=-5, count=60)[0] == OpenParent(Side.SELL, Decimal("0.030"))


def test_a_market_that_stands_still_makes_it_do_nothing():
    assert follow(TrendFollowing(), start=60000, step=0, count=300) == []


def test_it_is_content_when_it_holds_what_it_wants():
    assert follow(TrendFollowing(), start=60000, step=5, count=60, position="0.03") == []


def test_it_turns_the_position_around_when_the_trend_turns():
    trend = TrendFollowing()
    follow(trend, start=60000, step=5, count=60, position="0.03")
    wished = []
    for number in range(60, 300):
        wished += trend.decide(view(now=float(number), mid=str(60300 - 5 * (number - 60)), position="0.03"))
    assert OpenParent(Side.SELL, Decimal("0.060")) in wished


def test_children_never_add_up_to_more_than_the_parent():
    trend = TrendFollowing()
    follow(trend, start=60000, step=5, count=60)
    committed, sent, now = Decimal(0), [], 60.0
    while True:
        seen = parent(Side.BUY, "0.031", str(committed), age=now - 60, since_child=None if not sent else 3.0)
        (wish,) = trend.decide(view(now=now, mid="60300", parent=seen))
        if wish == CloseParent():
            break
        assert wish.of_parent
        assert wish.price > Decimal(60300)
        sent.append(wish.quantity)
        committed += wish.quantity
        now += 3
    assert sum(sent) == Decimal("0.031")
    assert len(sent) == 5


def test_a_slice_waits_for_the_one_before():
    trend = TrendFollowing()
    follow(trend, start=60000, step=5, count=60)
    child = working(Side.BUY, "60300", age=1.0, parent_id="p1")
    seen = parent(Side.BUY, committed="0.01", since_child=1.0)
    assert trend.decide(view(now=61, mid="60300", working=[child], parent=seen)) == []
    assert trend.decide(view(now=62, mid="60300", parent=replace(seen, since_child=0.5))) == []


def test_a_slice_that_does_not_trade_is_pulled():
    trend = TrendFollowing()
    follow(trend, start=60000, step=5, count=60)
    child = working(Side.BUY, "60000", age=9.0, parent_id="p1")
    assert trend.decide(view(now=61, mid="60300", working=[child], parent=parent(Side.BUY))) == [Cancel("mm-btc_1")]


def test_a_parent_against_the_trend_is_given_up():
    trend = TrendFollowing()
    follow(trend, start=60000, step=5, count=60)
    assert trend.decide(view(now=61, mid="60300", parent=parent(Side.SELL))) == [CloseParent()]


# Mean reversion.


def warm(reversion, *, count=120, position="0"):
    """Show a market that swings by one basis point."""
    for number in range(count):
        wished = reversion.decide(view(now=float(number), mid=str(60000 + 6 * (number % 2 * 2 - 1)), position=position))
    return wished


def test_it_buys_what_has_fallen_far_and_sells_what_has_risen_far():
    low, high = MeanReversion(), MeanReversion()
    warm(low)
    warm(high)
    assert low.decide(view(now=120, mid="59970")) == [OpenParent(Side.BUY, Decimal("0.020"))]
    assert high.decide(view(now=120, mid="60030")) == [OpenParent(Side.SELL, Decimal("0.020"))]


def test_it_knows_nothing_before_it_has_seen_enough_or_when_nothing_moves():
    assert MeanReversion().z_score(60000.0) is None
    still = MeanReversion()
    for number in range(120):
        assert still.decide(view(now=float(number))) == []
    assert still.decide(view(now=120, mid="59990")) == []


def test_it_enters_at_the_touch():
    reversion = MeanReversion()
    (wish,) = reversion.decide(view(parent=parent(Side.BUY, "0.02")))
    assert wish == Place(Side.BUY, Decimal("0.02"), Decimal("59999.95"), of_parent=True)


def test_it_leaves_reduce_only_and_across_the_spread():
    reversion = MeanReversion()
    (wish,) = reversion.decide(view(position="0.015", parent=parent(Side.SELL, "0.02")))
    assert wish.reduce_only
    assert wish.quantity == Decimal("0.015")
    assert wish.price < Decimal("59999.95")


def test_it_goes_home_when_the_price_is_back_at_the_mean():
    reversion = MeanReversion()
    warm(reversion)
    reversion.decide(view(now=120, mid="59970"))
    assert reversion.decide(view(now=122, mid="59971", position="0.02")) == []
    assert reversion.decide(view(now=123, mid="60000", position="0.02")) == [OpenParent(Side.SELL, Decimal("0.02"))]


def test_it_goes_home_after_a_while_in_any_case():
    reversion = MeanReversion()
    assert reversion.decide(view(now=0, position="-0.02")) == []
    assert reversion.decide(view(now=181, position="-0.02")) == [OpenParent(Side.BUY, Decimal("0.02"))]


def test_it_tries_one_child_and_then_looks_anew():
    reversion = MeanReversion()
    stale = working(Side.BUY, "59990", age=6.0, parent_id="p1")
    assert reversion.decide(view(working=[stale], parent=parent(Side.BUY, since_child=6.0))) == [Cancel("mm-btc_1")]
    assert reversion.decide(view(parent=parent(Side.BUY, since_child=6.5))) == [CloseParent()]


# Parameters.


def test_parameters_are_changed_together_or_not_at_all():
    quoting = Quoting()
    quoting.adjust({"notional": "1200", "requote_seconds": 2})
    assert quoting.parameters.notional == Decimal(1200)
    before = quoting.parameters
    with pytest.raises(ParameterError):
        quoting.adjust({"notional": "1800", "half_spread_ratio": "7"})
    assert quoting.parameters == before


@pytest.mark.parametrize("value", ["9", "-1", "NaN", "Infinity", "many", True, None, [], 1e9])
def test_a_bad_value_is_refused_with_the_name_of_its_field(value):
    with pytest.raises(ParameterError) as refused:
        Quoting().adjust({"notional": value})
    assert refused.value.field == "notional"
    assert "from 10 to 6000" in refused.value.message


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ParameterError) as refused:
        Quoting().adjust({"notoinal": "600"})
    assert refused.value.field == "notoinal"
    assert "notional" in refused.value.message


def test_parameters_that_do_not_fit_each_other_are_refused():
    with pytest.raises(ParameterError) as refused:
        TrendFollowing().adjust({"fast_seconds": "100"})
    assert refused.value.field == "fast_seconds"
    with pytest.raises(ParameterError) as refused:
        MeanReversion().adjust({"leave_z": "2"})
    assert refused.value.field == "leave_z"


def test_parameters_are_shown_as_decimal_strings():
    assert described(Quoting().parameters)["half_spread_ratio"] == "0.0003"
