"""Books that miss an update: asked for anew and healed, or asked for again and again, ever more slowly."""

import http.server
import json
import threading
import time
from contextlib import contextmanager
from itertools import pairwise

import pytest

from exporters.market_data.markets import Markets
from exporters.market_data.sampler import Sampler
from exporters.market_data.sources.ndjson import NdjsonSource
from tests.exporters.market import shown
from tests.exporters.running import exporter, until
from tests.exporters.test_market_stream import BTC, config
from tests.sandbox_fixtures import running_venue

OK = f'market_data_book_state{{state="ok",{BTC}}}'


@pytest.mark.stack
def test_a_book_that_lost_an_update_is_asked_for_anew_and_heals(tmp_path):
    with (
        running_venue() as venue,
        exporter("market-data", config(venue.url, status_path="/fapi/v1/exchangeInfo"), tmp_path) as running,
    ):
        running.wait_for(OK, 1)
        seen = running.samples()
        for band in ("5", "100"):
            assert seen[f'market_data_depth_notional{{band="{band}",side="bid",{BTC}}}'] >= 0
        assert seen[f'market_data_trading_status{{status="trading",{BTC}}}'] == 1
        assert seen['market_data_symbols_left_out{reason="unknown",venue="sandbox"}'] == 0
        running.wait_for(f'market_data_price_move_ratio{{{BTC},window="10s"}}', path="/metrics?set=kill")
        venue.fault("sequence_gap", symbol="BTCUSDT", n=3)
        running.wait_for(f'market_data_sequence_gaps_total{{stream="depth",{BTC}}}', 1)
        assert running.wait_for(f"market_data_resubscribes_total{{{BTC}}}", 1)
        running.wait_for(OK, 1)
        assert running.samples()['market_data_reconnects_total{venue="sandbox"}'] == 0


@pytest.mark.stack
def test_a_symbol_that_the_venue_does_not_know_costs_the_others_nothing(tmp_path):
    symbols = ["BTC/USDT:USDT", "NOSUCH/USDT:USDT"]
    with (
        running_venue() as venue,
        exporter(
            "market-data", config(venue.url, symbols=symbols, status_path="/fapi/v1/exchangeInfo"), tmp_path
        ) as running,
    ):
        running.wait_for(OK, 1)
        seen = running.samples()
        assert seen['market_data_symbols_left_out{reason="unknown",venue="sandbox"}'] == 1
        unknown = 'status="unknown",symbol="NOSUCH/USDT:USDT",venue="sandbox"'
        assert seen[f"market_data_trading_status{{{unknown}}}"] == 1
        assert not any("mid_price" in name and "NOSUCH" in name for name in seen)


@contextmanager
def a_venue_that_always_leaves_something_out(snapshot=True):
    """Its stream has a gap at each update; a snapshot is good until the next one."""
    asked = []
    number = [100]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(time.monotonic())
            self.send_response(200)
            self.end_headers()
            while not over.is_set():
                head = {"type": "snapshot", "symbol": "BTCUSDT", "lastUpdateId": number[0]}
                if snapshot:
                    self.say({**head, "bids": [["9", "1"]], "asks": [["10", "1"]]})
                while not over.wait(0.05):
                    number[0] += 10
                    moment = int(time.time() * 1000)
                    data = {"E": moment, "U": number[0], "u": number[0], "pu": number[0] - 1, "b": [], "a": []}
                    if not self.say({"stream": "btcusdt@depth", "data": data}):
                        return

        def say(self, what):
            try:
                self.wfile.write(json.dumps(what).encode() + b"\n")
            except OSError:
                return False
            return True

        def log_message(self, *_: object):
            pass

    over = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_book_that_never_heals_is_asked_for_ever_more_slowly_and_its_depth_stays_unknown(snapshot):
    markets = Markets(600.0, 60.0)
    feed = markets.open("v", ["BTC/USDT:USDT"], ["depth"])
    sampler = Sampler(markets)
    with a_venue_that_always_leaves_something_out(snapshot) as (url, asked):
        source = NdjsonSource(url, feed, markets, market="usdm", streams=("depth",), idle_seconds=2.0)
        source.start()
        try:
            until(lambda: len(asked) >= 4, "the third question")

            def unsynchronised():
                sampler.sample()
                seen = shown(markets)
                return seen if seen["market_data_book_state{v,BTC/USDT:USDT,unsynchronised}"] == 1 else None

            seen = until(unsynchronised, "the next gap")
            assert not any("depth_notional" in name for name in seen)
            assert seen["market_data_resubscribes_total{v,BTC/USDT:USDT}"] >= 3
            pauses = [after - before for before, after in pairwise(asked[1:4])]
            assert pauses[-1] > pauses[0]
        finally:
            source.stop()


def test_a_symbol_that_the_venue_lists_later_is_asked_for_then():
    listed, asked, over = ["BTCUSDT"], [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            if self.path == "/status":
                symbols = [{"symbol": symbol, "status": "TRADING"} for symbol in listed]
                self.wfile.write(json.dumps({"symbols": symbols}).encode())
                return
            asked.append(self.path)
            over.wait(10)

        def log_message(self, *_: object):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    markets = Markets(600.0, 60.0)
    feed = markets.open("v", ["BTC/USDT:USDT", "NEW/USDT:USDT"], ["trade"])
    source = NdjsonSource(
        f"http://127.0.0.1:{server.server_port}", feed, markets, market="usdm", streams=("trade",), idle_seconds=5.0,
        status_path="/status", status_every_seconds=0.05,
    )  # fmt: skip
    source.start()
    try:
        until(lambda: asked, "the first question")
        assert "NEWUSDT" not in asked[0]
        listed.append("NEWUSDT")
        until(lambda: "NEWUSDT" in asked[-1], "the new symbol to be asked for")
    finally:
        over.set()
        source.stop()
        server.shutdown()
        server.server_close()
        thread.join(5)
