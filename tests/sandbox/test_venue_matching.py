"""Orders against the market: who fills, at what price, in what line, and what it does to the account."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.venue.accounts.balances import Position, maintenance_margin
from sandbox.venue.instruments import Market
from sandbox.venue.matching.liquidation import liquidate
from sandbox.venue.orders.order import AlgoStatus, Side, Status
from sandbox.venue.refusal import Refused
from tests.sandbox.venue_rig import BTC, Rig

D = Decimal


def refused(code: int):
    return pytest.raises(Refused, check=lambda error: error.code == code)


def test_a_market_order_takes_the_book_level_by_level():
    rig = Rig()
    order = rig.at_market(Side.BUY, "1.5")
    assert [(one.price, one.quantity) for one in order.trades] == [(D("60000.2"), D(1)), (D("60000.4"), D("0.5"))]
    assert order.status is Status.FILLED
    assert not any(one.maker for one in order.trades)


def test_what_was_taken_is_gone_until_the_feed_speaks_of_that_price_again():
    rig = Rig()
    rig.at_market(Side.BUY, "1")
    assert rig.at_market(Side.BUY, "0.1").average == D("60000.4")
    rig.depth(asks=[("60000.2", "3")])
    assert rig.at_market(Side.BUY, "0.1").average == D("60000.2")


def test_a_market_order_beyond_the_depth_expires_with_what_it_got():
    rig = Rig(balance="10000000")
    order = rig.at_market(Side.SELL, "9")
    assert (order.status, order.executed) == (Status.EXPIRED, D(5))
    assert rig.mm.open[Market.USDM] == {}


def test_a_limit_order_takes_up_to_its_price_and_rests_with_the_remainder():
    rig = Rig()
    order = rig.limit(Side.BUY, "1.4", "60000.2")
    assert (order.status, order.executed) == (Status.PARTIALLY_FILLED, D(1))
    assert rig.mm.open_orders(Market.USDM, BTC) == [order]


def test_a_resting_order_fills_as_maker_when_the_book_comes_to_it():
    rig = Rig()
    order = rig.limit(Side.BUY, "0.4", "59990")
    rig.depth(asks=[("59989.8", "1")])
    assert (order.status, order.average) == (Status.FILLED, D(59990))
    assert order.trades[0].maker


def test_a_trade_through_the_price_fills_and_a_trade_at_it_first_fills_what_stood_before():
    rig = Rig()
    order = rig.limit(Side.BUY, "2", "60000.0")  # one BTC stands there already
    rig.trade("60000.0", "0.6", buyer_is_maker=True)
    assert order.executed == 0
    rig.trade("60000.0", "0.6", buyer_is_maker=True)
    assert order.executed == D("0.2")
    rig.trade("59999.8", "0.5", buyer_is_maker=True)
    assert order.executed == D("0.7")


def test_a_buyer_who_lifts_the_offer_does_not_fill_resting_bids():
    rig = Rig()
    order = rig.limit(Side.BUY, "1", "60000.0")
    rig.trade("59999.0", "9", buyer_is_maker=False)
    assert order.executed == 0


def test_users_trade_with_each_other_at_the_price_of_the_one_who_waited():
    rig = Rig()
    maker = rig.limit(Side.BUY, "0.3", "60000.1")
    taker = rig.at_market(Side.SELL, "0.5", account=rig.trend)
    assert [(one.price, one.quantity) for one in taker.trades] == [(D("60000.1"), D("0.3")), (D("60000.0"), D("0.2"))]
    assert maker.status is Status.FILLED
    assert rig.mm.position(BTC).quantity == D("0.3")
    assert rig.trend.position(BTC).quantity == D("-0.5")


def test_nobody_trades_with_himself():
    rig = Rig()
    own = rig.limit(Side.BUY, "0.3", "60000.1")
    assert rig.at_market(Side.SELL, "0.3").average == D("60000.0")
    assert own.executed == 0


def test_post_only_is_refused_when_it_would_take():
    rig = Rig()
    with refused(-5022):
        rig.limit(Side.BUY, "0.1", "60000.2", time_in_force="GTX")
    assert rig.limit(Side.BUY, "0.1", "60000.0", time_in_force="GTX").status is Status.NEW


def test_fill_or_kill_does_all_or_nothing():
    rig = Rig()
    with refused(-5021):
        rig.limit(Side.BUY, "1.5", "60000.2", time_in_force="FOK")
    assert rig.mm.position(BTC).quantity == 0
    assert rig.limit(Side.BUY, "1", "60000.2", time_in_force="FOK").status is Status.FILLED


def test_immediate_or_cancel_keeps_nothing_resting():
    rig = Rig()
    order = rig.limit(Side.BUY, "1.5", "60000.2", time_in_force="IOC")
    assert (order.status, order.executed) == (Status.EXPIRED, D(1))
    assert rig.mm.open[Market.USDM] == {}
    assert rig.exchange.margin(rig.mm).order_initial == 0


def test_a_client_id_is_refused_while_an_open_order_has_it():
    rig = Rig()
    first = rig.limit(Side.BUY, "0.1", "59000", client_id="one")
    with refused(-4116):
        rig.limit(Side.BUY, "0.1", "59000", client_id="one")
    rig.exchange.cancel(first)
    assert rig.limit(Side.BUY, "0.1", "59000", client_id="one").status is Status.NEW


def test_reduce_only_needs_something_to_reduce_and_never_passes_flat():
    rig = Rig()
    with refused(-2022):
        rig.at_market(Side.SELL, "0.1", reduce_only=True)
    rig.at_market(Side.BUY, "0.5")
    with refused(-2022):
        rig.at_market(Side.BUY, "0.1", reduce_only=True)
    order = rig.at_market(Side.SELL, "2", reduce_only=True)
    assert (order.quantity, order.executed) == (D("0.5"), D("0.5"))
    assert rig.mm.position(BTC).quantity == 0


def test_a_resting_reduce_only_order_expires_when_the_position_is_gone():
    rig = Rig()
    rig.at_market(Side.BUY, "0.5")
    resting = rig.limit(Side.SELL, "0.5", "61000", reduce_only=True)
    rig.at_market(Side.SELL, "0.5")
    assert resting.status is Status.EXPIRED
    assert rig.mm.open[Market.USDM] == {}


def test_an_order_beyond_the_margin_is_refused_and_one_that_reduces_is_not():
    rig = Rig(balance="1000")
    with refused(-2019):
        rig.limit(Side.BUY, "0.5", "59000")  # 29,500 / 20 = 1,475
    rig.at_market(Side.BUY, "0.3")
    with refused(-2019):
        rig.at_market(Side.BUY, "0.3")
    assert rig.at_market(Side.SELL, "0.3").status is Status.FILLED


def test_resting_orders_tie_up_the_worse_side_only():
    rig = Rig()
    rig.limit(Side.BUY, "0.1", "59000")
    rig.limit(Side.SELL, "0.1", "61000")
    assert rig.exchange.margin(rig.mm).order_initial == D("0.1") * 61000 / 20


def test_fees_and_profit_end_in_the_wallet():
    rig = Rig()
    rig.at_market(Side.BUY, "1")
    rig.depth(
        bids=[("60100.0", "1")],
        asks=[("60000.2", "0"), ("60000.4", "0"), ("60000.6", "0"), ("60000.8", "0"), ("60001.0", "0")],
    )
    rig.at_market(Side.SELL, "1")
    fees = (D("60000.2") + D("60100.0")) * D("0.0005")
    assert rig.mm.wallet == D(100000) + D("99.8") - fees
    assert rig.mm.position(BTC).realised == D("99.8")


def test_a_stop_wakes_at_its_price_and_becomes_a_market_order_of_the_same_owner():
    rig = Rig()
    rig.at_market(Side.BUY, "0.5")
    stop = rig.stop(Side.SELL, "59990", quantity="0.5", reduce_only=True, client_id="mm-btc_7")
    rig.trade("59991.0", "0.1", buyer_is_maker=True)
    assert stop.status is AlgoStatus.NEW
    rig.trade("59990.0", "0.1", buyer_is_maker=True)
    assert stop.status is AlgoStatus.FINISHED
    assert rig.mm.algo == {}
    assert rig.mm.position(BTC).quantity == 0
    child = rig.mm.find(Market.USDM, BTC, stop.actual_order_id, None)
    assert child is not None
    assert child.client_order_id == "mm-btc_7"


def test_a_stop_that_would_trigger_at_once_is_refused():
    rig = Rig()
    with refused(-2021):
        rig.stop(Side.BUY, "59000")
    with refused(-2021):
        rig.stop(Side.SELL, "61000")
    with refused(-2021):
        rig.stop(Side.SELL, "59000", type="TAKE_PROFIT_MARKET")


def test_a_take_profit_limit_rests_at_its_own_price():
    rig = Rig()
    rig.at_market(Side.BUY, "0.5")
    algo = rig.stop(Side.SELL, "60500", type="TAKE_PROFIT", price="60600", quantity="0.5")
    rig.trade("60500.0", "0.1", buyer_is_maker=False)
    assert algo.status is AlgoStatus.FINISHED
    assert [one.price for one in rig.mm.open_orders(Market.USDM, BTC)] == [D(60600)]


def test_a_trailing_stop_follows_the_best_price():
    rig = Rig()
    rig.at_market(Side.BUY, "0.1")
    algo = rig.stop(Side.SELL, "0", type="TRAILING_STOP_MARKET", callback_rate=D(1), activate_price=D(60500))
    rig.trade("59000.0", "0.1", buyer_is_maker=True)  # asleep: below its activation
    assert algo.status is AlgoStatus.NEW
    for price in ("60500.0", "61000.0", "60400.0"):
        rig.trade(price, "0.1", buyer_is_maker=True)
    assert algo.status is AlgoStatus.NEW
    rig.trade("60390.0", "0.1", buyer_is_maker=True)
    assert algo.status is AlgoStatus.FINISHED


def test_a_stop_with_nothing_left_to_close_expires():
    rig = Rig()
    rig.at_market(Side.BUY, "0.1")
    algo = rig.stop(Side.SELL, "59000", close_position=True, quantity="0")
    rig.at_market(Side.SELL, "0.1")
    rig.trade("59000.0", "0.1", buyer_is_maker=True)
    assert algo.status is AlgoStatus.EXPIRED


def test_a_mark_price_stop_watches_the_mid_not_the_last_trade():
    rig = Rig()
    algo = rig.stop(Side.SELL, "59500", working_type="MARK_PRICE")
    rig.trade("59000.0", "0.1", buyer_is_maker=True)
    assert algo.status is AlgoStatus.NEW
    rig.pair().move(D("-0.02"))
    assert algo.status is AlgoStatus.FINISHED


def test_an_account_that_its_margin_no_longer_carries_is_liquidated():
    rig = Rig(balance="2000")
    rig.at_market(Side.BUY, "0.6")
    rig.limit(Side.BUY, "0.002", "50000")
    rig.stop(Side.SELL, "40000")
    assert liquidate(rig.exchange) == 0
    rig.pair().move(D("-0.06"))
    assert liquidate(rig.exchange) == 1
    assert rig.mm.position(BTC).quantity == 0
    assert (rig.mm.open[Market.USDM], rig.mm.algo) == ({}, {})


def test_a_spot_order_locks_what_it_may_need_and_gives_it_back():
    rig = Rig()
    order = rig.limit(Side.BUY, "1", "59000", market=Market.SPOT)
    assert (rig.mm.holding("USDT").free, rig.mm.holding("USDT").locked) == (D(41000), D(59000))
    with refused(-2010):
        rig.limit(Side.BUY, "1", "59000", market=Market.SPOT)
    rig.exchange.cancel(order)
    assert (rig.mm.holding("USDT").free, rig.mm.holding("USDT").locked) == (D(100000), D(0))


def test_a_spot_buy_and_sell_leave_only_the_fees_missing():
    rig = Rig()
    rig.limit(Side.BUY, "1", "60000.2", market=Market.SPOT, time_in_force="FOK")
    assert (rig.mm.holding("BTC").free, rig.mm.holding("USDT").free) == (D("0.999"), D("39999.8"))
    rig.at_market(Side.SELL, "0.999", market=Market.SPOT)
    got = D("0.999") * 60000
    assert rig.mm.holding("USDT").free == D("39999.8") + got - got * D("0.001")
    assert rig.mm.holding("USDT").locked == 0
    with refused(-2010):
        rig.at_market(Side.SELL, "0.1", market=Market.SPOT)


def test_a_spot_market_order_can_be_for_an_amount_of_money():
    rig = Rig()
    order = rig.at_market(Side.BUY, "0", market=Market.SPOT, quote_quantity=D(6000))
    assert order.executed == D("0.09999")
    assert rig.mm.holding("USDT").locked == 0


def test_a_spot_fill_or_kill_that_cannot_be_filled_expires_and_unlocks():
    rig = Rig()
    order = rig.limit(Side.BUY, "1.5", "60000.2", market=Market.SPOT, time_in_force="FOK")
    assert (order.status, order.executed) == (Status.EXPIRED, D(0))
    assert rig.mm.holding("USDT").free == D(100000)


def test_a_spot_stop_waits_locked_and_works_when_reached():
    rig = Rig()
    rig.at_market(Side.BUY, "1", market=Market.SPOT)
    stop = rig.limit(Side.SELL, "0.5", "58900", market=Market.SPOT, type="STOP_LOSS_LIMIT", stop_price=D(59000))
    assert rig.mm.holding("BTC").locked == D("0.5")
    spot = rig.pair(Market.SPOT)
    spot.trade("59000.00", "0.1", buyer_is_maker=True, event_ms=1)
    assert stop.status is Status.FILLED
    assert rig.mm.holding("BTC").locked == 0


def test_maintenance_margin_never_jumps_at_a_bracket():
    for edge in (50_000, 600_000, 3_000_000, 12_000_000):
        step = maintenance_margin(D(edge)) - maintenance_margin(D(edge) - D("0.01"))
        assert D(0) < step < D("0.001")


@given(
    st.lists(
        st.tuples(st.decimals("-5", "5", places=3).filter(bool), st.decimals("100", "200", places=1)),
        min_size=1,
        max_size=30,
    )
)
def test_profit_never_depends_on_how_a_position_was_built(fills):
    position = Position(BTC)
    cash = D(0)
    for signed, price in fills:
        position.fill(signed, price)
        cash -= signed * price
    last = D(150)
    total = position.realised + position.unrealised(last)
    assert abs(total - (cash + position.quantity * last)) <= D("1e-8") * len(fills)  # each is rounded as it is booked


@given(
    st.lists(
        st.tuples(st.sampled_from(["place", "cancel", "trade", "depth"]), st.integers(0, 30), st.booleans()),
        max_size=40,
    )
)
@example([("place", 0, True), ("place", 0, True), ("place", 16, True), ("trade", 0, True), ("place", 0, False)])
def test_whatever_happens_the_account_adds_up(steps):
    """Open orders, what they tie up, and what is locked always agree; nobody's money appears or is lost."""
    rig = Rig()
    for what, number, buy in steps:
        side = Side.BUY if buy else Side.SELL
        owner = rig.mm if number % 2 else rig.trend
        price = str(D(60000) + (number - 15) * D("0.2"))
        if what == "place":
            rig.limit(side, "0.1", price, account=owner)
        elif what == "cancel" and owner.open[Market.USDM]:
            rig.exchange.cancel(next(iter(owner.open[Market.USDM].values())))
        elif what == "trade":
            rig.trade(price, "0.25", buyer_is_maker=buy)
        elif what == "depth":
            rig.depth(asks=[(price, "1")]) if D(price) > D(60000) else rig.depth(bids=[(price, "1")])
    for account in (rig.mm, rig.trend):
        working = account.open[Market.USDM].values()
        bids = sum((one.remaining * one.price for one in working if one.side is Side.BUY), D(0))
        asks = sum((one.remaining * one.price for one in working if one.side is Side.SELL), D(0))
        resting = account.resting.get(BTC)
        assert (bids, asks) == ((resting.bids, resting.asks) if resting else (D(0), D(0)))
        position = account.position(BTC)
        filled = [trade for (_, _), trades in account.trades.items() for trade in trades]
        assert position.quantity == sum((one.quantity * one.side.sign for one in filled), D(0))
        assert account.wallet == D(100000) + position.realised - sum((one.commission for one in filled), D(0))
