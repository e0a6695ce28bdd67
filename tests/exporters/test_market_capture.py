"""The recorded captures, whose facts are known: shared/data/README.md."""

import gzip
from pathlib import Path
from statistics import median

import pytest

from exporters.market_data.markets import Markets
from exporters.market_data.sources.binance import parse
from exporters.market_data.sources.capture import CaptureSource, read
from exporters.market_data.ticks import Tick
from tests.exporters.market import shown
from tests.exporters.running import until

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
USDM = DATA / "binance-usdm-btcusdt-20240808.gz"
SPOT = DATA / "binance-spot-btcusdt-20240808.gz"
needs_data = pytest.mark.skipif(not USDM.is_file() or not SPOT.is_file(), reason=f"no recorded captures in {DATA}")
PERP = "BTC/USDT:USDT"


def played(path, symbol=PERP):
    markets = Markets(600.0, 60.0)
    feed = markets.open("binance", [symbol])
    source = CaptureSource(path, feed, markets, "fast")
    source.start()
    source._thread.join(60)
    return shown(markets)


@pytest.fixture(scope="module")
def usdm():
    return played(USDM)


@pytest.fixture(scope="module")
def spot():
    return played(SPOT, "BTC/USDT")


@needs_data
def test_every_message_of_the_futures_is_counted(usdm):
    counts = {
        stream: usdm[f"market_data_messages_total{{binance,{PERP},{stream}}}"]
        for stream in ("depth", "book_ticker", "trade")
    }
    assert counts == {"depth": 6_551, "book_ticker": 66_089, "trade": 21_313}
    assert usdm["market_data_malformed_total{binance}"] == 0


@needs_data
def test_every_message_of_the_spot_market_is_counted(spot):
    counts = {
        stream: spot[f"market_data_messages_total{{binance,BTC/USDT,{stream}}}"]
        for stream in ("depth", "book_ticker", "trade")
    }
    assert counts == {"depth": 3_451, "book_ticker": 28_040, "trade": 9_757}
    assert spot["market_data_malformed_total{binance}"] == 0


@needs_data
def test_the_recordings_have_no_gap(usdm, spot):
    for seen in (usdm, spot):
        chained = {
            name: value for name, value in seen.items() if "gaps" in name or "missing" in name or "out_of_order" in name
        }
        assert len(chained) == 7
        assert set(chained.values()) == {0}


@needs_data
@pytest.mark.parametrize(("path", "expected_ms"), [(USDM, -1_269.5), (SPOT, -1_272.3)])
def test_raw_latency_has_the_median_that_was_measured(path, expected_ms):
    raw = []
    for received_ns, message in read(path):
        tick = parse(message)
        if isinstance(tick, Tick) and tick.event_ns is not None:
            raw.append((received_ns - tick.event_ns) / 1e6)
    assert median(raw) == pytest.approx(expected_ms, abs=0.1)


@needs_data
def test_the_venues_clock_is_shown_to_be_ahead_and_the_latency_is_not_negative(usdm, spot):
    for seen, symbol in ((usdm, PERP), (spot, "BTC/USDT")):
        assert seen["market_data_clock_offset_seconds{binance}"] == pytest.approx(1.27, abs=0.02)
        assert seen["market_data_feed_latency_raw_seconds{binance,trade}"] < -1
        counted = seen["market_data_feed_latency_seconds_count{binance,trade}"]
        assert counted == seen[f"market_data_messages_total{{binance,{symbol},trade}}"]
        assert seen["market_data_feed_latency_seconds_sum{binance,trade}"] >= 0
        assert seen["market_data_feed_latency_seconds_bucket{binance,trade,0.25}"] / counted > 0.9


@needs_data
def test_no_single_latency_is_negative():
    markets = Markets(600.0, 60.0)
    feed = markets.open("binance", [PERP])
    lowest = 0
    for received_ns, message in read(USDM):
        tick = parse(message)
        if isinstance(tick, Tick):
            feed.observe(tick, received_ns)
            lowest = min(lowest, received_ns - tick.event_ns + feed.venue.clock.fastest.offset_ns)
    assert lowest == 0


@needs_data
def test_the_last_prices_are_those_of_the_recording(usdm):
    assert usdm[f"market_data_best_bid{{binance,{PERP}}}"] == 61_659.7
    assert usdm[f"market_data_best_ask{{binance,{PERP}}}"] == 61_659.8
    assert usdm[f"market_data_mid_price{{binance,{PERP}}}"] == 61_659.75
    assert usdm[f"market_data_spread_ratio{{binance,{PERP}}}"] == pytest.approx(0.1 / 61_659.75)


@needs_data
@pytest.mark.parametrize(("path", "symbol"), [(USDM, PERP), (SPOT, "BTC/USDT")])
def test_messages_taken_out_are_found_missing(path, symbol, tmp_path):
    """Three depth messages in two runs, and five trades in one."""
    out = {"depth": {10, 11, 40}, "trade": {100, 101, 102, 103, 104}}
    seen = dict.fromkeys(out, 0)
    lost_ids = dict.fromkeys(out, 0)
    last_id = 0
    with gzip.open(tmp_path / "cut.gz", "wb", compresslevel=1) as cut:
        for received_ns, message in read(path):
            tick = parse(message)
            if isinstance(tick, Tick) and tick.stream in out:
                seen[tick.stream] += 1
                gone = seen[tick.stream] in out[tick.stream]
                if tick.stream == "depth":
                    lost_ids["depth"] += tick.last - last_id if gone else 0
                    last_id = tick.last
                else:
                    lost_ids["trade"] += gone
                if gone:
                    continue
            cut.write(b"%d %s" % (received_ns, message))
            if seen["trade"] > 200 and seen["depth"] > 60:
                break
    shown_after = played(tmp_path / "cut.gz", symbol)
    assert shown_after[f"market_data_sequence_gaps_total{{binance,{symbol},depth}}"] == 2
    assert shown_after[f"market_data_sequence_gaps_total{{binance,{symbol},trade}}"] == 1
    assert shown_after[f"market_data_missing_updates_total{{binance,{symbol},trade}}"] == lost_ids["trade"] == 5
    missing = shown_after[f"market_data_missing_updates_total{{binance,{symbol},depth}}"]
    if symbol == "BTC/USDT":
        assert missing == lost_ids["depth"]
    else:
        assert 0 < missing <= lost_ids["depth"]  # pu of the next message may lie below the last id that was lost


def a_capture(path, *lines: bytes):
    with gzip.open(path, "wb") as file:
        file.write(b"".join(lines))
    return path


BOOK = (
    b'1723161255000000000 {"stream":"btcusdt@bookTicker",'
    b'"data":{"E":1723161255000,"u":7,"b":"100","B":"1","a":"102","A":"1"}}\n'
)


def test_a_recording_played_in_its_own_time_is_moved_to_now(tmp_path):
    markets = Markets(600.0, 60.0)
    feed = markets.open("binance", [PERP])
    path = a_capture(
        tmp_path / "c.gz", BOOK, BOOK.replace(b"255000000000", b"955000000000").replace(b'"u":7', b'"u":8')
    )
    source = CaptureSource(path, feed, markets, "recorded")
    source.start()
    try:
        until(lambda: f"market_data_mid_price{{binance,{PERP}}}" in shown(markets), "the first message")
        seen = shown(markets)
        assert seen[f"market_data_mid_price{{binance,{PERP}}}"] == 101
        assert seen[f"market_data_last_event_timestamp_seconds{{binance,{PERP},book_ticker}}"] > 1_790_000_000
        assert seen["market_data_feed_up{binance}"] == 1
        assert seen[f"market_data_messages_total{{binance,{PERP},book_ticker}}"] == 1  # the second is 700 s away
    finally:
        source.stop()
    assert shown(markets)["market_data_feed_up{binance}"] == 0


@pytest.mark.parametrize(
    "content", [b"not gzip at all", gzip.compress(b"7 {}\n", mtime=0)[:-5], gzip.compress(b"yesterday {}\n", mtime=0)]
)
def test_a_broken_capture_ends_the_feed_and_not_the_exporter(content, tmp_path):
    path = tmp_path / "c.gz"
    path.write_bytes(content)
    assert played(path)["market_data_feed_up{binance}"] == 0


def test_malformed_lines_and_strange_symbols_are_counted_and_skipped(tmp_path):
    markets = Markets(600.0, 60.0)
    feed = markets.open("binance", [PERP])
    path = a_capture(tmp_path / "c.gz", b"5 nonsense\n", BOOK.replace(b"btcusdt", b"ethusdt"), BOOK)
    source = CaptureSource(path, feed, markets, "fast")
    source.start()
    source._thread.join(10)
    seen = shown(markets)
    assert seen["market_data_malformed_total{binance}"] == 1
    assert seen[f"market_data_messages_total{{binance,{PERP},book_ticker}}"] == 1
    assert feed.strangers == 1


def test_what_was_never_seen_is_absent_and_its_counters_are_zero():
    markets = Markets(600.0, 60.0)
    markets.open("binance", [PERP])
    seen = shown(markets)
    assert not any("timestamp" in name or "_price{" in name or "offset" in name for name in seen)
    assert seen[f"market_data_sequence_gaps_total{{binance,{PERP},depth}}"] == 0
    assert seen["market_data_feed_up{binance}"] == 0


def test_prices_that_nobody_renewed_are_not_known_any_more():
    markets = Markets(600.0, 60.0)
    feed = markets.open("binance", [PERP])
    tick = parse(BOOK.partition(b" ")[2])
    feed.observe(tick, feed.now_ns() - 61_000_000_000)
    assert not any("_price{" in name or "best" in name for name in shown(markets))
    feed.observe(tick, feed.now_ns())
    assert shown(markets)[f"market_data_mid_price{{binance,{PERP}}}"] == 101
