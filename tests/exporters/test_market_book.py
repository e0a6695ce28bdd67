"""Books, depth, volume at price and moves, against numbers worked out by hand."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.market_data.book import Book
from exporters.market_data.liquidity import look
from exporters.market_data.moves import PriceHistory
from exporters.market_data.ticks import Tick
from exporters.market_data.volume import UsualProfile, VolumeProfile


def change(first, last, previous=None, bids=(), asks=()):
    return Tick("depth", "X", 1, first, last, previous, bids=tuple(bids), asks=tuple(asks))


def a_book(last=10):
    book = Book()
    book.restore(last, ((100.0, 1.0), (99.0, 2.0)), ((101.0, 1.0), (102.0, 3.0)), 5)
    return book


class TestBook:
    def test_differences_set_and_remove_levels(self):
        book = a_book()
        book.update(change(11, 12, 10, bids=[(100.0, 0.0), (99.5, 4.0)], asks=[(101.0, 7.0)]), 6)
        assert book.bids == {99.0: 2.0, 99.5: 4.0}
        assert book.asks == {101.0: 7.0, 102.0: 3.0}
        assert (book.synchronised, book.last, book.updated_ns) == (True, 12, 6)

    def test_what_the_snapshot_holds_already_is_passed_over(self):
        book = a_book()
        book.update(change(8, 10, 7, bids=[(100.0, 0.0)]), 6)
        assert book.bids[100.0] == 1.0

    def test_the_first_difference_may_reach_back_before_the_snapshot(self):
        for tick in (change(9, 12, 8), change(9, 12), change(11, 12, 10), change(11, 12)):
            book = a_book()
            book.update(tick, 6)
            assert book.synchronised

    @pytest.mark.parametrize("gap", [change(14, 15, 13), change(14, 15)])
    def test_a_gap_ends_it_and_nothing_of_it_is_believed(self, gap):
        book = a_book()
        book.update(change(11, 12, None if gap.previous is None else 10), 6)
        book.update(gap, 7)
        assert not book.synchronised
        assert (book.bids, book.asks) == ({}, {})

    def test_after_a_gap_a_snapshot_and_what_has_come_since_heal_it(self):
        book = a_book()
        book.update(change(11, 12, 10), 6)
        book.update(change(14, 15, 13, bids=[(98.0, 1.0)]), 7)
        book.update(change(16, 17, 15, bids=[(97.0, 1.0)]), 8)
        book.restore(15, ((98.0, 5.0),), ((99.0, 1.0),), 9)
        assert book.synchronised
        assert book.bids == {98.0: 5.0, 97.0: 1.0}
        assert book.last == 17

    def test_a_snapshot_that_is_older_than_the_gap_does_not_heal_it(self):
        book = Book()
        book.update(change(14, 15, 13), 7)
        book.restore(12, ((98.0, 5.0),), (), 8)
        assert not book.synchronised
        book.restore(13, ((98.0, 5.0),), (), 9)
        assert book.synchronised
        assert book.last == 15

    def test_it_holds_no_more_than_so_many_levels_and_keeps_the_best(self):
        book = Book()
        book.restore(0, tuple((float(price), 1.0) for price in range(1, 15_000)), ((90_000.0, 1.0),), 1)
        book.update(change(1, 1, 0, bids=[(float(price), 1.0) for price in range(15_000, 25_000)]), 2)
        assert len(book.bids) <= 20_000
        assert max(book.bids) == 24_999


class TestLiquidity:
    def test_depth_is_price_times_quantity_within_the_band(self):
        # mid 1000: 5 bps are 0.5, 10 bps are 1, 100 bps are 10
        bids = [(999.6, 2.0), (999.0, 3.0), (991.0, 1.0), (900.0, 50.0)]
        asks = [(1000.4, 1.0), (1000.9, 1.0), (1020.0, 9.0)]
        seen = look(bids, asks, (5, 10, 100))
        assert seen.mid == 1000.0
        assert seen.state == "ok"
        assert seen.depth["bid", 5] == pytest.approx(1999.2)
        assert seen.depth["bid", 10] == pytest.approx(1999.2 + 2997.0)
        assert seen.depth["bid", 100] == pytest.approx(1999.2 + 2997.0 + 991.0)
        assert seen.depth["ask", 5] == pytest.approx(1000.4)
        assert seen.depth["ask", 10] == pytest.approx(2001.3)
        assert seen.depth["ask", 100] == pytest.approx(2001.3)

    def test_imbalance_is_of_quantities_at_the_best_levels(self):
        bids = [(10.0 - n, 2.0) for n in range(7)]
        asks = [(11.0, 6.0), (12.0, 1.0)]
        seen = look(bids, asks, (5,)).imbalance
        assert seen[1] == pytest.approx((2 - 6) / 8)
        assert seen[5] == pytest.approx((10 - 7) / 17)

    def test_nothing_over_nothing_is_not_a_balance(self):
        seen = look([], [], (5,))
        assert seen.imbalance == {}
        assert seen.state == "empty"
        assert seen.mid is None
        assert seen.depth == {("bid", 5): 0.0, ("ask", 5): 0.0}

    def test_an_empty_side_holds_nothing_and_the_other_is_measured_from_its_best(self):
        seen = look([(100.0, 1.0), (99.99, 1.0), (50.0, 1.0)], [], (5,))
        assert seen.state == "empty"
        assert seen.depth == {("bid", 5): pytest.approx(199.99), ("ask", 5): 0.0}
        assert seen.imbalance == {1: 1.0, 5: 1.0}

    def test_a_crossed_book_is_said_and_not_measured(self):
        seen = look([(101.0, 1.0)], [(101.0, 1.0)], (5,))
        assert seen.state == "crossed"
        assert (seen.depth, seen.imbalance, seen.mid) == ({}, {}, None)


class TestVolumeAtPrice:
    def test_shares_are_by_distance_from_the_average_price(self):
        profile = VolumeProfile(60)
        # VWAP = (999 + 2 * 1000 + 1001) / 4 = 1000; 999 is 10 bps below it
        for price, quantity in ((999.0, 1.0), (1000.0, 2.0), (1001.0, 1.0)):
            profile.trade(price, quantity, 100)
        assert profile.shares((-20, -5, 5, 20), 100) == [0.0, 0.25, 0.5, 0.25, 0.0]
        assert profile.shares((-8, 8), 100) == [0.25, 0.5, 0.25]

    def test_the_window_forgets(self):
        profile = VolumeProfile(60)
        profile.trade(10.0, 1.0, 100)
        profile.trade(1000.0, 1.0, 150)
        assert profile.shares((0,), 159) == [0.5, 0.5]
        assert profile.shares((-1, 1), 161) == [0.0, 1.0, 0.0]
        assert profile.shares((0,), 300) is None

    def test_no_trades_are_no_shares(self):
        assert VolumeProfile(60).shares((0,), 5) is None

    def test_a_storm_of_prices_takes_bounded_memory(self):
        profile = VolumeProfile(60)
        for number in range(20_000):
            profile.trade(1000.0 + number / 50, 1.0, 7)
        assert len(profile._seconds[0].cells) < 2_500
        assert sum(profile.shares((-100, 0, 100), 7)) == pytest.approx(1)

    def test_the_anomaly_is_the_divergence_from_the_sessions_mean(self):
        usual = UsualProfile(looks=100, needed=2)
        assert usual.score([0.5, 0.5]) is None
        usual.learn([0.25, 0.75])
        assert usual.score([0.5, 0.5]) is None
        usual.learn([0.75, 0.25])
        assert usual.mean == [0.5, 0.5]
        assert usual.score([0.5, 0.5]) == 0
        p, q = (0.9 + 0.01) / 1.02, (0.1 + 0.01) / 1.02
        assert usual.score([0.9, 0.1]) == pytest.approx(p * math.log(p / 0.5) + q * math.log(q / 0.5))

    def test_old_looks_fade(self):
        usual = UsualProfile(looks=2, needed=1)
        for shares in ([1.0, 0.0], [0.0, 1.0], [0.0, 1.0]):
            usual.learn(shares)
        assert usual.mean == [0.25, 0.75]


class TestMoves:
    def test_a_move_is_from_the_oldest_price_that_lies_within_the_window(self):
        history = PriceHistory(60)
        for second, price in enumerate((100.0, 101.0, 102.0, 103.0)):
            history.add(float(second), price)
        found = history.moves(3.5, 204.0, 3.2, [("2.5s", 2.5), ("2s", 2.0), ("10s", 10.0)])
        assert dict(found) == pytest.approx({"2.5s": 204 / 101 - 1, "2s": 1.0, "10s": 1.04})

    def test_a_price_is_no_move_from_itself_and_what_is_older_than_the_window_is_none(self):
        history = PriceHistory(60)
        assert history.moves(3.0, 100.0, 3.0, [("3s", 3.0)]) == []
        history.add(1.0, 100.0)
        assert history.moves(3.0, 100.0, 1.0, [("3s", 3.0)]) == []
        assert history.moves(3.0, 100.0, 3.0, [("1s", 1.0)]) == []
        assert history.moves(3.0, 100.0, 3.0, [("2s", 2.0)]) == [("2s", 0.0)]

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.floats(0, 40), st.floats(1, 1000)), min_size=1, max_size=60),
        st.sampled_from([10.0, 60.0, 300.0]),
    )
    def test_whatever_comes_when_no_move_is_over_more_than_its_window(self, steps, window):
        history, now, said = PriceHistory(300), 0.0, []
        for pause, price in steps:
            now += pause
            within = [each for at, each in said if now - window <= at < now]
            assert history.moves(now, price, now, [("w", window)]) == [("w", price / each - 1) for each in within[:1]]
            history.add(now, price)
            if not said or now - said[-1][0] >= 0.5:
                said.append((now, price))

    def test_volatility_is_the_root_of_the_squared_returns(self):
        history = PriceHistory(60)
        prices = [100.0, 101.0, 100.0, 102.0, 101.0, 100.0, 103.0, 104.0, 100.0, 99.0, 100.0]
        for second, price in enumerate(prices):
            history.add(float(second), price)
        squares = sum(math.log(after / before) ** 2 for before, after in pairwise(prices))
        assert history.volatility(10.0, 10.0) == pytest.approx(math.sqrt(squares))
        assert history.volatility(10.0, 40.0) == pytest.approx(math.sqrt(squares * 4))  # a quarter of it is known

    def test_a_return_over_a_gap_is_not_counted_and_neither_is_its_time(self):
        history = PriceHistory(300)
        prices = [100.0, 101.0] * 10
        squares = 2 * sum(math.log(after / before) ** 2 for before, after in pairwise(prices))
        for start, factor in ((0.0, 1.0), (100.0, 2.0)):
            for second, price in enumerate(prices):
                history.add(start + second, price * factor)
        assert history.volatility(119.0, 300.0) == pytest.approx(math.sqrt(squares * 300 / 38))

    def test_too_short_a_time_has_no_volatility(self):
        history = PriceHistory(60)
        assert history.volatility(5.0, 60.0) is None
        for second in range(10):
            history.add(float(second), 100.0)
        assert history.volatility(9.0, 60.0) is None

    def test_a_price_that_stands_still_has_none_at_all_which_is_zero(self):
        history = PriceHistory(60)
        for second in range(30):
            history.add(float(second), 100.0)
        assert history.volatility(29.0, 20.0) == 0

    def test_memory_is_bounded_by_the_longest_window(self):
        history = PriceHistory(60)
        for second in range(10_000):
            history.add(float(second), 100.0 + second)
        assert len(history._times) < 200
        assert history.moves(9_999.0, 20_078.0, 9_999.0, [("1m", 60.0)]) == [("1m", 1.0)]
