"""A recording of another symbol than the strategies' moves the strategies to it: nobody watches a market alone."""

from decimal import Decimal

import pytest

from tests.engine_fixtures import STRATEGIES, check_event, running_engine, schema, until
from tests.sandbox.recording import write_recording
from tests.sandbox_fixtures import running_venue

PRICE = 3100
SYMBOL = "ETH/USDT:USDT"


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    file = write_recording(tmp_path_factory.mktemp("recording") / "eth.gz", "ETHUSDT", price=str(PRICE))
    with running_venue(args=["--replay", str(file), "--loop"]) as running:
        yield running


@pytest.fixture(scope="module")
def engine(venue, tmp_path_factory):
    with running_engine(venue.url, venue, tmp_path_factory.mktemp("engine")) as running:
        until(lambda: running.status("mm-btc")["open_orders"] == 2)
        yield running


def test_the_venue_says_what_it_replays(venue):
    assert venue.request("GET", "/healthz") == (200, {"ok": True, "market": "moving", "replays": "ETHUSDT"})


def test_every_strategy_trades_what_is_replayed_and_the_log_says_so(venue, engine):
    strategies = engine.do("GET", "/status")["strategies"]
    assert {name: one["symbol"] for name, one in strategies.items()} == dict.fromkeys(STRATEGIES, SYMBOL)
    assert venue.account("mm")["open_orders"]["usdm"] == {"ETHUSDT": 2}
    assert f"the venue replays {SYMBOL}" in engine.log_file.read_text()


def test_its_quotes_are_as_large_in_money_as_on_bitcoin(engine):
    for order in engine.events("order_sent", strategy="mm-btc"):
        assert Decimal(order["price"]) == pytest.approx(PRICE, rel=Decimal("0.01"))
        assert 500 < Decimal(order["price"]) * Decimal(order["quantity"]) < 700


def test_what_it_tells_is_of_the_replayed_symbol(engine):
    until(lambda: {"order_sent", "order_acknowledged", "position"} <= {one["type"] for one in engine.events()})
    types = schema()
    for event in engine.events():
        check_event(event, types)
        assert event.get("symbol", SYMBOL) == SYMBOL


def test_a_stop_of_the_symbol_stops_it_there(engine):
    assert engine.do("POST", "/control/pause", {"symbol": "BTC/USDT:USDT"})["matched"] == 0
    for name in (SYMBOL, "ETHUSDT"):
        assert engine.do("POST", "/control/pause", {"symbol": name})["matched"] == len(STRATEGIES)
    engine.do("POST", "/control/resume", {})


def test_the_drill_loses_its_money_there(venue, engine):
    engine.do("POST", "/faults", {"kind": "bleed", "strategy": "mm-btc"})
    until(lambda: Decimal(venue.account("mm")["equity"]) <= 88_100, seconds=15)
    assert set(venue.account("mm")["positions"]) == {"ETHUSDT"}
    assert "Traceback" not in engine.log_file.read_text()
