"""Drawdown and daily loss on series whose answers are known, and laws that hold on all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.trading.equity.book import Book, EquityOptions, day_of

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
HOUR = 3600


def kept(seconds, *steps: tuple[float, object, object], options=EquityOptions()):  # noqa: B008
    """A book after steps of (time, equity, net deposits), times in units of so many seconds."""
    first, *rest = [
        (MIDNIGHT + time * seconds, Decimal(equity), None if moved is None else Decimal(moved))
        for time, equity, moved in steps
    ]
    made = Book.opened(first[1], first[2], first[0], options)
    for time, equity, moved in rest:
        made.observe(equity, moved, time, time, options)
    return made


def book(*steps: tuple[float, object, object], starts_at=0):
    """A book after (hour, equity, net deposits) steps."""
    return kept(HOUR, *steps, options=EquityOptions(day_starts_at=starts_at))


def quick(*steps: tuple[float, object, object]):
    """A book after (second, equity, net deposits) steps, from an hour after midnight on."""
    return kept(1, *((HOUR + second, equity, moved) for second, equity, moved in steps))


def drawdown(made, after=60):
    """A while after the last event."""
    return made.drawdown_at(made.time + after, EquityOptions())


def loss(made, hour, starts_at=0):
    return made.daily_loss_at(MIDNIGHT + hour * HOUR, EquityOptions(day_starts_at=starts_at))


def pnl(made, hour):
    return made.daily_pnl_at(MIDNIGHT + hour * HOUR, EquityOptions())


def test_drawdown_is_what_is_lost_of_the_peak():
    made = book((1, "1000", None), (2, "1200", None), (3, "900", None))
    assert drawdown(made) == Decimal("0.25")
    assert made.peak == 1200


def adjusted(made, after=60):
    return made.adjusted_at(made.time + after, EquityOptions())


def test_the_adjusted_equity_changes_by_profit_alone_over_deposits_withdrawals_and_midnight():
    steps = [(22, "1000", "1000"), (23, "1100", "1000"), (23.5, "2100", "2000"), (25, "2090", "2000"), (26, "90", "0")]
    seen = [adjusted(book(*steps[: count + 1])) for count in range(len(steps))]
    assert seen == [1000, 1100, 1100, 1090, 1090]
    assert pnl(book(*steps), 26.5) == -10


def test_the_adjusted_equity_falls_for_no_withdrawal_that_is_told_one_event_late():
    steps = [(0, "1000", "0"), (20, "600", "0"), (20.5, "600", "-400")]
    assert [adjusted(quick(*steps[: count + 1]), after=0.2) for count in range(3)] == [1000, 1000, 1000]


def test_the_first_equity_is_a_peak_of_its_own():
    assert drawdown(book((1, "1000", "1000"))) == 0


def test_a_deposit_hides_no_loss():
    made = book((1, "1000", "0"), (2, "900", "0"), (3, "1800", "900"))
    assert drawdown(made) == pytest.approx(Decimal("0.1"))


def test_a_loss_after_a_deposit_is_measured_on_all_the_money():
    made = book((1, "1000", "0"), (2, "1500", "500"), (3, "1350", "500"))
    assert drawdown(made) == pytest.approx(Decimal("0.1"))


def test_a_withdrawal_is_no_loss():
    assert drawdown(book((1, "1000", "0"), (2, "100", "-900"))) == 0


def test_a_loss_after_a_withdrawal_is_measured_on_what_was_left():
    made = book((1, "1000", "0"), (2, "100", "-900"), (3, "50", "-900"))
    assert drawdown(made) == pytest.approx(Decimal("0.5"))


def test_a_loss_and_a_deposit_said_at_once_are_told_apart():
    made = book((1, "1000", "0"), (2, "1300", "500"))
    assert drawdown(made) == pytest.approx(Decimal("0.2"))


def test_deposits_first_said_later_are_not_moved_then():
    assert drawdown(book((1, "1000", None), (2, "1000", "1000"))) == 0


def test_deposits_no_longer_said_are_not_withdrawn():
    assert drawdown(book((1, "1000", "500"), (2, "1000", None), (3, "1000", "500"))) == 0


def test_equity_below_zero_is_a_drawdown_above_one():
    assert drawdown(book((1, "1000", None), (2, "-500", None))) == Decimal("1.5")


def test_without_money_there_is_no_drawdown_to_know():
    assert drawdown(book((1, "0", None))) is None
    assert drawdown(book((1, "-5", None))) is None


def test_everything_withdrawn_leaves_no_drawdown_to_know():
    assert drawdown(book((1, "1000", "0"), (2, "0", "-1000"))) is None


def test_money_paid_into_an_empty_account_starts_a_peak_of_its_own():
    made = book((1, "1000", "0"), (2, "0", "-1000"), (3, "200", "-800"), (4, "150", "-800"))
    assert drawdown(made) == Decimal("0.25")


def test_daily_loss_is_on_the_equity_at_the_start_of_the_day():
    made = book((1, "1000", None), (2, "1500", None), (3, "900", None))
    assert loss(made, 4) == Decimal("0.1")


def test_a_gain_is_a_daily_loss_of_zero():
    made = book((1, "1000", None), (2, "1500", None))
    assert loss(made, 4) == 0
    assert pnl(made, 4) == 500


def test_the_day_starts_with_the_last_equity_of_the_day_before():
    made = book((10, "1000", None), (23, "800", None), (25, "720", None))
    assert loss(made, 25) == Decimal("0.1")


def test_when_nobody_speaks_at_midnight_the_new_day_starts_without_a_loss():
    made = book((10, "1000", None), (23, "800", None))
    assert loss(made, 23.9) == Decimal("0.2")
    assert loss(made, 24) == 0
    assert pnl(made, 24) == 0
    assert loss(made, 24 * 30) == 0


def test_the_first_equity_after_days_of_silence_is_measured_against_the_last_before():
    made = book((10, "1000", None), (24 * 5, "900", None))
    assert loss(made, 24 * 5 + 1) == Decimal("0.1")


def test_a_late_event_of_the_day_before_corrects_the_start_of_the_day():
    made = book((10, "1000", None), (24.1, "990", None), (23.9, "900", None), (24.2, "810", None))
    assert loss(made, 25) == Decimal("0.1")


def test_a_deposit_of_the_day_hides_no_daily_loss():
    made = book((1, "1000", "0"), (2, "1400", "500"))
    assert pnl(made, 3) == -100
    assert loss(made, 3) == Decimal("0.1")


def test_a_withdrawal_of_the_day_is_no_daily_loss():
    assert loss(book((1, "1000", "0"), (2, "400", "-600")), 3) == 0


def test_a_deposit_is_of_the_day_it_was_made_on():
    made = book((10, "1000", "0"), (11, "1500", "500"), (25, "1350", "500"))
    assert loss(made, 26) == Decimal("0.1")


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


class TestMoneyThatIsToldApartFromItsEquity:
    """`net_deposits` one event before or after the equity it belongs to, four times a second."""

    @pytest.mark.parametrize("amount", [500, 2000, -500, -900])
    @pytest.mark.parametrize("lag", [-1, 0, 1])
    def test_is_no_loss_at_any_moment_and_leaves_none(self, amount, lag):
        steps = [(0, 1000, 0), (0.25, 1000, 0)]
        for number in range(1, 60):
            equity = 1000 + amount * (number >= 3)
            moved = amount * (number >= 3 + lag)
            steps.append((0.25 + number / 4, equity, moved))
            made = quick(*steps)
            assert drawdown(made, 0) == 0, steps[-1]
            assert made.daily_loss_at(made.time, EquityOptions()) == 0, steps[-1]
        assert made.peak == 1000 + amount
        assert pnl(made, 2) == 0

    @pytest.mark.parametrize("amount", [500, -500])
    @pytest.mark.parametrize("lag", [-1, 0, 1])
    def test_hides_no_loss_that_comes_after_it(self, amount, lag):
        steps = [(0, 1000, 0), (0.25, 1000, 0)]
        steps += [(number / 4, 1000 + amount * (number >= 4), amount * (number >= 4 + lag)) for number in range(2, 20)]
        steps.append((5, (1000 + amount) * Decimal("0.9"), amount))
        assert drawdown(quick(*steps)) == pytest.approx(Decimal("0.1"))

    @pytest.mark.parametrize("lag", [-1, 0, 1])
    def test_keeps_the_drawdown_that_there_was(self, lag):
        steps = [(0, 1000, 0), *((10 + number, 900, 0) for number in range(20))]
        steps += [(30 + number / 4, 900 + 900 * (number >= 4), 900 * (number >= 4 + lag)) for number in range(80)]
        made = quick(*steps)
        assert drawdown(made) == pytest.approx(Decimal("0.1"))
        assert pnl(made, 2) == -100

    def test_and_among_profit_and_loss_is_told_from_them(self):
        walk = [1000, 1004, 998, 1001, 1511, 1508, 1515, 1512]  # 500 came with the fifth
        for lag in (-1, 1):
            steps = [(n / 4, each, 500 * (n >= 4 + lag)) for n, each in enumerate(walk)]
            steps += [(2 + n / 4, 1512, 500) for n in range(60)]
            made = quick(*steps)
            assert drawdown(made) == 0
            assert pnl(made, 2) == 12

    def test_and_goes_out_twice_is_taken_out_twice(self):
        steps = [(0, 1000, 0), (1, 1000, 200), (2, 1200, 300), (3, 1300, 300), (4, 1300, 300)]
        assert pnl(quick(*steps), 2) == 0

    def test_over_midnight_is_of_no_day_s_profit(self):
        for lag in (-1, 1):
            steps = [(n / 4, 1000 + 500 * (n >= 0), 500 * (n >= lag)) for n in range(-8, 8)]
            made = kept(1, *steps)
            assert pnl(made, 1) == 0, lag

    def test_counts_as_it_was_said_when_no_equity_follows(self):
        """A deposit that hides a loss of the same size hides it for ten seconds only."""
        made = quick((0, 1000, 0), *((1 + n, 1000, 500) for n in range(30)))
        assert drawdown(made) == pytest.approx(Decimal("0.5"))
        assert pnl(made, 2) == -500

    def test_survives_a_restart_in_between(self):
        made = quick((0, 1000, 0), (0.25, 1000, -500))
        again = Book.restored(made.dump(), EquityOptions(), same_day=True)
        again.observe(Decimal(500), Decimal(-500), made.time + 0.25, made.time + 0.25, EquityOptions())
        assert drawdown(again) == 0


class TestAFallInOneStep:
    """It may be a withdrawal whose `net_deposits` comes next; it is never held back for longer than one event."""

    def test_counts_at_once_where_nobody_tells_deposits(self):
        assert drawdown(quick((0, 1000, None), (0.25, 500, None)), 0) == Decimal("0.5")

    def test_counts_at_once_when_it_is_small(self):
        assert drawdown(quick((0, 1000, 0), (0.25, 981, 0)), 0) == Decimal("0.019")

    def test_counts_with_the_next_event(self):
        assert drawdown(quick((0, 1000, 0), (0.25, 500, 0)), 0) == 0
        assert drawdown(quick((0, 1000, 0), (0.25, 500, 0), (0.5, 499, 0)), 0) == Decimal("0.501")

    def test_counts_after_five_seconds_without_one(self):
        made = quick((0, 1000, 0), (0.25, 500, 0))
        assert drawdown(made, 4.9) == 0
        assert drawdown(made, 5) == Decimal("0.5")
        assert loss(made, 2) == Decimal("0.5")

    def test_lags_one_event_behind_a_crash_and_no_more(self):
        made = quick((0, 1000, 0), (0.25, 900, 0), (0.5, 800, 0), (0.75, 700, 0))
        assert drawdown(made, 0) == Decimal("0.2")

    def test_that_was_a_bad_print_is_never_a_drawdown(self):
        steps = [(0, 1000, 0), (0.25, 200, 0), (0.5, 1000, 0)]
        assert [drawdown(quick(*steps[: n + 1]), 0) for n in range(3)] == [0, 0, 0]


class TestAPeak:
    """One bad print is none."""

    def test_needs_an_equity_that_holds_for_ten_seconds(self):
        steps = [(n / 4, 5000 if 0 < n <= 4 else 1000, 0) for n in range(200)]
        made = quick(*steps)
        assert made.peak == 1000
        assert drawdown(made) == 0

    def test_is_the_highest_that_held(self):
        rise = [(n, 1000 + 10 * n, 0) for n in range(30)]
        hold = [(30 + n, 1300, 0) for n in range(15)]
        made = quick(*rise, *hold, (46, 1170, 0), (47, 1170, 0))
        assert made.peak == 1300
        assert drawdown(made) == pytest.approx(Decimal("0.1"))

    def test_is_what_was_last_said_when_nobody_speaks_for_a_while(self):
        assert quick((0, 1000, 0), (1, 1200, 0), (60, 1100, 0), (61, 1100, 0)).peak == 1200

    @pytest.mark.parametrize("spike", [1, 3, 7])
    def test_is_not_set_by_a_spike_of_some_seconds(self, spike):
        steps = [(n, 2000 if 20 <= n < 20 + spike else 1000, None) for n in range(60)]
        assert drawdown(quick(*steps)) == 0


class TestALateEvent:
    """From before the day began: it says nothing of now."""

    def test_of_yesterday_leaves_today_s_loss(self):
        made = book((10, "1000", None), (24.1, "900", None), (23.9, "1000", None))
        assert made.equity == 900
        assert loss(made, 24.2) == Decimal("0.1")
        assert pnl(made, 24.2) == -100

    def test_of_yesterday_leaves_the_money_moved_today(self):
        made = book((10, "1000", "0"), (24.1, "1400", "500"), (23.9, "1000", "0"))
        assert pnl(made, 24.2) == -100
        made.observe(Decimal(1400), Decimal(500), MIDNIGHT + 24.3 * HOUR, 0, EquityOptions())
        assert pnl(made, 24.4) == -100

    def test_that_is_older_than_the_one_that_is_known_changes_nothing(self):
        made = book((23, "1000", None), (24.1, "900", None), (22, "5000", None))
        assert pnl(made, 24.2) == -100

    def test_of_yesterday_knows_better_than_the_first_of_today(self):
        assert pnl(book((24.1, "900", None), (23.9, "1000", None)), 24.2) == -100


money = st.decimals(min_value="0.01", max_value="1000000000", places=8, allow_nan=False, allow_infinity=False)
few = settings(max_examples=60, deadline=None)


@few
@given(st.lists(money, min_size=1, max_size=20))
def test_without_deposits_drawdown_is_that_of_the_highest_equity(path):
    made = book(*((hour / 10, equity, None) for hour, equity in enumerate(path)))
    assert drawdown(made) == 1 - path[-1] / max(path)


@few
@given(st.lists(money, min_size=1, max_size=10), money)
def test_moving_money_never_changes_the_drawdown(path, equity):
    steps = [(hour / 10, each, "0") for hour, each in enumerate(path)]
    before = drawdown(book(*steps))
    after = drawdown(book(*steps, (2, equity, equity - path[-1])))
    assert abs(after - before) < Decimal("1e-18")


@few
@given(st.lists(st.tuples(money, money), min_size=1, max_size=20))
def test_drawdown_lies_between_none_and_all(path):
    made = book(*((hour / 10, equity, deposits) for hour, (equity, deposits) in enumerate(path)))
    assert 0 <= drawdown(made) < 1


@few
@given(st.lists(st.tuples(money, money), min_size=2, max_size=20))
def test_profit_of_the_day_is_the_sum_of_the_steps_less_what_was_moved(path):
    (first, before), (last, after) = path[0], path[-1]
    made = book(*((hour / 10, equity, deposits) for hour, (equity, deposits) in enumerate([*path, path[-1]])))
    assert pnl(made, 3) == (last - first) - (after - before)
