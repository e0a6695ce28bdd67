"""The live feed against a real venue process, and against servers that behave badly."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from exporters.market_data.markets import Markets
from exporters.market_data.sources.ndjson import NdjsonSource
from tests.exporters.market import shown as shown_of
from tests.exporters.running import exporter, until
from tests.ports import free_port
from tests.sandbox_fixtures import running_venue

BTC = 'symbol="BTC/USDT:USDT",venue="sandbox"'


def config(url, **feed: object):
    return {
        "market_data": {
            "listen": {"port": 0},
            "feeds": [
                {
                    "source": "ndjson",
                    "venue": "sandbox",
                    "url": url,
                    "symbols": ["BTC/USDT:USDT", "ETH/USDT:USDT"],
                    **feed,
                }
            ],
        }
    }


@pytest.fixture(scope="module")
def venue():
    with running_venue() as running:
        yield running


@pytest.fixture(scope="module")
def live(venue, tmp_path_factory):
    setup = config(venue.url, time_path="/fapi/v1/time", time_every_seconds=0.1)
    with exporter("market-data", setup, tmp_path_factory.mktemp("live")) as running:
        running.wait_for('market_data_feed_up{venue="sandbox"}', 1)
        yield running


@pytest.mark.stack
def test_every_stream_of_every_symbol_moves(live):
    for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT"):
        for stream in ("trade", "depth", "book_ticker"):
            labels = f'stream="{stream}",symbol="{symbol}",venue="sandbox"'
            received = live.wait_for(f"market_data_last_received_timestamp_seconds{{{labels}}}")
            happened = live.wait_for(f"market_data_last_event_timestamp_seconds{{{labels}}}")
            assert abs(received - time.time()) < 10
            assert abs(received - happened) < 5


@pytest.mark.stack
def test_prices_are_those_of_the_venue(live):
    live.wait_for(f"market_data_mid_price{{{BTC}}}")
    seen = live.samples()
    assert seen[f"market_data_best_bid{{{BTC}}}"] < seen[f"market_data_best_ask{{{BTC}}}"]
    assert 0 < seen[f"market_data_spread_ratio{{{BTC}}}"] < 0.01


@pytest.mark.stack
def test_an_honest_clock_has_no_offset_and_the_feed_is_whole(live):
    offset = live.wait_for('market_data_clock_offset_seconds{venue="sandbox"}')
    assert abs(offset) < 0.2
    assert live.samples()[f'market_data_sequence_gaps_total{{stream="depth",{BTC}}}'] == 0


@pytest.mark.stack
def test_messages_that_the_venue_loses_are_counted_as_a_gap(live, venue):
    series = f'market_data_sequence_gaps_total{{stream="depth",{BTC}}}'
    before = live.samples()[series]
    venue.fault("sequence_gap", symbol="BTCUSDT", n=3)
    live.wait_for(series, before + 1, "/metrics?set=kill")
    assert live.samples()[f'market_data_missing_updates_total{{stream="depth",{BTC}}}'] > 0


@pytest.mark.stack
def test_a_clock_that_is_set_shows_as_an_offset_and_not_as_a_latency(live, venue):
    series = 'market_data_clock_offset_seconds{venue="sandbox"}'
    fault = venue.fault("clock_skew", seconds=3.0)
    try:
        until(lambda: abs(live.samples("/metrics?set=kill")[series] - 3) < 0.2, "the offset")
        until(
            lambda: live.samples()['market_data_feed_latency_raw_seconds{stream="depth",venue="sandbox"}'] < -2,
            "raw latency",
        )
    finally:
        venue.admin("DELETE", f"faults/{fault}")
    until(lambda: abs(live.samples("/metrics?set=kill")[series]) < 0.2, "the offset to go")


@pytest.mark.stack
def test_a_stalled_symbol_grows_old_while_the_feed_is_up(live, venue):
    series = f'market_data_last_received_timestamp_seconds{{stream="book_ticker",{BTC}}}'
    fault = venue.fault("stalled_feed", symbol="BTCUSDT")
    try:
        until(lambda: time.time() - live.samples("/metrics?set=kill")[series] > 2, "the book to grow old")
        assert live.samples()['market_data_feed_up{venue="sandbox"}'] == 1
    finally:
        venue.admin("DELETE", f"faults/{fault}")
    until(lambda: time.time() - live.samples("/metrics?set=kill")[series] < 1, "the book to move again")


@pytest.mark.stack
def test_a_venue_that_dies_is_down_until_it_is_back(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    up = 'market_data_feed_up{venue="sandbox"}'
    with exporter("market-data", config(url), tmp_path) as running:
        running.wait_for(up, 0)
        with running_venue(args=("--port", str(port))):
            running.wait_for(up, 1)
        running.wait_for(up, 0)
        lost = running.samples()['market_data_reconnects_total{venue="sandbox"}']
        assert lost >= 1
        with running_venue(args=("--port", str(port))):
            running.wait_for(up, 1)
        assert running.samples()[f'market_data_sequence_gaps_total{{stream="depth",{BTC}}}'] == 0


class Peer:
    """A server that says what it is told to, to everyone who connects, and then waits."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.connections = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            try:
                connection.recv(65536)
                connection.sendall(self._said)
            except OSError:
                pass

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()


@contextmanager
def listening_to(said: bytes, idle_seconds: float = 5.0):
    """A feed in this process that listens to a Peer: what it shows, and the peer."""
    peer = Peer(said)
    markets = Markets(600.0, 60.0)
    feed = markets.open("sandbox", ["BTC/USDT:USDT"])
    source = NdjsonSource(peer.url, feed, markets, market="usdm", streams=("trade",), idle_seconds=idle_seconds)
    source.start()

    try:
        yield lambda: shown_of(markets), peer
    finally:
        source.stop()
        assert not any(thread.is_alive() for thread in source._threads)
        peer.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
GOOD = b'{"stream":"btcusdt@bookTicker","data":{"E":1723161255000,"u":7,"b":"100","B":"1","a":"102","A":"1"}}\n'
MID = "market_data_mid_price{sandbox,BTC/USDT:USDT}"


def test_lines_that_are_no_messages_are_counted_and_cost_only_themselves():
    said = HEAD + b"nonsense\n\n" + GOOD.replace(b'"100"', b'"1e2"') + b'{"type":"ping"}\n' + GOOD + GOOD[:30]
    with listening_to(said) as (shown, _):
        until(lambda: shown().get(MID) == 101, "the good line")
        assert shown()["market_data_malformed_total{sandbox}"] == 2


@pytest.mark.parametrize(
    "said",
    [b"", HEAD, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", HEAD + b"x" * 5_000_000],
    ids=["silence", "an empty stream", "a refusal", "another protocol", "a line without end"],
)
def test_a_peer_that_is_no_feed_is_tried_again_and_never_up(said):
    with listening_to(said, idle_seconds=0.2) as (shown, peer):
        until(lambda: peer.connections >= 3, "two more tries")
        assert shown()["market_data_feed_up{sandbox}"] == 0
        assert shown()["market_data_reconnects_total{sandbox}"] >= 2


def test_a_feed_that_falls_silent_is_down():
    with listening_to(HEAD + GOOD, idle_seconds=0.5) as (shown, _):
        until(lambda: shown()["market_data_feed_up{sandbox}"] == 1, "the feed")
        until(lambda: shown()["market_data_feed_up{sandbox}"] == 0, "the silence to be noticed")
        assert shown()["market_data_reconnects_total{sandbox}"] == 1
