"""Which part of "receive minus event" is a clock, and which is a delay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.market_data.clock import FastestMessage, RoundTrips

SECOND = 1_000_000_000
MS = 1_000_000


def test_the_offset_is_that_of_the_fastest_message():
    fastest = FastestMessage(60)
    for number, raw in enumerate([-1_200, -1_270, -1_100]):
        fastest.observe(raw * MS, number * SECOND)
    assert fastest.offset_ns == 1_270 * MS


def test_before_the_first_message_nothing_is_known():
    assert FastestMessage(60).offset_ns is None
    assert RoundTrips(60).offset_ns(0) is None


def test_a_fast_message_is_forgotten_after_the_window():
    fastest = FastestMessage(10)
    fastest.observe(-5 * MS, 0)
    fastest.observe(3 * MS, 10 * SECOND)
    assert fastest.offset_ns == 5 * MS
    fastest.observe(4 * MS, 11 * SECOND)
    assert fastest.offset_ns == -3 * MS


def test_memory_is_bounded_by_the_window():
    fastest = FastestMessage(10)
    for number in range(100_000):
        fastest.observe(number, number * SECOND // 100)
    assert len(fastest._seconds) <= 12


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(0, 3 * SECOND)), min_size=1, max_size=60))
def test_it_is_the_smallest_of_the_window_and_no_latency_is_negative(steps):
    fastest, now, history = FastestMessage(5), 0, []
    for raw, pause in steps:
        now += pause
        history.append((now // SECOND, raw))
        fastest.observe(raw, now)
        inside = [each for second, each in history if second >= now // SECOND - 5]
        assert fastest.offset_ns == -min(inside)
        assert raw + fastest.offset_ns >= 0


def test_the_fastest_round_trip_tells_the_offset():
    trips = RoundTrips(60)
    trips.observe(0, 1_000 * MS + 30 * MS, 100 * MS)  # 1 s ahead; 50 ms each way, and 20 ms of doubt
    trips.observe(SECOND, SECOND + 1_001 * MS, SECOND + 2 * MS)
    assert trips.offset_ns(2 * SECOND) == 1_000 * MS


def test_old_round_trips_are_no_knowledge():
    trips = RoundTrips(60)
    trips.observe(0, SECOND, 2 * MS)
    assert trips.offset_ns(59 * SECOND) is not None
    assert trips.offset_ns(61 * SECOND) is None


def test_a_clock_that_was_set_is_believed_at_once():
    """The old answers were faster, but they were about another clock."""
    trips = RoundTrips(60)
    trips.observe(0, 1 * MS, 2 * MS)
    trips.observe(SECOND, SECOND + 5_000 * MS, SECOND + 40 * MS)
    assert trips.offset_ns(2 * SECOND) == 4_980 * MS


@settings(deadline=None)
@given(
    st.integers(-(10**10), 10**10),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=20),
)
def test_a_round_trip_is_never_wrong_by_more_than_half_of_it(offset, ways):
    trips, now = RoundTrips(1_000), 0
    for there, back in ways:
        trips.observe(now, now + there * MS + offset, now + (there + back) * MS)
        now += SECOND
    shortest = min(there + back for there, back in ways[-12:]) * MS
    assert abs(trips.offset_ns(now) - offset) <= max(sum(way) for way in ways) * MS / 2
    if len(ways) == 1:
        assert trips.offset_ns(now) == pytest.approx(offset, abs=shortest / 2 + 1)
