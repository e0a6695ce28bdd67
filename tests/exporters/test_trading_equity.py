"""Drawdown and daily loss on series whose answers are known, and laws that hold on all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.trading.equity import Book, day_of

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
HOUR = 3600


def book(*steps: tuple[float, object, object], starts_at=0):
    """A book after (hour, equity, net deposits) steps."""
    first, *rest = [
        (MIDNIGHT + hour * HOUR, Decimal(equity), None if moved is None else Decimal(moved))
        for hour, equity, moved in steps
    ]
    made = Book.opened(first[1], first[2], first[0], starts_at)
    for time, equity, moved in rest:
        made.observe(equity, moved, time, starts_at)
    return made


def loss(made, hour, starts_at=0):
    return made.daily_loss_at(MIDNIGHT + hour * HOUR, starts_at)


def test_drawdown_is_what_is_lost_of_the_peak():
    made = book((1, "1000", None), (2, "1200", None), (3, "900", None))
    assert made.drawdown() == Decimal("0.25")
    assert made.peak == 1200


def test_the_first_equity_is_a_peak_of_its_own():
    assert book((1, "1000", "1000")).drawdown() == 0


def test_a_deposit_hides_no_loss():
    made = book((1, "1000", "0"), (2, "900", "0"), (3, "1800", "900"))
    assert made.drawdown() == pytest.approx(Decimal("0.1"))


def test_a_loss_after_a_deposit_is_measured_on_all_the_money():
    made = book((1, "1000", "0"), (2, "1500", "500"), (3, "1350", "500"))
    assert made.drawdown() == pytest.approx(Decimal("0.1"))


def test_a_withdrawal_is_no_loss():
    assert book((1, "1000", "0"), (2, "100", "-900")).drawdown() == 0


def test_a_loss_after_a_withdrawal_is_measured_on_what_was_left():
    made = book((1, "1000", "0"), (2, "100", "-900"), (3, "50", "-900"))
    assert made.drawdown() == pytest.approx(Decimal("0.5"))


def test_a_loss_and_a_deposit_said_at_once_are_told_apart():
    made = book((1, "1000", "0"), (2, "1300", "500"))
    assert made.drawdown() == pytest.approx(Decimal("0.2"))


def test_deposits_first_said_later_are_not_moved_then():
    assert book((1, "1000", None), (2, "1000", "1000")).drawdown() == 0


def test_deposits_no_longer_said_are_not_withdrawn():
    assert book((1, "1000", "500"), (2, "1000", None), (3, "1000", "500")).drawdown() == 0


def test_equity_below_zero_is_a_drawdown_above_one():
    assert book((1, "1000", None), (2, "-500", None)).drawdown() == Decimal("1.5")


def test_without_money_there_is_no_drawdown_to_know():
    assert book((1, "0", None)).drawdown() is None
    assert book((1, "-5", None)).drawdown() is None


def test_everything_withdrawn_leaves_no_drawdown_to_know():
    assert book((1, "1000", "0"), (2, "0", "-1000")).drawdown() is None


def test_money_paid_into_an_empty_account_starts_a_peak_of_its_own():
    made = book((1, "1000", "0"), (2, "0", "-1000"), (3, "200", "-800"), (4, "150", "-800"))
    assert made.drawdown() == Decimal("0.25")


def test_daily_loss_is_on_the_equity_at_the_start_of_the_day():
    made = book((1, "1000", None), (2, "1500", None), (3, "900", None))
    assert loss(made, 4) == Decimal("0.1")


def test_a_gain_is_a_daily_loss_of_zero():
    made = book((1, "1000", None), (2, "1500", None))
    assert loss(made, 4) == 0
    assert made.daily_pnl_at(MIDNIGHT + 4 * HOUR, 0) == 500


def test_the_day_starts_with_the_last_equity_of_the_day_before():
    made = book((10, "1000", None), (23, "800", None), (25, "720", None))
    assert loss(made, 25) == Decimal("0.1")


def test_when_nobody_speaks_at_midnight_the_new_day_starts_without_a_loss():
    made = book((10, "1000", None), (23, "800", None))
    assert loss(made, 23.9) == Decimal("0.2")
    assert loss(made, 24) == 0
    assert made.daily_pnl_at(MIDNIGHT + 24 * HOUR, 0) == 0
    assert loss(made, 24 * 30) == 0


def test_the_first_equity_after_days_of_silence_is_measured_against_the_last_before():
    made = book((10, "1000", None), (24 * 5, "900", None))
    assert loss(made, 24 * 5 + 1) == Decimal("0.1")


def test_a_late_event_of_the_day_before_corrects_the_start_of_the_day():
    made = book((10, "1000", None), (24.1, "990", None), (23.9, "900", None), (24.2, "810", None))
    assert loss(made, 25) == Decimal("0.1")


def test_a_deposit_of_the_day_hides_no_daily_loss():
    made = book((1, "1000", "0"), (2, "1400", "500"))
    assert made.daily_pnl_at(MIDNIGHT + 3 * HOUR, 0) == -100
    assert loss(made, 3) == Decimal("0.1")


def test_a_withdrawal_of_the_day_is_no_daily_loss():
    assert loss(book((1, "1000", "0"), (2, "400", "-600")), 3) == 0


def test_a_deposit_is_of_the_day_it_was_made_on():
    made = book((10, "1000", "0"), (11, "1500", "500"), (25, "1350", "500"))
    assert loss(made, 25) == Decimal("0.1")


def test_an_account_that_began_the_day_empty_is_measured_on_what_was_paid_in():
    assert loss(book((1, "0", "0"), (2, "1000", "1000"), (3, "900", "1000")), 4) == Decimal("0.1")


def test_without_money_there_is_no_daily_loss_to_know():
    assert loss(book((1, "0", None)), 2) is None


def test_the_day_may_start_at_another_hour():
    made = book((16, "1000", None), (18, "900", None), starts_at=17 * HOUR)
    assert loss(made, 19, starts_at=17 * HOUR) == Decimal("0.1")
    assert loss(made, 40.9, starts_at=17 * HOUR) == Decimal("0.1")
    assert loss(made, 41, starts_at=17 * HOUR) == 0


@pytest.mark.parametrize("hour", [0, 1, 12, 23.999])
def test_the_day_of_a_moment_begins_at_midnight(hour):
    assert day_of(MIDNIGHT + hour * HOUR, 0) == MIDNIGHT


def test_a_day_is_24_hours_whatever_the_clocks_of_people_do():
    spring = datetime(2026, 3, 29, tzinfo=UTC)
    assert day_of((spring + timedelta(hours=23, minutes=59)).timestamp(), 0) == spring.timestamp()


money = st.decimals(min_value="0.01", max_value="1000000000", places=8, allow_nan=False, allow_infinity=False)
few = settings(max_examples=60, deadline=None)


@few
@given(st.lists(money, min_size=1, max_size=20))
def test_without_deposits_drawdown_is_that_of_the_highest_equity(path):
    made = book(*((hour / 10, equity, None) for hour, equity in enumerate(path)))
    assert made.drawdown() == 1 - path[-1] / max(path)


@few
@given(st.lists(money, min_size=1, max_size=10), money)
def test_moving_money_never_changes_the_drawdown(path, equity):
    steps = [(hour / 10, each, "0") for hour, each in enumerate(path)]
    before = book(*steps).drawdown()
    after = book(*steps, (2, equity, equity - path[-1])).drawdown()
    assert abs(after - before) < Decimal("1e-18")


@few
@given(st.lists(st.tuples(money, money), min_size=1, max_size=20))
def test_drawdown_lies_between_none_and_all(path):
    made = book(*((hour / 10, equity, deposits) for hour, (equity, deposits) in enumerate(path)))
    assert 0 <= made.drawdown() < 1


@few
@given(st.lists(st.tuples(money, money), min_size=2, max_size=20))
def test_profit_of_the_day_is_the_sum_of_the_steps_less_what_was_moved(path):
    made = book(*((hour / 10, equity, deposits) for hour, (equity, deposits) in enumerate(path)))
    (first, before), (last, after) = path[0], path[-1]
    assert made.daily_pnl_at(MIDNIGHT + 3 * HOUR, 0) == (last - first) - (after - before)
