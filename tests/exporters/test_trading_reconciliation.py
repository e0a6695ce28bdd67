"""The venue against the engine: a real sandbox venue, read through an unmodified ccxt."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.trading.reconciliation import Gap, Holdings, base_quantity, engine_holdings, gaps
from exporters.trading.state import State
from tests.exporters.lines import line, state_after
from tests.exporters.running import exporter
from tests.sandbox_fixtures import running_venue, usdm_client

PLACE = 'account="mm",symbol="BTC/USDT:USDT",venue="sandbox"'
UP = 'trading_reconciliation_up{account="mm",venue="sandbox"}'
ORDERS = f"trading_reconciliation_gap_orders{{{PLACE}}}"
QUANTITY = f"trading_reconciliation_gap_quantity{{{PLACE}}}"


def holdings(orders=0, quantity="0"):
    return Holdings({"X": orders}, {"X": Decimal(quantity)})


def test_the_gap_is_venue_less_engine():
    assert gaps(holdings(2, "1"), holdings(5, "-1"), holdings(2, "1")) == {"X": Gap(3, Decimal(-2))}


def test_what_changed_during_the_reading_is_no_gap():
    assert gaps(holdings(2), holdings(3), holdings(4)) == {"X": Gap(0, Decimal(0))}
    assert gaps(holdings(2), holdings(6), holdings(4)) == {"X": Gap(2, Decimal(0))}
    assert gaps(holdings(4), holdings(1), holdings(2)) == {"X": Gap(-1, Decimal(0))}


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_the_gap_is_never_more_than_the_difference(before, venue, after):
    gap = gaps(holdings(before), holdings(venue), holdings(after))["X"].orders
    assert abs(gap) == min(abs(venue - each) for each in range(min(before, after), max(before, after) + 1))


def test_a_symbol_that_one_side_does_not_know_counts_as_none():
    found = gaps(Holdings({}, {}), Holdings({"A": 1}, {"B": Decimal(2)}), Holdings({}, {"C": Decimal(3)}))
    assert found == {"A": Gap(1, Decimal(0)), "B": Gap(0, Decimal(2)), "C": Gap(0, Decimal(0))}


def test_contracts_of_an_inverse_symbol_are_compared_by_what_they_hold_of_its_base():
    """60 contracts of 100 USD at 60,000 are 0.1 BTC; the engine looked when a BTC was worth a little less."""
    told = {"symbol": "BTC/USD:BTC", "contracts": 60.0, "contractSize": 100.0, "side": "short", "markPrice": 60000.0}
    assert base_quantity(told) == Decimal("-0.1")
    assert base_quantity({**told, "symbol": "BTC/USDT:USDT", "contractSize": 0.001, "markPrice": None}) == Decimal(
        "-0.06"
    )

    def gap(quantity, symbol="BTC/USD:BTC"):
        engine = Holdings({}, {symbol: Decimal(quantity)})
        return gaps(engine, Holdings({}, {symbol: Decimal("-0.1")}), engine)[symbol].quantity

    assert gap("-0.1003") == 0
    assert gap("-0.11") == Decimal("0.01")
    assert gap("-0.1003", "BTC/USDT:USDT") == Decimal("0.0003")


def test_an_inverse_position_without_a_mark_price_is_unknown():
    told = {"symbol": "BTC/USD:BTC", "contracts": 60.0, "contractSize": 100.0, "side": "long", "markPrice": None}
    with pytest.raises(ArithmeticError):
        base_quantity(told)


def test_strategies_of_an_account_are_added_up_and_others_left_out():
    state = state_after(
        line("order_sent", client_order_id="a"), line("order_sent", client_order_id="b", strategy="other"),
        line("order_sent", client_order_id="c", account="trend"),
        line("position", quantity="2"), line("position", quantity="-5", strategy="other"),
    )  # fmt: skip
    found = engine_holdings(state, "sandbox", "mm")
    assert found == Holdings({"BTC/USDT:USDT": 2}, {"BTC/USDT:USDT": Decimal(-3)})


def test_of_an_account_that_no_engine_spoke_of_nothing_is_known():
    assert engine_holdings(State(), "sandbox", "mm") is None


@pytest.mark.stack
def test_orders_and_positions_the_engine_does_not_know_of_are_seen(tmp_path):
    with running_venue(("mm",)) as venue:
        key = venue.keys["mm"]["killer"]
        (tmp_path / "key").write_text(key.api_key)
        (tmp_path / "secret").write_text(key.secret)
        account = {
            "venue": "sandbox", "account": "mm", "exchange": "binanceusdm", "url": venue.url, "every_seconds": 0.2,
            "order_books": [{}, {"trigger": True}],
            "api_key_file": str(tmp_path / "key"), "secret_file": str(tmp_path / "secret"),
        }  # fmt: skip
        with exporter(
            "trading", {"trading": {"listen": {"port": 0}, "reconciliation": [account]}}, tmp_path
        ) as running:
            running.wait_for(UP, 1)
            assert ORDERS not in running.samples(), "no engine spoke of the account yet"
            told = [line("equity", time=time.time()), line("order_sent", time=time.time(), client_order_id="gone")]
            # All at once, since ccxt's own limiter makes each reading take four seconds: five orders that only the
            # venue knows, one that only the engine knows, and a position of the venue's.
            venue.seed("mm", 3, symbols=["BTCUSDT"])
            venue.seed("mm", 2, book="algo", symbols=["BTCUSDT"])
            usdm_client(venue, "mm").create_order("BTC/USDT:USDT", "market", "sell", 0.01)
            assert running.ask("/api/v1/events", b"\n".join(told)).status == 202
            running.wait_for(ORDERS, 4)
            running.wait_for(QUANTITY, -0.01)
            position = line("position", time=time.time(), quantity="-0.01")
            assert running.ask("/api/v1/events", position).status == 202
            running.wait_for(QUANTITY, 0)
            venue.process.kill()
            venue.process.wait()
            running.wait_for(UP, 0)
            assert ORDERS not in running.samples(), "unknown is absent"
