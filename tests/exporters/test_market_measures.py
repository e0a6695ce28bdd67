"""What is measured of symbols, from messages to series: by hand, on bad input, and on the recordings."""

import gzip
import json
import time

import pytest

from exporters.market_data.exporter import build
from exporters.market_data.markets import Markets
from exporters.market_data.sampler import Sampler
from exporters.market_data.settings import MarketDataSettings, MarketLimits, Measure
from exporters.market_data.sources.binance import parse, statuses
from exporters.market_data.sources.capture import CaptureSource, read
from exporters.market_data.ticks import Snapshot, Tick, TickError
from tests.exporters.lines import values
from tests.exporters.market import shown
from tests.exporters.test_market_capture import PERP, SPOT, USDM, needs_data

NS = 1_000_000_000
START = 1_723_161_255


class World:
    """One feed in a time of its own, which stands still until it is told to go on."""

    def __init__(self, measure=None, limits=None, symbols=(PERP,), streams=("trade", "depth", "book_ticker")) -> None:
        self.markets = Markets(600.0, 60.0, measure, limits)
        self.feed = self.markets.open("v", symbols, streams)
        self.sampler = Sampler(self.markets)
        self.at = START
        self.go_to(START)

    def go_to(self, second):
        self.at = second
        self.feed.now_ns = lambda: self.at * NS

    def say(self, stream, symbol="btcusdt", **data: object):
        line = json.dumps({"stream": f"{symbol}@{stream}", "data": {"E": self.at * 1000, **data}}).encode()
        try:
            found = parse(line)
        except TickError as fault:
            self.feed.venue.refuse(fault)
            return
        self.feed.observe(found, self.at * NS)

    def best(self, bid, ask, number):
        self.say("bookTicker", u=number, b=str(bid), B="1", a=str(ask), A="1")

    def book(self, last, bids, asks):
        self.feed.restore(Snapshot("BTCUSDT", last, tuple(bids), tuple(asks)), self.at * NS)

    def sample(self, seconds=1):
        for _ in range(seconds):
            self.sampler.sample()
            self.go_to(self.at + 1)

    def shown(self):
        return shown(self.markets)


def state_of(seen, place=f"v,{PERP}"):
    states = {name: value for name, value in seen.items() if name.startswith(f"market_data_book_state{{{place},")}
    return [name.rpartition(",")[2][:-1] for name, value in states.items() if value == 1] if states else None


def test_a_book_that_was_never_given_is_unsynchronised_and_has_no_depth():
    world = World()
    world.sample()
    seen = world.shown()
    assert state_of(seen) == ["unsynchronised"]
    assert not any("depth_notional" in name or "imbalance" in name for name in seen)


def test_depth_and_imbalance_are_shown_by_side_and_band():
    world = World()
    world.book(1, [(999.6, 2.0), (991.0, 1.0)], [(1000.4, 1.0)])
    world.sample()
    seen = world.shown()
    assert state_of(seen) == ["ok"]
    assert seen[f"market_data_depth_notional{{v,{PERP},bid,5}}"] == pytest.approx(1999.2)
    assert seen[f"market_data_depth_notional{{v,{PERP},bid,100}}"] == pytest.approx(2990.2)
    assert seen[f"market_data_imbalance_ratio{{v,{PERP},1}}"] == pytest.approx(1 / 3)
    assert f"market_data_depth_ratio{{v,{PERP},bid}}" not in seen


def test_depth_is_compared_with_its_median_of_the_session():
    world = World()
    for number in range(60):
        world.book(number + 1, [(999.0, 1.0)], [(1001.0, 2.0)])
        world.sample()
    world.book(100, [(999.0, 0.25)], [(1001.0, 2.0)])
    world.sample()
    seen = world.shown()
    assert seen[f"market_data_depth_ratio{{v,{PERP},bid}}"] == pytest.approx(0.25)
    assert seen[f"market_data_depth_ratio{{v,{PERP},ask}}"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("bids", "asks", "state"), [([], [(5.0, 1.0)], "empty"), ([], [], "empty"), ([(6.0, 1.0)], [(5.0, 1.0)], "crossed")]
)
def test_an_empty_or_crossed_book_is_said(bids, asks, state):
    world = World()
    world.book(1, bids, asks)
    world.sample()
    assert state_of(world.shown()) == [state]


def test_a_book_without_updates_grows_stale_and_its_depth_is_unknown():
    world = World()
    world.book(1, [(999.0, 1.0)], [(1001.0, 2.0)])
    world.go_to(START + 11)
    world.sample()
    seen = world.shown()
    assert state_of(seen) == ["stale"]
    assert not any("depth_notional" in name for name in seen)


def test_after_a_gap_the_depth_is_unknown_until_a_snapshot():
    world = World()
    world.book(1, [(999.0, 1.0)], [(1001.0, 2.0)])
    world.say("depth", U=2, u=2, pu=1, b=[], a=[])
    world.say("depth", U=4, u=4, pu=3, b=[], a=[])
    world.sample()
    seen = world.shown()
    assert state_of(seen) == ["unsynchronised"]
    assert not any("depth_notional" in name for name in seen)
    assert seen[f"market_data_sequence_gaps_total{{v,{PERP},depth}}"] == 1
    assert world.feed.unhealed() == ["BTCUSDT"]
    world.book(4, [(999.0, 1.0)], [(1001.0, 2.0)])
    world.sample()
    assert state_of(world.shown()) == ["ok"]


def test_a_lost_connection_loses_the_book():
    world = World()
    world.book(1, [(999.0, 1.0)], [(1001.0, 2.0)])
    world.feed.lost()
    world.sample()
    assert state_of(world.shown()) == ["unsynchronised"]


def test_a_difference_with_a_value_that_cannot_be_true_costs_the_book_and_not_the_truth():
    world = World()
    world.book(1, [(999.0, 1.0)], [(1001.0, 2.0)])
    world.say("depth", U=2, u=2, pu=1, b=[["998", "-1"]], a=[])
    world.say("depth", U=3, u=3, pu=2, b=[], a=[])
    world.sample()
    seen = world.shown()
    assert state_of(seen) == ["unsynchronised"]
    assert seen["market_data_bad_values_total{v,quantity}"] == 1
    assert seen["market_data_malformed_total{v}"] == 1


def test_bad_trades_are_counted_and_move_nothing():
    world = World()
    for bad in ({"p": "NaN", "q": "1"}, {"p": -5, "q": "1"}, {"p": "1", "q": "-1"}, {"p": "1", "q": float("inf")}):
        world.say("trade", t=1, m=True, **bad)
    seen = world.shown()
    assert seen["market_data_bad_values_total{v,price}"] >= 2
    assert seen["market_data_bad_values_total{v,quantity}"] >= 1
    assert seen["market_data_malformed_total{v}"] == 4
    assert seen[f"market_data_traded_notional_total{{v,{PERP},sell}}"] == 0
    assert seen[f"market_data_traded_notional_total{{v,{PERP},buy}}"] == 0


def test_trades_are_summed_by_the_takers_side_and_price_numbers_are_taken():
    world = World()
    world.say("trade", t=1, p="100", q="2", m=True)
    world.say("trade", t=2, p=101, q=1.5, m=False)
    world.say("trade", t=2, p=101, q=1.5, m=False)  # again: out of order
    world.sample()
    seen = world.shown()
    assert seen[f"market_data_traded_notional_total{{v,{PERP},sell}}"] == 200
    assert seen[f"market_data_traded_notional_total{{v,{PERP},buy}}"] == 151.5
    shares = [value for name, value in seen.items() if name.startswith("market_data_volume_at_price_ratio")]
    assert len(shares) == 12
    assert sum(shares) == pytest.approx(1)
    assert seen[f"market_data_out_of_order_total{{v,{PERP},trade}}"] == 1


def test_volume_in_an_unusual_place_scores_high():
    world = World(Measure(volume_window_seconds=10))
    number = 0
    for second in range(120):
        world.go_to(START + second)
        for price in (999.9, 1000.0, 1000.1):
            number += 1
            world.say("trade", t=number, p=str(price), q="1", m=True)
        world.sampler.sample()
    name = f"market_data_volume_at_price_anomaly_score{{v,{PERP}}}"
    assert world.shown()[name] < 0.01
    for second in range(120, 130):
        world.go_to(START + second)
        for price in (980.0, 1020.0):
            number += 1
            world.say("trade", t=number, p=str(price), q="5", m=True)
        world.sampler.sample()
    assert world.shown()[name] > 1


def test_a_move_is_told_as_soon_as_the_price_has_moved_and_not_when_it_is_sampled():
    world = World()
    for second in range(12):
        world.go_to(START + second)
        world.best(99.0, 101.0, second + 1)
        world.sampler.sample()
    name = f"market_data_price_move_ratio{{v,{PERP},10s}}"
    assert world.shown()[name] == 0
    world.best(91.0, 93.0, 50)
    assert world.shown()[name] == pytest.approx(-0.08)
    assert world.shown()[f"market_data_price_move_ratio{{v,{PERP},5m}}"] == pytest.approx(-0.08)


def moves_of(seen):
    return {name.rpartition(",")[2][:-1]: value for name, value in seen.items() if "price_move" in name}


def quoted(world, seconds, mid=100.0):
    """The best prices said anew each second, and measured."""
    for _ in range(seconds):
        world.best(mid - 1, mid + 1, world.at)
        world.sample()


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("silent", [30, 70])
def test_after_a_gap_in_the_feed_no_window_shows_what_happened_before_it(silent, connected):
    """The sampler looks on each second, and the old price is still shown for a minute: neither makes it a new one."""
    world = World(Measure(move_windows=("10s", "1m", "5m"), volatility_windows=("10s", "1m")))
    quoted(world, 90)
    if not connected:
        world.feed.lost()
    world.sample(silent)
    world.best(91.0, 93.0, world.at)
    seen = moves_of(world.shown())
    assert "10s" not in seen
    assert seen["5m"] == pytest.approx(-0.08)  # both prices were really said within five minutes
    assert ("1m" in seen) == (silent < 60)
    world.sample()
    quoted(world, 12, mid=92.0)
    seen = world.shown()
    assert moves_of(seen)["10s"] == 0
    assert seen[f"market_data_realised_volatility_ratio{{v,{PERP},10s}}"] == 0
    assert seen.get(f"market_data_realised_volatility_ratio{{v,{PERP},1m}}", 0.0) == 0
    if silent > 60:
        assert moves_of(seen)["1m"] == 0


def test_a_quote_that_stands_still_beside_a_living_book_is_known_to_stand_still():
    world = World()
    world.book(1, [(99.0, 1.0)], [(101.0, 1.0)])
    world.best(99.0, 101.0, 1)
    for number in range(2, 40):
        world.say("depth", U=number, u=number, pu=number - 1, b=[["98", "5"]], a=[])
        world.sample()
    assert moves_of(world.shown())["10s"] == 0
    world.best(91.0, 93.0, 50)
    assert moves_of(world.shown())["10s"] == pytest.approx(-0.08)


def test_a_ticker_that_died_beside_a_living_book_does_not_hold_the_price():
    world = World()
    for number in range(1, 40):
        bid, ask = 99.0 - number / 10, 101.0 - number / 10
        world.book(number, [(bid, 1.0)], [(ask, 1.0)])
        if number < 5:
            world.best(bid, ask, number)
        world.sample()
    moved = moves_of(world.shown())["10s"]
    assert moved == pytest.approx(-0.01, abs=0.002)  # a tenth each second
    world.best(bid, ask, 50)
    assert moves_of(world.shown())["10s"] == pytest.approx(moved, abs=0.002)


def test_moves_of_a_price_that_is_old_are_unknown():
    world = World()
    quoted(world, 15)
    assert any("price_move" in name for name in world.shown())
    world.go_to(world.at + 61)
    assert not any("price_move" in name or "best_bid" in name for name in world.shown())
    world.sample(2)
    assert not any("volatility" in name for name in world.shown())


def test_a_one_sided_market_has_no_price_to_move():
    world = World()
    world.best(99.0, 101.0, 1)
    world.sample()
    world.say("bookTicker", u=2, b="99", B="1", a="0", A="0")
    assert not any("price_move" in name for name in world.shown())


def test_what_a_symbol_breaks_costs_the_others_nothing():
    world = World(symbols=(PERP, "ETH/USDT:USDT"))
    world.feed.markets["BTCUSDT"].book.bids = {"nonsense": None}
    world.feed.markets["BTCUSDT"].book.synchronised = True
    world.feed.markets["BTCUSDT"].book.updated_ns = START * NS
    world.feed.restore(Snapshot("ETHUSDT", 1, ((9.0, 1.0),), ((11.0, 1.0),)), START * NS)
    world.sampler.sample()
    seen = world.shown()
    assert state_of(seen) is None
    assert state_of(seen, "v,ETH/USDT:USDT") == ["ok"]


class TestCardinality:
    def test_symbols_beyond_the_limit_are_left_out_and_counted(self):
        symbols = [f"C{number}/USDT:USDT" for number in range(10_000)]
        world = World(limits=MarketLimits(symbols=50, books=20), symbols=symbols)
        world.say("bookTicker", symbol="c49usdt", u=1, b="1", B="1", a="2", A="1")
        world.say("bookTicker", symbol="c50usdt", u=1, b="1", B="1", a="2", A="1")
        world.say("depth", symbol="c30usdt", U=1, u=1, pu=0, b=[["1", "1"]], a=[])
        world.sample()
        seen = world.shown()
        assert seen["market_data_symbols_left_out{v,symbols_limit}"] == 9_950
        assert seen["market_data_symbols_left_out{v,books_limit}"] == 30
        assert seen["market_data_symbols_left_out{v,unknown}"] == 0
        assert "market_data_mid_price{v,C49/USDT:USDT}" in seen
        assert "market_data_mid_price{v,C50/USDT:USDT}" not in seen
        assert sum("book_state" in name for name in seen) == 20 * 5
        assert seen["market_data_messages_total{v,C30/USDT:USDT,depth}"] == 1
        assert world.feed.strangers == 1

    def test_the_limit_is_over_all_feeds(self):
        world = World(limits=MarketLimits(symbols=1, books=5))
        other = world.markets.open("w", ["ETH/USDT"])
        assert other.markets == {}
        seen = world.shown()
        assert seen["market_data_symbols_left_out{w,symbols_limit}"] == 1
        assert "market_data_feed_up{w}" not in seen

    def test_a_feed_without_room_for_any_symbol_is_not_opened(self):
        feeds = [
            {"source": "ndjson", "venue": venue, "url": "http://127.0.0.1:1", "symbols": [PERP]} for venue in ("v", "w")
        ]
        made = build(MarketDataSettings(feeds=feeds, limits=MarketLimits(symbols=1)))
        assert len(made.sources) == 2  # the first feed and the sampler


class TestStatus:
    def test_the_venues_words_are_translated(self):
        words = {"btcusdt": "TRADING", "B": "HALT", "C": "BREAK", "D": "AUCTION_MATCH", "E": "DANCING"}
        listed = [{"symbol": symbol, "status": word} for symbol, word in words.items()]
        said = {"symbols": [*listed, {"symbol": "F"}, 7, {"symbol": 7}]}
        assert statuses(json.dumps(said).encode()) == {
            "BTCUSDT": "trading", "B": "halt", "C": "break", "D": "auction", "E": "unknown", "F": "unknown",
        }  # fmt: skip

    @pytest.mark.parametrize("body", [b"", b"7", b"{}", b'{"symbols": 5}', b"\xff"])
    def test_an_answer_that_is_none_says_nothing(self, body):
        assert statuses(body) is None

    def test_a_symbol_is_unknown_until_the_venue_speaks_and_when_it_falls_silent(self):
        world = World(symbols=(PERP, "NO/USDT:USDT"))
        name = f"market_data_trading_status{{v,{PERP},%s}}"
        assert not any("trading_status" in each for each in world.shown())
        world.feed.has_status = True
        assert world.shown()[name % "unknown"] == 1
        world.feed.said_status({"BTCUSDT": "halt"}, world.at * NS)
        seen = world.shown()
        assert (seen[name % "halt"], seen[name % "trading"], seen[name % "unknown"]) == (1, 0, 0)
        assert seen["market_data_trading_status{v,NO/USDT:USDT,unknown}"] == 1
        assert seen["market_data_symbols_left_out{v,unknown}"] == 1
        assert world.feed.unhealed() == ["BTCUSDT"]
        world.go_to(world.at + 61)
        assert world.shown()[name % "unknown"] == 1


@needs_data
@pytest.mark.parametrize(("path", "symbol"), [(USDM, PERP), (SPOT, "BTC/USDT")])
def test_the_recorded_book_is_never_crossed_and_agrees_with_the_best_prices(path, symbol):
    """At each 50th depth message: bids below asks, and the top of the book is what the book ticker says of it."""
    markets = Markets(600.0, 60.0)
    feed = markets.open("v", [symbol])
    book = feed.markets["BTCUSDT"].book
    checked = together = depths = 0
    for received_ns, message in read(path):
        found = parse(message)
        if isinstance(found, Snapshot):
            feed.restore(found, received_ns)
        elif isinstance(found, Tick):
            feed.observe(found, received_ns)
            depths += found.stream == "depth"
            if found.stream == "depth" and book.synchronised and depths % 50 == 0:
                bid, ask = max(book.bids), min(book.asks)
                assert bid < ask
                checked += 1
                best = feed.markets["BTCUSDT"].best
                together += abs(best.bid - bid) / bid < 0.0005 and abs(best.ask - ask) / ask < 0.0005
    assert checked > 60
    assert together / checked > 0.95
    assert book.synchronised


@needs_data
def test_the_recording_shows_depth_volume_and_volatility_as_they_were():
    """The first 90 s of the futures, measured each second of their own time."""
    world = World()
    world.feed.now_ns = lambda: world.at
    began = next_sample = notional = 0
    for received_ns, message in read(USDM):
        world.at = received_ns
        next_sample = next_sample or received_ns + NS
        began = began or received_ns
        if received_ns > began + 90 * NS:
            break
        if received_ns >= next_sample:
            world.sampler.sample()
            next_sample += NS
        found = parse(message)
        if isinstance(found, Snapshot):
            world.feed.restore(found, received_ns)
        elif isinstance(found, Tick):
            world.feed.observe(found, received_ns)
            notional += found.price * found.quantity
    seen = world.shown()
    assert state_of(seen) == ["ok"]
    five, hundred = (seen[f"market_data_depth_notional{{v,{PERP},bid,{band}}}"] for band in (5, 100))
    assert 10_000 < five < hundred
    assert -1 <= seen[f"market_data_imbalance_ratio{{v,{PERP},5}}"] <= 1
    traded = sum(seen[f"market_data_traded_notional_total{{v,{PERP},{side}}}"] for side in ("buy", "sell"))
    assert traded == pytest.approx(notional)
    shares = [value for name, value in seen.items() if name.startswith("market_data_volume_at_price_ratio")]
    assert sum(shares) == pytest.approx(1)
    assert 0 < seen[f"market_data_realised_volatility_ratio{{v,{PERP},1m}}"] < 0.02
    assert abs(seen[f"market_data_price_move_ratio{{v,{PERP},1m}}"]) < 0.02
    assert 0.01 < seen[f"market_data_depth_ratio{{v,{PERP},bid}}"] < 100


@needs_data
def test_a_recording_with_a_piece_cut_out_ends_unsynchronised(tmp_path):
    with gzip.open(tmp_path / "cut.gz", "wb", compresslevel=1) as cut:
        depths = 0
        for received_ns, message in read(USDM):
            depths += b"@depth" in message
            if b"@depth" in message and 300 < depths < 305:
                continue
            cut.write(b"%d %s" % (received_ns, message))
            if depths > 400:
                break
    markets = Markets(600.0, 60.0)
    feed = markets.open("v", [PERP])
    source = CaptureSource(tmp_path / "cut.gz", feed, markets, "fast")
    book = feed.markets["BTCUSDT"].book
    for received_ns, message in read(tmp_path / "cut.gz"):
        source._take(message, received_ns, 0)
    assert not book.synchronised
    assert feed.markets["BTCUSDT"].flows["depth"].sequence.gaps == 1


def test_a_busy_scrape_of_ten_thousand_series_is_quick():
    """Not a benchmark: tests/bench has that; this fails when somebody makes it ten times slower."""
    symbols = [f"C{number}/USDT:USDT" for number in range(200)]
    world = World(limits=MarketLimits(symbols=200, books=200), symbols=symbols)
    for number in range(200):
        world.say("bookTicker", symbol=f"c{number}usdt", u=1, b="1", B="1", a="2", A="1")
        world.feed.restore(Snapshot(f"C{number}USDT", 1, ((1.0, 1.0),), ((2.0, 1.0),)), world.at * NS)
        world.say("trade", symbol=f"c{number}usdt", t=1, p="1.5", q="1", m=True)
    world.sample(2)
    began = time.process_time()
    count = len(world.shown())
    assert count > 8_000
    assert time.process_time() - began < 1.5


class TestWaiting:
    def waiting(self, world):
        seen = world.shown()
        return {name.partition("{")[2][:-1]: value for name, value in seen.items() if "waiting_since" in name}

    def test_a_symbol_of_which_nothing_ever_came_is_waited_for_once_there_was_time(self):
        world = World(symbols=(PERP, "ETH/USDT:USDT"))
        for market in world.feed.markets.values():
            for flow in market.flows.values():
                flow.since_ns = START * NS
        world.best(99.0, 101.0, 1)
        world.go_to(START + 29)
        assert self.waiting(world) == {}
        world.go_to(START + 30)
        streams = [f"v,{PERP},depth", f"v,{PERP},trade"]
        streams += [f"v,ETH/USDT:USDT,{stream}" for stream in ("trade", "depth", "book_ticker")]
        assert self.waiting(world) == dict.fromkeys(streams, START)
        world.say("trade", "ethusdt", t=1, p="5", q="1", m=True)
        assert f"v,{PERP},depth" in self.waiting(world)
        assert "v,ETH/USDT:USDT,trade" not in self.waiting(world)

    def test_what_the_venue_does_not_list_is_not_followed_and_has_time_again_once_it_is_listed(self):
        world = World(symbols=(PERP,), streams=("depth",))
        world.feed.markets["BTCUSDT"].flows["depth"].since_ns = START * NS
        world.feed.said_status({}, START * NS)
        world.go_to(START + 60)
        assert self.waiting(world) == {}
        world.feed.said_status({"BTCUSDT": "trading"}, world.at * NS)
        assert self.waiting(world) == {}
        world.go_to(START + 90)
        assert self.waiting(world) == {f"v,{PERP},depth": START + 60}

    def test_a_feed_that_never_connects_is_waited_for_as_a_whole(self):
        feeds = [{"source": "ndjson", "venue": "v", "url": "http://127.0.0.1:1", "symbols": [PERP]}]
        made = build(MarketDataSettings(feeds=feeds, first_message_seconds=1e-9))
        seen = values(family for each in made.collectors if each.subset == "kill" for family in each.read())
        assert sum("waiting_since" in name for name in seen) == 3
        assert seen["market_data_feed_up{v}"] == 0


class TestTimes:
    """Without a time endpoint: one message with a wrong time must not move the venue's clock nor make a book old."""

    OFFSET = "market_data_clock_offset_seconds{v}"
    EVENT = f"market_data_last_event_timestamp_seconds{{v,{PERP},book_ticker}}"

    def world(self):
        world = World()
        quoted(world, 5)
        return world

    def said_at(self, world, moment, number):
        world.say("bookTicker", u=number, b="99", B="1", a="101", A="1", E=moment * 1000)
        return world.shown()

    @pytest.mark.parametrize("moment", [START + 3600, 1])
    def test_a_single_message_of_another_time_is_taken_without_its_time(self, moment):
        world = self.world()
        before = world.shown()
        seen = self.said_at(world, moment, START + 5)
        assert seen[self.OFFSET] == before[self.OFFSET] == 0
        assert seen[self.EVENT] == before[self.EVENT]
        assert seen[f"market_data_messages_total{{v,{PERP},book_ticker}}"] == 6
        assert seen["market_data_bad_values_total{v,time}"] == 1
        assert seen["market_data_malformed_total{v}"] == 0
        quoted(world, 1)
        assert world.shown()[self.EVENT] == world.at - 1

    def test_a_clock_that_was_set_is_believed_with_the_second_message(self):
        world = self.world()
        self.said_at(world, world.at + 3600, START + 5)
        seen = self.said_at(world, world.at + 3600, START + 6)
        assert seen[self.OFFSET] == 3600
        assert seen[self.EVENT] == world.at + 3600

    def test_a_feed_that_lags_is_seen_to_lag(self):
        world = self.world()
        lagging = self.said_at(world, world.at - 8, START + 5)
        assert lagging["market_data_bad_values_total{v,time}"] == 0
        world.go_to(world.at + 60)
        self.said_at(world, world.at - 60, START + 6)
        seen = self.said_at(world, world.at - 60, START + 7)
        assert world.at - seen[self.EVENT] == 60
        assert seen[self.OFFSET] == 0
