"""Orders a second by the time they were sent: a burst is seen from its first event, and a late delivery is none."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.trading.apply import apply
from exporters.trading.events import parse
from exporters.trading.orders.rate import OrderRate
from tests.exporters.lines import NOON, line, shown, state_after

RATE = "trading_orders_per_second{sandbox,mm,mm-btc}"


def orders(times, **changes: object):
    return [line("order_sent", time=time, client_order_id=f"c{n}", **changes) for n, time in enumerate(times)]


def test_three_thousand_orders_of_a_new_symbol_at_once_are_seen_at_once():
    """A counter that is seen for the first time has no increase; this is no counter."""
    state = state_after(*orders([NOON] * 3_000, symbol="NEW/USDT:USDT"))
    assert shown(state)[RATE] == 1_500


def test_what_was_held_up_for_ten_seconds_is_as_calm_as_it_was_sent():
    state = state_after(*orders([NOON - 10 + n / 2 for n in range(20)]), received=NOON)
    assert shown(state)[RATE] == 2


def test_a_burst_that_was_held_up_is_a_burst():
    state = state_after(*orders([NOON - 10 + n / 100 for n in range(100)]), received=NOON)
    assert shown(state)[RATE] == 50


def test_symbols_and_engines_of_a_strategy_are_added_up():
    state = state_after(
        *orders([NOON] * 10), *orders([NOON] * 10, symbol="ETH/USDT:USDT"),
        *orders([NOON] * 10, engine="standby", session="other"),
    )  # fmt: skip
    assert shown(state)[RATE] == 15


def test_two_engines_one_of_which_is_late_are_added_up_where_they_overlap():
    state = state_after(*orders([NOON - 5] * 30), *orders([NOON] * 10), *orders([NOON - 5.5] * 30, session="late"))
    assert shown(state)[RATE] == 30


def test_it_is_shown_for_two_seconds_and_gone_after_four():
    state = state_after(*orders([NOON] * 40))
    seen = [shown(state, NOON + after)[RATE] for after in (0.2, 1.9, 2, 4)]
    assert seen[:3] == [20, 20, 20]
    assert seen[3] == 0


def test_a_clock_that_is_ahead_hides_nothing():
    state = state_after(*orders([NOON + 50] * 40), received=NOON)
    assert shown(state)[RATE] == 20
    for each in orders([NOON + 1] * 40):
        apply(state, parse(each), NOON + 1)
    assert shown(state, NOON + 1)[RATE] == 40


def brute(slots):
    """The most orders in any twenty slots."""
    counts = Counter(slots)
    return max(sum(counts[end - back] for back in range(20)) for end in {s + d for s in counts for d in range(20)})


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.booleans())
def test_it_is_the_highest_of_all_windows_in_whatever_order_they_come(slots, ordered):
    rate = OrderRate()
    for slot in sorted(slots) if ordered else slots:
        rate.sent(NOON + slot / 10 + 0.05, NOON + 60)
    assert rate.per_second(NOON + 60) == brute(slots) / 2


@given(st.lists(st.floats(0, 900), min_size=1, max_size=80))
def test_it_is_never_more_than_was_sent_in_two_seconds(times):
    rate, heard = OrderRate(), []
    for time in sorted(times):
        heard.append(time)
        rate.sent(NOON + time, NOON + time)
        assert rate.per_second(NOON + time) * 2 <= max(sum(0 <= end - each <= 2.0 for each in heard) for end in heard)


@pytest.mark.parametrize("silence", [0.1, 1.9, 2.1, 63, 65, 1_000])
def test_a_silence_of_any_length_is_followed_by_a_true_count(silence):
    rate = OrderRate()
    for _ in range(10):
        rate.sent(NOON, NOON)
    rate.sent(NOON + silence, NOON + silence + 100)
    assert rate.per_second(NOON + silence + 100) == (5.5 if silence < 1.95 else 0.5)
