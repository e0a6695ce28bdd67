"""Feeds by ccxt: what it says in its unified form, and an unmodified ccxt and ccxt.pro on a real sandbox venue."""

import json
import time
import urllib.request

import pytest

from exporters.market_data.markets import Markets
from exporters.market_data.sampler import Sampler
from exporters.market_data.settings import CcxtFeed
from exporters.market_data.sources.exchange import ProSource, RestSource
from exporters.market_data.sources.unified import BASE, Contract, NewTrades, book_of, contract_of, statuses_of, trade_of
from exporters.market_data.ticks import Snapshot, TickError
from exporters.settings import ConfigError, load
from tests.exporters.market import shown
from tests.exporters.running import exporter, until
from tests.local_server import Reply, local_server
from tests.sandbox_fixtures import running_venue, urls

PERP = "BTC/USDT:USDT"
BTC = f'symbol="{PERP}",venue="v"'
OK = f'market_data_book_state{{state="ok",{BTC}}}'
NAN = float("nan")


class TestUnified:
    def test_a_book(self):
        said = {"bids": [[9, 1.5], [8, 2.0]], "asks": [[10.0, 1.0, 7]], "nonce": 5, "timestamp": 1}
        assert book_of("X", said, BASE) == Snapshot("X", 5, ((9.0, 1.5), (8.0, 2.0)), ((10.0, 1.0),))
        assert book_of("X", said, BASE, 1).bids == ((9.0, 1.5),)
        assert book_of("X", {"bids": None, "asks": [], "nonce": None}, BASE) == Snapshot("X", 0, (), ())

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
            book_of("X", {"bids": bids, "asks": []}, BASE)
        assert refused.value.value == value

    def test_a_trade(self):
        tick = trade_of("X", {"price": 5.0, "amount": 2.0, "side": "buy", "timestamp": 1_700_000_000_000}, BASE)
        assert (tick.price, tick.quantity, tick.side, tick.event_ns) == (5.0, 2.0, "buy", 1_700_000_000 * 10**9)
        assert trade_of("X", {"price": 5.0, "amount": 2.0, "side": None}, BASE).side == "unknown"
        assert trade_of("X", {"price": 5.0, "amount": 2.0}, BASE).event_ns is None
        for bad in ({"price": NAN, "amount": 1.0}, {"price": 5.0, "amount": 0.0}, {"price": None, "amount": 1.0}):
            with pytest.raises(TickError):
                trade_of("X", bad, BASE)

    def test_amounts_of_contracts_become_base_units(self):
        said = {"bids": [[50_000.0, 2.0]], "asks": []}
        assert book_of("X", said, Contract(0.01)).bids == ((50_000.0, 0.02),)
        assert book_of("X", said, Contract(100.0, inverse=True)).bids == ((50_000.0, 0.004),)
        trade = {"price": 50_000.0, "amount": 500.0}
        assert trade_of("X", trade, Contract(100.0, inverse=True)).quantity == 1.0

    @pytest.mark.parametrize(
        ("exchange", "market", "expected"),
        [
            ("binance", {"contract": False, "contractSize": None}, BASE),
            ("okx", {"contract": True, "linear": True, "contractSize": 0.01}, Contract(0.01)),
            ("okx", {"contract": True, "inverse": True, "contractSize": 100.0}, Contract(100.0, inverse=True)),
            ("okx", {"contract": True, "linear": True, "contractSize": None}, None),
            ("okx", {"contract": True, "linear": True, "contractSize": 0}, None),
            ("bitmex", {"contract": True, "linear": False, "inverse": False, "contractSize": 1}, None),  # quanto
            ("deribit", {"contract": True, "inverse": True, "contractSize": 10.0}, Contract(1.0, inverse=True)),
            ("deribit", {"contract": True, "inverse": True, "option": True, "contractSize": 1.0}, None),
            ("bitget", {"contract": True, "inverse": True, "contractSize": 1.0}, BASE),
        ],
    )
    def test_what_a_contract_is_worth_is_known_or_said_to_be_unknown(self, exchange, market, expected):
        assert contract_of(exchange, market, "depth") == expected

    def test_an_exchange_may_count_its_trades_otherwise_than_its_books(self):
        market = {"contract": True, "linear": True, "contractSize": 0.001}
        assert contract_of("xt", market, "depth") == Contract(0.001)
        assert contract_of("xt", market, "trade") == BASE

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
def test_a_symbol_that_the_exchange_lists_later_is_watched_then(venue, tmp_path):
    hidden = {"BTCUSDT"}

    def reply(asked):
        with urllib.request.urlopen(venue.url + asked.path) as answer:
            said = json.load(answer)
        if "symbols" in said:
            said["symbols"] = [each for each in said["symbols"] if each["symbol"] not in hidden]
        return Reply(body=said)

    with local_server(reply) as server:
        setup = config(venue, "ccxt_pro", symbols=["ETH/USDT:USDT", PERP], status_every_seconds=0.2)
        setup["market_data"]["feeds"][0]["config"]["urls"]["api"] |= urls(server.url)
        with exporter("market-data", setup, tmp_path) as running:
            running.wait_for('market_data_book_state{state="ok",symbol="ETH/USDT:USDT",venue="v"}', 1)
            assert running.samples()['market_data_symbols_left_out{reason="unknown",venue="v"}'] == 1
            hidden.clear()
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


COIN_M = {
    "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "contractType": "PERPETUAL", "contractStatus": "TRADING",
    "deliveryDate": 4133404800000, "onboardDate": 1597042800000, "contractSize": 100, "marginAsset": "BTC",
    "baseAsset": "BTC", "quoteAsset": "USD", "pricePrecision": 1, "quantityPrecision": 0, "filters": [],
}  # fmt: skip
OKX = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "instFamily": "BTC-USDT", "uly": "BTC-USDT", "ctType": "linear",
    "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "settleCcy": "USDT", "baseCcy": "", "quoteCcy": "",
    "state": "live", "tickSz": "0.1", "lotSz": "1", "minSz": "1", "lever": "100", "listTime": "1606468572000",
    "expTime": "", "optType": "", "stk": "",
}  # fmt: skip


def coin_m(path):
    """Binance's coin-M futures: a contract is 100 USD."""
    return {
        "/dapi/v1/exchangeInfo": {"symbols": [COIN_M]},
        "/dapi/v1/time": {"serverTime": int(time.time() * 1000)},
        "/dapi/v1/depth": {
            "lastUpdateId": 7, "E": int(time.time() * 1000), "symbol": "BTCUSD_PERP",
            "bids": [["50000.0", "30"]], "asks": [["50010.0", "20"]],
        },
    }.get(path)  # fmt: skip


def okx(path):
    """OKX: a contract of BTC-USDT-SWAP is 0.01 BTC."""
    moment = str(int(time.time() * 1000))
    data = {
        "/api/v5/public/instruments": [OKX],
        "/api/v5/public/time": [{"ts": moment}],
        "/api/v5/market/books": [
            {"bids": [["50000.0", "30", "0", "1"]], "asks": [["50010.0", "20", "0", "1"]], "ts": moment, "seqId": 7}
        ],
    }.get(path)
    return None if data is None else {"code": "0", "msg": "", "data": data}


@pytest.mark.parametrize(
    ("exchange", "kind", "answer", "symbol", "bid"),
    [
        ("binancecoinm", "inverse", coin_m, "BTC/USD:BTC", 3_000.0),
        ("okx", "swap", okx, "BTC/USDT:USDT", 15_000.0),
    ],
)
def test_depth_is_money_whatever_the_exchange_counts_in(exchange, kind, answer, symbol, bid):
    def reply(asked):
        said = answer(asked.path.partition("?")[0])
        return Reply(404, b"{}") if said is None else Reply(body=said)

    with local_server(reply) as server:
        api = {"rest": server.url} | {
            name: f"{server.url}/dapi/v1" if name.startswith("dapi") else server.url
            for name in ("public", "dapiPublic", "fapiPublic", "sapi")
        }
        given = {
            "urls": {"api": api, "hostname": "x"},
            "options": {"fetchCurrencies": False, "fetchMarkets": {"types": [kind]}},
        }
        markets = Markets(600.0, 60.0)
        feed = markets.open("v", [symbol], ["depth"], name=str)
        source = RestSource(
            CcxtFeed(
                source="ccxt", venue="v", exchange=exchange, symbols=[symbol], streams=["depth"], every_seconds=0.05,
                config=given,
            ),
            feed,
            markets,
        )  # fmt: skip
        source.start()
        try:
            sampler = Sampler(markets)

            def seen():
                sampler.sample()
                return shown(markets).get(f"market_data_depth_notional{{v,{symbol},bid,100}}")

            assert until(seen, "the depth") == pytest.approx(bid)
        finally:
            source.stop()
            source._thread.join(10)


def test_a_symbol_whose_contracts_nobody_can_count_has_prices_and_no_depth():
    markets = Markets(600.0, 60.0)
    feed = markets.open("v", [PERP], ["depth", "trade"], name=str)
    feed.cannot_count({PERP})
    feed.best_of(PERP, Snapshot(PERP, 1, ((99.0, 1.0),), ((101.0, 1.0),)), feed.now_ns())
    Sampler(markets).sample()
    seen = shown(markets)
    assert seen[f"market_data_mid_price{{v,{PERP}}}"] == 100
    assert seen["market_data_symbols_left_out{v,contract_size}"] == 1
    assert not any("notional" in name or "book_state" in name for name in seen)
