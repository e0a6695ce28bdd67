"""What moves the market: recordings replayed and the seeded walk; a follower's book must always be the venue's book."""

import asyncio
import gzip
import itertools
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Market, catalogue
from sandbox.venue.market.book import Book
from sandbox.venue.market.random_walk import Walk
from sandbox.venue.market.replay import CaptureError, Replay, read_head
from sandbox.venue.market.stream import MarketStream, Subscriber
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.orders.order import Side
from tests.sandbox.recording import write_recording
from tests.sandbox.venue_rig import BTC, Recorder, Rig
from tests.sandbox_fixtures import SPOT_CAPTURE, USDM_CAPTURE

D = Decimal
# Recording -> its market, how many depth updates it shows, and how many trades it holds.
RECORDINGS = {
    "generated": (Market.USDM, 50, 79),
    str(USDM_CAPTURE): (Market.USDM, 6547, 21313),
    str(SPOT_CAPTURE): (Market.SPOT, 3449, 9757),
}


@pytest.fixture(params=RECORDINGS, ids=["generated", "usdm", "spot"])
def recording(request, tmp_path) -> Path:
    """A small recording, and where they are on this machine, real ones."""
    if request.param == "generated":
        return write_recording(tmp_path / "generated", BTC, price="61800", seconds=10)
    if not Path(request.param).exists():
        pytest.skip("the shared recordings are not on this machine")
    return Path(request.param)


class Follower:
    """A client that keeps a book by Binance's rules and complains about every hole."""

    def __init__(self, exchange: Exchange, market: Market, symbol: str = BTC) -> None:
        pair = exchange.pair(market, symbol)
        self.market, self.book, self.last = market, Book(), pair.last_update_id
        self.book.apply(pair.book.bids.items(), pair.book.asks.items())
        self.updates = 0

    def follow(self, data: dict) -> None:
        if self.market is Market.USDM:
            assert data["pu"] == self.last
            assert data["pu"] < data["U"] <= data["u"]
        else:
            assert data["U"] == self.last + 1
            assert data["u"] >= data["U"]
        self.last = data["u"]
        self.updates += 1
        self.book.apply(
            [(D(price), D(quantity)) for price, quantity in data["b"]],
            [(D(price), D(quantity)) for price, quantity in data["a"]],
        )


class Following:
    """A publisher that hands every depth update straight to followers, and keeps the numbers of trades."""

    def __init__(self) -> None:
        self.followers: dict[tuple[Market, str], Follower] = {}
        self.trades: dict[tuple[Market, str], list[int]] = {}
        self.crossed = 0

    def publish(self, market, symbol, kind, _stream, data) -> None:
        if kind == "depth":
            follower = self.followers[market, symbol]
            follower.follow(data)
            self.crossed += follower.book.best_bid >= follower.book.best_ask
        elif kind == "trade":
            self.trades.setdefault((market, symbol), []).append(data["t"])


def replaying(path: Path) -> tuple[Exchange, Replay, Following]:
    publisher = Following()
    exchange = Exchange(catalogue(), (), VenueClock(), publisher)
    replay = Replay(path, exchange.pairs, exchange.clock)
    publisher.followers = {(market, BTC): Follower(exchange, market) for market in Market}
    return exchange, replay, publisher


def play(replay: Replay, most: int | None = None) -> None:
    for recorded in itertools.islice(replay.events(), most):
        replay.apply(recorded, int(recorded.moment))


def test_a_whole_recording_keeps_every_book_whole_uncrossed_and_without_holes(recording):
    market, depths, trades = RECORDINGS.get(str(recording), RECORDINGS["generated"])
    exchange, replay, publisher = replaying(recording)
    assert replay.head.market is market
    play(replay)
    for each in Market:
        follower = publisher.followers[each, BTC]
        pair = exchange.pair(each, BTC)
        assert follower.updates == depths
        assert (follower.book.bids, follower.book.asks) == (pair.book.bids, pair.book.asks)
        numbers = publisher.trades[each, BTC]
        # Trades printed before the snapshot are left out; none is missing after it.
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert trades - 40 < len(numbers) <= trades
        instrument = pair.instrument
        assert all(price % instrument.tick == 0 for price in (*pair.book.bids, *pair.book.asks))
    assert publisher.crossed == 0
    assert replay.malformed == 0


def test_a_loop_starts_over_with_the_first_book_and_numbers_that_go_on(recording):
    _, replay, publisher = replaying(recording)
    first = {market: (dict(one.book.bids), dict(one.book.asks)) for (market, _), one in publisher.followers.items()}
    play(replay, 4000)
    replay.rewind()
    for market in Market:
        book = publisher.followers[market, BTC].book
        assert (book.bids, book.asks) == first[market]
    play(replay, 4000)
    for market in Market:
        numbers = publisher.trades[market, BTC]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_recorded_numbers_and_prices_are_shown_as_they_were(recording):
    recorder = Recorder()
    exchange = Exchange(catalogue(), (), VenueClock(), recorder)
    replay = Replay(recording, exchange.pairs, exchange.clock)
    recorded = [one for one in itertools.islice(replay.events(), 500) if one.kind == "depth"][1]
    play(replay, 500)
    shown = recorder.of(replay.head.market, "depth")[1]
    numbers = {"U", "u", "pu"} if replay.head.market is Market.USDM else {"U", "u"}
    assert {name: shown[name] for name in numbers} == {name: recorded.data[name] for name in numbers}
    assert [list(one) for one in shown["b"]] == recorded.data["b"]


def test_recorded_times_are_moved_to_now_and_keep_their_intervals(recording):
    recorder = Recorder()
    exchange = Exchange(catalogue(), (), VenueClock(), recorder)
    replay = Replay(recording, exchange.pairs, exchange.clock, speed=10)
    started = exchange.clock.milliseconds()

    async def watch() -> None:
        running = asyncio.ensure_future(replay.run())
        while replay.position_seconds < 3:  # noqa: ASYNC110  # what is watched knows of no events
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(watch())
    took = exchange.clock.milliseconds() - started
    stamps = [one["E"] for one in recorder.of(Market.USDM, "trade")]
    assert 250 <= took < 2000
    assert all(started - 20 <= one <= started + took for one in stamps)
    originals = [one.data["E"] for one in itertools.islice(replay.events(), 3000) if one.kind == "trade"][: len(stamps)]
    assert (
        max(abs((new - stamps[0]) * 10 - (old - originals[0])) for new, old in zip(stamps, originals, strict=False))
        <= 20
    )


def capture_file(folder: Path, lines: list[str]) -> Path:
    file = folder / "capture.gz"
    with gzip.open(file, "wt") as out:
        out.write("\n".join(lines) + "\n")
    return file


def tiny_capture(symbol: str = BTC) -> list[str]:
    def depth(first: int, last: int, before: int, bids: list, moment: int) -> str:
        data = {
            "e": "depthUpdate",
            "E": moment,
            "T": moment,
            "s": symbol,
            "U": first,
            "u": last,
            "pu": before,
            "b": bids,
            "a": [],
        }
        return f"{moment * 1_000_000} " + json.dumps({"stream": f"{symbol.lower()}@depth@0ms", "data": data})

    snapshot = {"lastUpdateId": 15, "E": 1000, "T": 1000, "bids": [["100.0", "1"]], "asks": [["100.1", "1"]]}
    return [
        depth(1, 10, 0, [["99.0", "7"]], 900),
        depth(11, 20, 10, [["99.9", "2"]], 1000),
        f"{1000 * 1_000_000} {json.dumps(snapshot)}",
        "not a line of a capture",
        depth(21, 30, 20, [["100.0", "3"]], 1100),
    ]


def test_updates_from_before_the_snapshot_are_dropped_and_bad_lines_counted(tmp_path):
    exchange, replay, publisher = replaying(capture_file(tmp_path, tiny_capture()))
    play(replay)
    pair = exchange.pair(Market.USDM, BTC)
    assert pair.book.bids == {D("100.0"): D(3), D("99.9"): D(2)}
    assert publisher.followers[Market.USDM, BTC].updates == 2
    assert replay.malformed == 1


def test_a_capture_without_loop_ends_and_says_that_the_market_stands_still(tmp_path):
    exchange, _, publisher = replaying(capture_file(tmp_path, tiny_capture()))
    replay = Replay(tmp_path / "capture.gz", exchange.pairs, exchange.clock)
    publisher.followers = {(market, BTC): Follower(exchange, market) for market in Market}
    asyncio.run(replay.run())
    assert replay.state()["standing_still"] is True


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "no depth snapshot"),
        (["1 {}"], "no depth snapshot"),
        (tiny_capture("FOOUSDT"), "FOOUSDT is not a symbol of this venue, which trades BTCUSDT, ETHUSDT"),
    ],
)
def test_what_is_not_a_capture_is_refused_with_the_reason(tmp_path, lines, why):
    with pytest.raises(CaptureError, match=why):
        replaying(capture_file(tmp_path, lines))


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(CaptureError):
        read_head(tmp_path / "nothing.gz")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"1 {}\n" * 1000)[:40])
    with pytest.raises(CaptureError):
        read_head(broken)


def walked(seed: int, steps: int) -> tuple[list, Exchange, Following]:
    recorder = Following()
    exchange = Exchange(catalogue(), (), VenueClock(), recorder)
    walks = [
        Walk([exchange.pair(market, symbol) for market in (Market.USDM, Market.SPOT)], seed=seed)
        for symbol in (BTC, "DOGEUSDT")
    ]
    recorder.followers = {
        (market, symbol): Follower(exchange, market, symbol) for market in Market for symbol in (BTC, "DOGEUSDT")
    }
    seen = []
    for _ in range(steps):
        for walk in walks:
            walk.step(1)
            pair = exchange.pair(Market.USDM, walk._instrument.symbol)
            seen.append((pair.book.mid, pair.last_price, pair.volume))
    return seen, exchange, recorder


def test_the_same_seed_walks_the_same_way_and_another_one_another():
    assert walked(7, 200)[0] == walked(7, 200)[0]
    assert walked(7, 200)[0] != walked(8, 200)[0]


def test_the_walk_keeps_its_books_whole_and_uncrossed_in_both_markets():
    _, exchange, following = walked(3, 400)
    assert following.crossed == 0
    for (market, symbol), follower in following.followers.items():
        pair = exchange.pair(market, symbol)
        assert follower.updates == 400
        assert (follower.book.bids, follower.book.asks) == (pair.book.bids, pair.book.asks)


def test_prices_and_quantities_of_the_walk_lie_on_the_grid():
    _, exchange, _ = walked(3, 50)
    for symbol in (BTC, "DOGEUSDT"):
        pair = exchange.pair(Market.SPOT, symbol)
        for price, quantity in (*pair.book.bids.items(), *pair.book.asks.items()):
            assert price % pair.instrument.tick == 0
            assert quantity % pair.instrument.step == 0


def test_a_flash_move_lifts_the_market_and_takes_it_back_without_a_hole():
    following = Following()
    rig = Rig(recorder=following)
    following.followers = {(market, BTC): Follower(rig.exchange, market) for market in Market}
    pair = rig.pair()
    order = rig.limit(Side.SELL, "0.1", "63000")
    pair.move(D("0.1"))
    assert pair.book.mid == D("66000.1")
    assert order.executed == D("0.1")
    rig.depth(bids=[("59999.0", "2")])  # the feed goes on in its own prices
    assert pair.book.bids[D("65999.0")] == 2
    pair.move(D(0))
    assert pair.book.mid == D("60000.1")
    assert pair.book.bids[D("59999.0")] == 2
    follower = following.followers[Market.USDM, BTC]
    assert (follower.book.bids, follower.book.asks) == (pair.book.bids, pair.book.asks)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 3)), max_size=120))
def test_a_book_always_knows_its_best_prices(changes):
    book = Book()
    for is_bid, price, quantity in changes:
        level = [(D(price), D(quantity))]
        book.apply(level if is_bid else [], [] if is_bid else level)
        assert book.best_bid == max(book.bids, default=None)
        assert book.best_ask == min(book.asks, default=None)
    assert [price for price, _ in book.walk_bids()] == sorted(book.bids, reverse=True)
    assert [price for price, _ in book.walk_asks()] == sorted(book.asks)


def take(subscriber: Subscriber) -> list[dict]:
    return [json.loads(one) for one in subscriber._lines]


def a_stream() -> tuple[MarketStream, Subscriber, tuple[Market, str]]:
    stream, where = MarketStream(VenueClock()), (Market.USDM, BTC)
    subscriber = Subscriber()
    stream.subscribe(subscriber, [(*where, "depth"), (*where, "trade")])
    return stream, subscriber, where


def test_a_stalled_feed_delivers_late_in_order_and_nothing_is_lost():
    stream, subscriber, where = a_stream()
    stream.publish(*where, "depth", "s", {"u": 1})
    stream.stall(where)
    stream.publish(*where, "depth", "s", {"u": 2})
    stream.publish(*where, "trade", "s", {"t": 1})
    latecomer = Subscriber()
    stream.subscribe(latecomer, [(*where, "depth")])
    assert len(take(subscriber)) == 1
    stream.flow(where)
    assert [one["data"] for one in take(subscriber)] == [{"u": 1}, {"u": 2}, {"t": 1}]
    assert take(latecomer) == []


def test_two_stalls_of_one_symbol_end_with_the_last():
    stream, subscriber, where = a_stream()
    stream.stall(where)
    stream.stall(where)
    stream.publish(*where, "depth", "s", {"u": 1})
    stream.flow(where)
    assert take(subscriber) == []
    stream.flow(where)
    assert len(take(subscriber)) == 1


def test_a_gap_loses_depth_updates_only():
    stream, subscriber, where = a_stream()
    stream.drop_depth(where, 2)
    for number in (1, 2, 3):
        stream.publish(*where, "depth", "s", {"u": number})
    stream.publish(*where, "trade", "s", {"t": 1})
    assert [one["data"] for one in take(subscriber)] == [{"u": 3}, {"t": 1}]


def test_a_listener_that_does_not_listen_is_cut_off_and_the_others_are_not():
    stream, where = MarketStream(VenueClock()), (Market.USDM, BTC)
    slow, quick = Subscriber(backlog_bytes=200), Subscriber()
    for one in (slow, quick):
        stream.subscribe(one, [(*where, "trade")])
    for number in range(100):
        stream.publish(*where, "trade", "s", {"t": number})
    assert (slow.cut_off, quick.cut_off) == (True, False)
    assert len(take(quick)) == 100
    assert asyncio.run(slow.lines()) == []
