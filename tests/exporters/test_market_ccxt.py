"""Feeds by ccxt: what it says in its unified form, and an unmodified ccxt and ccxt.pro on a real sandbox venue."""

import time

import pytest

from exporters.market_data.markets import Markets
from exporters.market_data.settings import CcxtFeed
from exporters.market_data.sources.exchange import ProSource, RestSource
from exporters.market_data.sources.unified import NewTrades, book_of, statuses_of, trade_of
from exporters.market_data.ticks import Snapshot, TickError
from exporters.settings import ConfigError, load
from tests.exporters.running import exporter, until
from tests.sandbox_fixtures import running_venue, urls

PERP = "BTC/USDT:USDT"
BTC = f'symbol="{PERP}",venue="v"'
OK = f'market_data_book_state{{state="ok",{BTC}}}'
NAN = float("nan")


class TestUnified:
    def test_a_book(self):
        said = {"bids": [[9, 1.5], [8, 2.0]], "asks": [[10.0, 1.0, 7]], "nonce": 5, "timestamp": 1}
        assert book_of("X", said) == Snapshot("X", 5, ((9.0, 1.5), (8.0, 2.0)), ((10.0, 1.0),))
        assert book_of("X", said, 1).bids == ((9.0, 1.5),)
        assert book_of("X", {"bids": None, "asks": [], "nonce": None}) == Snapshot("X", 0, (), ())

    @pytest.mark.parametrize(
        ("bids", "value"),
        [
            ([[NAN, 1.0]], "price"),
            ([[-1.0, 1.0]], "price"),
            ([[None, 1.0]], "price"),
            ([[1.0, NAN]], "quantity"),
            ([[1.0, -1.0]], "quantity"),
            ([[1.0, None]], "quantity"),
            ([[1.0]], None),
            ([7], None),
            ({}, None),
        ],
    )
    def test_a_book_with_what_cannot_be_true_is_refused(self, bids, value):
        with pytest.raises(TickError) as refused:
            book_of("X", {"bids": bids, "asks": []})
        assert refused.value.value == value

    def test_a_trade(self):
        tick = trade_of("X", {"price": 5.0, "amount": 2.0, "side": "buy", "timestamp": 1_700_000_000_000})
        assert (tick.price, tick.quantity, tick.side, tick.event_ns) == (5.0, 2.0, "buy", 1_700_000_000 * 10**9)
        assert trade_of("X", {"price": 5.0, "amount": 2.0, "side": None}).side == "unknown"
        assert trade_of("X", {"price": 5.0, "amount": 2.0}).event_ns is None
        for bad in ({"price": NAN, "amount": 1.0}, {"price": 5.0, "amount": 0.0}, {"price": None, "amount": 1.0}):
            with pytest.raises(TickError):
                trade_of("X", bad)

    def test_the_exchanges_own_word_counts_else_whether_it_is_active(self):
        said = {
            "A": {"active": True, "info": {"status": "BREAK"}},
            "B": {"active": True, "info": {"state": "live"}},
            "C": {"active": False, "info": {"status": "who knows"}},
            "D": {"active": True, "info": []},
            "E": {"active": None, "info": {}},
        }
        assert statuses_of(said) == {"A": "break", "B": "trading", "C": "halt", "D": "trading", "E": "unknown"}

    def test_a_trade_is_counted_once_and_the_first_list_is_history(self):
        new = NewTrades()
        assert new.of([]) == ([], False)
        assert new.of([{"id": "1"}, {"id": "2"}]) == ([], False)
        assert new.of([{"id": "2"}, {"id": "3"}]) == ([{"id": "3"}], False)
        assert new.of([{"id": "3"}]) == ([], False)
        assert new.of([]) == ([], False)
        assert new.of([{"id": "7"}, {"id": "8"}]) == ([{"id": "7"}, {"id": "8"}], True)  # what was between is not there

    def test_trades_without_ids_are_told_apart_by_what_they_are(self):
        new = NewTrades()
        new.of([{"timestamp": 1, "price": 5, "amount": 1}])
        assert (
            len(new.of([{"timestamp": 1, "price": 5, "amount": 1}, {"timestamp": 1, "price": 5, "amount": 2}])[0]) == 1
        )


def settings(source="ccxt", **changes: object):
    return CcxtFeed(**{"source": source, "venue": "v", "exchange": "binanceusdm", "symbols": (PERP,), **changes})


@pytest.mark.parametrize("kind", [RestSource, ProSource])
def test_an_exchange_that_ccxt_does_not_know_is_said_at_the_start(kind):
    markets = Markets(600.0, 60.0)
    feed = markets.open("v", [PERP], ["trade", "depth"], name=str)
    with pytest.raises(ValueError, match="no exchange"):
        kind(settings(exchange="nosuch"), feed, markets)


def test_a_key_has_no_place_in_the_configuration(tmp_path):
    file = tmp_path / "c.yml"
    feed = "{source: ccxt, venue: v, exchange: kraken, symbols: [BTC/USD], config: {apiKey: hush}}"
    file.write_text(f"market_data: {{feeds: [{feed}]}}")
    with pytest.raises(ConfigError) as wrong:
        load(file, {})
    assert "only public data" in str(wrong.value)
    assert "hush" not in str(wrong.value)


@pytest.fixture(scope="module")
def venue():
    with running_venue(("mm",)) as running:
        yield running


def config(venue, source, **changes: object):
    at = {**urls(venue.url), "ws": {"linear": venue.url.replace("http://", "ws://") + "/ws"}}
    feed = {
        "source": source, "venue": "v", "exchange": "binanceusdm", "symbols": [PERP, "NO/SUCH:SUCH"],
        "config": {"options": {"fetchCurrencies": False}, "urls": {"api": at}},
        "every_seconds": 0.2, "timeout_seconds": 5, **changes,
    }  # fmt: skip
    return {"market_data": {"listen": {"port": 0}, "feeds": [feed]}}


@pytest.mark.stack
@pytest.mark.parametrize("source", ["ccxt", "ccxt_pro"])
def test_an_unmodified_client_reads_books_trades_and_status_of_the_sandbox(source, venue, tmp_path):
    with exporter("market-data", config(venue, source), tmp_path) as running:
        running.wait_for(OK, 1)
        running.wait_for('market_data_feed_up{venue="v"}', 1)
        seen = running.samples()
        assert seen[f"market_data_best_bid{{{BTC}}}"] < seen[f"market_data_best_ask{{{BTC}}}"]
        assert seen[f'market_data_depth_notional{{band="100",side="bid",{BTC}}}'] > 0
        assert seen[f'market_data_trading_status{{status="trading",{BTC}}}'] == 1
        assert seen['market_data_symbols_left_out{reason="unknown",venue="v"}'] == 1

        def traded():
            found = running.samples()
            return sum(found[f'market_data_traded_notional_total{{side="{side}",{BTC}}}'] for side in ("buy", "sell"))

        until(lambda: traded() > 0, "a trade")
        received = running.wait_for(f'market_data_last_received_timestamp_seconds{{stream="depth",{BTC}}}')
        happened = running.wait_for(f'market_data_last_event_timestamp_seconds{{stream="trade",{BTC}}}')
        assert abs(received - time.time()) < 5
        assert abs(happened - time.time()) < 10


@pytest.mark.stack
def test_a_gap_in_the_websocket_is_counted_and_heals(venue, tmp_path):
    with exporter("market-data", config(venue, "ccxt_pro"), tmp_path) as running:
        running.wait_for(OK, 1)
        venue.fault("sequence_gap", symbol="BTCUSDT", n=2)
        running.wait_for(f'market_data_sequence_gaps_total{{stream="depth",{BTC}}}', 1)
        assert running.samples()[f"market_data_resubscribes_total{{{BTC}}}"] == 1
        running.wait_for(OK, 1)


@pytest.mark.stack
@pytest.mark.parametrize("source", ["ccxt", "ccxt_pro"])
def test_a_venue_that_is_not_there_is_down_and_then_up(source, tmp_path):
    with running_venue(("mm",)) as first:
        setup = config(first, source)
        port = first.url.rpartition(":")[2]
    with exporter("market-data", setup, tmp_path) as running:
        running.wait_for('market_data_feed_up{venue="v"}', 0)
        until(lambda: running.samples()['market_data_reconnects_total{venue="v"}'] >= 1, "a failure")
        assert not any("mid_price" in name for name in running.samples())
        with running_venue(("mm",), args=("--port", port)):
            running.wait_for(OK, 1)
        running.wait_for('market_data_feed_up{venue="v"}', 0)
