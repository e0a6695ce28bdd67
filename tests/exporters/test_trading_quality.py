"""Slippage, fill ratio, turnover and the order-to-trade ratio on events whose answers are known by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.trading.apply import apply
from exporters.trading.engines import Expected
from exporters.trading.events import parse
from exporters.trading.quality.inventory import Inventory
from exporters.trading.quality.windows import Window
from exporters.trading.state import Options, State
from tests.exporters.lines import NOON, line, shown, state_after

MM = "sandbox,mm,mm-btc"
BTC = f"{MM},BTC/USDT:USDT"
HOUR = 3600.0


def buckets(seen):
    """How many fills lie up to each bound."""
    return {
        float(name.rsplit(",", 1)[1].rstrip("}")): number
        for name, number in seen.items()
        if name.startswith(f"trading_slippage_ratio_bucket{{{MM}")
    }


def order(number, **changes: object):
    return line("order_sent", client_order_id=f"c{number}", **changes)


def filled(number, **changes: object):
    return line("fill", client_order_id=f"c{number}", trade_id=f"t{number}", **changes)


def test_paying_more_than_the_mid_is_a_cost_and_so_is_selling_below_it():
    dear = filled(1, side="buy", price="100.1", arrival_mid="100")  # + 0.001
    cheap = filled(2, side="sell", price="100.02", arrival_mid="100")  # - 0.0002
    seen = buckets(shown(state_after(dear, cheap)))
    assert seen[-0.00025] == 0
    assert seen[-0.0001] == 1
    assert seen[0.0005] == 1
    assert seen[0.001] == 2
    assert seen[float("inf")] == 2


def test_the_mid_is_that_of_the_fill_else_of_the_order_else_of_the_parent():
    parent = line("parent_order", arrival_mid="50")
    lines = [
        parent,
        order(1, parent_id="p1"), filled(1, price="50.02"),  # the parent's: 0.0004
        order(2, parent_id="p1", arrival_mid="100"), filled(2, price="100.2"),  # its own: 0.002
        order(3, arrival_mid="100"), filled(3, price="200.01", arrival_mid="200"),  # the fill's: 0.00005
        order(4), filled(4, price="100"),  # none
    ]  # fmt: skip
    seen = buckets(shown(state_after(*lines)))
    assert seen[float("inf")] == 3
    assert seen[0.00005] == 1
    assert seen[0.0005] == 2
    assert seen[0.0025] == 3


def slippage(seen, currency="USDT"):
    """Weighted by quantity; and what it cost and won."""
    whole, cost, gain = (
        seen[f"trading_slippage_{each}_total{{{MM},{currency}}}"] for each in ("notional", "cost", "gain")
    )
    return (cost - gain) / whole, cost, gain


def test_one_large_bad_fill_outweighs_many_small_good_ones():
    small = [filled(n, quantity="0.1", price="99.99", arrival_mid="100") for n in range(9)]  # each 0.0001 better
    large = filled(10, quantity="100", price="101", arrival_mid="100")  # 0.01 worse
    weighted, cost, gain = slippage(shown(state_after(*small, large)))
    assert cost == pytest.approx(100)
    assert gain == pytest.approx(9 * 0.1 * 0.01)
    assert weighted == pytest.approx((100 - 0.009) / (100 * 100 + 0.9 * 100))
    assert weighted > 0.0098


def test_slippage_costs_what_the_contract_is_worth():
    position = line("position", multiplier="10")
    sold = filled(1, side="sell", quantity="3", price="99", arrival_mid="100")
    assert slippage(shown(state_after(position, sold)))[1] == pytest.approx(30)
    inverse = filled(1, symbol="BTC/USD:BTC", quantity="0.1", price="60600", arrival_mid="60000")
    assert slippage(shown(state_after(inverse)), "BTC")[1] == pytest.approx(0.001)


def test_half_of_what_was_sent_is_a_fill_ratio_of_a_half():
    state = state_after(order(1, quantity="3"), order(2, quantity="1"), filled(1, quantity="2"))
    assert shown(state)[f"trading_fill_ratio{{{MM}}}"] == 0.5


def test_a_fill_counts_with_the_time_its_order_was_sent():
    """An old order that fills late must not lift the ratio of the window above 1."""
    late = NOON + HOUR + 60
    state = state_after(
        order(1, quantity="5"), order(2, quantity="1", time=late), filled(1, quantity="5", time=late), received=late
    )
    assert shown(state, late)[f"trading_fill_ratio{{{MM}}}"] == 0


def test_what_is_older_than_the_window_is_unknown_and_not_zero():
    state = state_after(order(1), filled(1))
    assert shown(state, NOON + HOUR - 60)[f"trading_fill_ratio{{{MM}}}"] == 1
    assert f"trading_fill_ratio{{{MM}}}" not in shown(state, NOON + HOUR)


def test_symbols_are_added_up_at_their_prices():
    state = state_after(
        order(1, quantity="1", price="100"), order(2, quantity="300", price="1", symbol="X/USDT"),
        filled(1, quantity="1", price="100"),
    )  # fmt: skip
    assert shown(state)[f"trading_fill_ratio{{{MM}}}"] == pytest.approx(0.25)


def test_symbols_are_added_up_by_the_size_of_their_contracts():
    """One contract of 100 was filled whole, one of 1 not at all."""
    state = state_after(
        line("position", quantity="0", mark_price="10", multiplier="100"),
        order(1, quantity="1", price="10"), filled(1, quantity="1", price="10"),
        order(2, quantity="1", price="10", symbol="X/USDT"),
    )  # fmt: skip
    assert shown(state)[f"trading_fill_ratio{{{MM}}}"] == pytest.approx(1000 / 1010)


def test_of_quote_currencies_that_cannot_be_added_up_the_lowest_ratio_is_shown():
    state = state_after(
        order(1, quantity="1", price="60000"), filled(1, quantity="1", price="60000"),
        order(2, quantity="1", price="0.05", symbol="ETH/BTC"),
        filled(2, quantity="0.25", price="0.05", symbol="ETH/BTC"),
    )  # fmt: skip
    assert shown(state)[f"trading_fill_ratio{{{MM}}}"] == pytest.approx(0.25)


def test_without_a_price_symbols_cannot_be_added_up():
    state = state_after(order(1, quantity="1", price="100"), order(2, quantity="300", symbol="X/USDT"))
    assert f"trading_fill_ratio{{{MM}}}" not in shown(state)


def test_turnover_is_what_was_traded_over_the_mean_that_was_held():
    """100 held for ten minutes, then 300 for ten: 200 on average; 1,000 traded."""
    later = NOON + 600
    state = state_after(
        line("position", quantity="1"), line("position", quantity="-3", time=later),
        line("fill", quantity="10", time=later), received=later,
    )  # fmt: skip
    assert shown(state, NOON + 1200)[f"trading_inventory_turnover_ratio{{{MM}}}"] == pytest.approx(5)


def test_without_inventory_there_is_no_turnover():
    state = state_after(line("position", quantity="0"), line("fill"))
    assert f"trading_inventory_turnover_ratio{{{MM}}}" not in shown(state, NOON + 60)


def test_an_hour_of_silence_is_an_hour_of_holding():
    state = state_after(line("position", quantity="1"), line("fill", quantity="7", time=NOON + 4 * HOUR))
    assert shown(state, NOON + 4 * HOUR)[f"trading_inventory_turnover_ratio{{{MM}}}"] == pytest.approx(7)


@given(st.lists(st.tuples(st.floats(0, 20_000), st.integers(-5, 5)), max_size=20), st.sampled_from([1, 60]))
def test_known_time_is_never_more_than_has_passed(moves, seconds):
    inventory, at = Inventory(), 1e9
    for wait, change in moves:
        at += wait
        inventory.move(change, at, seconds)
    assert inventory.known.total(int(at // seconds)) <= 60 * seconds


OTR = "trading_order_to_trade_ratio"


def test_orders_to_trade_are_submissions_changes_and_cancels_over_fills():
    state = state_after(
        order(1, quantity="4"),  # 1 order of 4
        line("modify_sent", client_order_id="c1", quantity="6"),  # 1 of 6
        filled(1, quantity="2"), filled(1, quantity="2"),  # 2 transactions of 4 together
        line("cancel_sent", client_order_id="c1"),  # 1 of the 2 that are left
        line("order_cancelled", client_order_id="c1", remaining_quantity="2"),
    )  # fmt: skip
    seen = shown(state)
    assert seen[f"{OTR}{{{BTC},number}}"] == 3 / 2 - 1
    assert seen[f"{OTR}{{{BTC},volume}}"] == 12 / 4 - 1


def test_cancels_of_the_kill_are_not_counted():
    lines = [order(1), filled(1, quantity="0.5")]
    kill = [
        line("cancel_sent", client_order_id="c1"),
        line("order_cancelled", client_order_id="c1", remaining_quantity="0.5", initiator="kill"),
    ]
    assert shown(state_after(*lines, *kill))[f"{OTR}{{{BTC},number}}"] == 0
    assert shown(state_after(*lines, *kill))[f"{OTR}{{{BTC},volume}}"] == 1


def test_many_orders_without_a_trade_are_seen_by_number():
    seen = shown(state_after(*(order(number) for number in range(50))))
    assert seen[f"{OTR}{{{BTC},number}}"] == 49
    assert f"{OTR}{{{BTC},volume}}" not in seen


def test_every_day_is_a_session_of_its_own():
    tomorrow = NOON + 24 * HOUR
    state = state_after(*(order(number) for number in range(9)))
    assert f"{OTR}{{{BTC},number}}" not in shown(state, tomorrow)
    again = state_after(
        *(order(n) for n in range(9)), order(10, time=tomorrow), order(11, time=NOON), received=tomorrow
    )
    assert shown(again, tomorrow)[f"{OTR}{{{BTC},number}}"] == 0


def test_messages_are_counted_by_kind_from_zero():
    state = State(Options(expected=(Expected("sandbox-engine", ("sandbox", "trend", "trend-btc")),)))
    for each in (order(1), order(2), line("modify_sent"), line("cancel_sent")):
        apply(state, parse(each), NOON)
    seen = shown(state)
    assert [seen[f"trading_messages_total{{{MM},{kind}}}"] for kind in ("submit", "modify", "cancel")] == [2, 1, 1]
    assert seen["trading_messages_total{sandbox,trend,trend-btc,submit}"] == 0


def test_a_change_of_quantity_counts_against_the_parent():
    state = state_after(
        line("parent_order", quantity="10"), order(1, quantity="5", parent_id="p1"),
        line("modify_sent", client_order_id="c1", quantity="8"),
    )  # fmt: skip
    assert shown(state)[f"trading_child_parent_ratio{{{MM}}}"] == pytest.approx(0.8)


def test_the_last_times_are_the_engine_s_and_never_later_than_ours():
    state = state_after(order(1, time=NOON - 5), line("order_acknowledged", time=NOON - 4), filled(1, time=NOON + 30))
    seen = shown(state)
    assert seen[f"trading_last_order_timestamp_seconds{{{MM}}}"] == NOON - 5
    assert seen[f"trading_last_acknowledgement_timestamp_seconds{{{MM}}}"] == NOON - 4
    assert seen[f"trading_last_fill_timestamp_seconds{{{MM}}}"] == NOON


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 9)), max_size=40))
def test_a_window_holds_what_a_list_would(amounts):
    window, now = Window(), 0
    kept = []
    for slot, amount in amounts:
        now = max(now, slot)
        window.add(slot, amount)
        kept.append((slot, amount))
    newest = max((slot for slot, _ in kept), default=0)
    wanted = sum(amount for slot, amount in kept if slot > newest - 60)
    late = any(slot < max(other for other, _ in kept[: index + 1]) - 59 for index, (slot, _) in enumerate(kept))
    if not late:
        assert window.total(newest) == wanted
    restored = Window()
    restored.restore(window.dump())
    assert restored.total(newest) == window.total(newest)
