"""CPU time of a scrape of thousands of market data series, and of a second's measuring: run this file."""

import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from prometheus_client.exposition import choose_encoder

from exporters.market_data.exporter import build
from exporters.market_data.settings import MarketDataSettings, MarketLimits, Measure, NdjsonFeed
from exporters.market_data.sources.binance import parse
from exporters.market_data.ticks import Snapshot
from exporters.scrape import Exposed, Scrape

ROUNDS = 20


def filled(symbols, books, levels):
    """An exporter that never connects, with so many symbols in it and books of so many levels a side."""
    names = tuple(f"C{number}/USDT:USDT" for number in range(symbols))
    feed = NdjsonFeed(source="ndjson", venue="v", url="http://127.0.0.1:1", symbols=names, status_path="/s")
    limits = MarketLimits(symbols=symbols, books=books)
    lasting = Measure(book_stale_seconds=3600, move_windows=("1h", "2h", "3h"))  # on a busy machine nothing grows old
    made = build(MarketDataSettings(feeds=(feed,), limits=limits, measure=lasting, expire_seconds=3600))
    inside, sampler = made.sources[0]._feed, made.sources[-1]
    for seconds_ago in (2, 1, 0):
        now = time.time_ns() - seconds_ago * 1_000_000_000
        stamp = now // 1_000_000
        for number in range(symbols):
            best = (
                f'{{"stream":"c{number}usdt@bookTicker",'
                f'"data":{{"E":{stamp},"u":7,"b":"100","B":"1","a":"100.1","A":"1"}}}}'
            )
            trade = f'{{"stream":"c{number}usdt@trade","data":{{"E":{stamp},"t":7,"p":"100","q":"1","m":true}}}}'
            for line in (best, trade):
                inside.observe(parse(line.encode()), now)
            bids = tuple((100 - level / 1000, 1.0) for level in range(levels))
            asks = tuple((100.1 + level / 1000, 1.0) for level in range(levels))
            inside.restore(Snapshot(f"C{number}USDT", 1, bids, asks), now)
        sampler.sample()
    return made, sampler


def page(made, subset):
    scrape = Scrape(made.name, made.collectors)
    encode, _ = choose_encoder("text/plain; version=0.0.4")
    took = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        body = encode(Exposed(scrape.families(subset)))
        took.append((time.thread_time() - began) * 1000)
    count = sum(not line.startswith(b"#") for line in body.splitlines())
    print(f"  set={subset or 'all':4}  {count:6} series  p50 {median(took):6.1f} ms  max {max(took):6.1f} ms")


def main():
    for symbols, books in ((10, 10), (160, 100), (500, 100)):
        print(f"{symbols} symbols, {books} books of 2 x 1,000 levels")
        made, sampler = filled(symbols, books, 1000)
        for subset in (None, "kill", "rest"):
            page(made, subset)
        began = time.thread_time()
        sampler.sample()
        print(f"  one second's measuring: {(time.thread_time() - began) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
