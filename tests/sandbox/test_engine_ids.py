"""Client order ids: new ones for ever, and the owner written into each."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine.ids import ClientOrderIds, base36
from sandbox.engine.strategies import ASSIGNMENTS

NOW = datetime(2026, 11, 22, 22, 33, 44, 123456, tzinfo=UTC)


@given(st.integers(min_value=0, max_value=10**20))
def test_base36_is_what_python_reads_back(number):
    assert int(base36(number), 36) == number


def test_base36_refuses_what_is_negative():
    with pytest.raises(ValueError, match="negative"):
        base36(-1)


def test_an_id_names_its_strategy_and_fits_the_venue():
    for assignment in ASSIGNMENTS:
        ids = ClientOrderIds(assignment.strategy, lambda: NOW)
        first = ids.next()
        assert first.startswith(f"{assignment.strategy}_")
        assert len(first) <= 36
        assert ids.owns(first)
        assert not ids.owns(None)


def test_one_strategy_does_not_own_the_orders_of_another():
    assert not ClientOrderIds("mm-btc", lambda: NOW).owns("mm-btc-2_abc")
    assert not ClientOrderIds("mm-btc", lambda: NOW).owns("trend-btc_abc")


def test_ids_stay_unique_when_the_clock_stands_still():
    ids = ClientOrderIds("mm-btc", lambda: NOW)
    given_out = [ids.next() for _ in range(1000)] + [ids.next_parent() for _ in range(1000)]
    assert len(set(given_out)) == 2000


def test_ids_of_a_restarted_engine_are_new():
    before = ClientOrderIds("mm-btc", lambda: NOW)
    used = {before.next() for _ in range(500)}
    after = ClientOrderIds("mm-btc", lambda: NOW + timedelta(seconds=1))
    assert used.isdisjoint({after.next() for _ in range(500)})


def test_a_name_that_would_not_fit_is_refused_at_the_start():
    with pytest.raises(ValueError, match="too long"):
        ClientOrderIds("a-strategy-with-a-very-long-name", lambda: NOW)
