"""CPU time of a scrape of thousands of market data series, and of a second's measuring."""

import time
from pathlib import Path

from prometheus_client.exposition import choose_encoder

from exporters.market_data.exporter import build
from exporters.market_data.settings import MarketDataSettings, MarketLimits, Measure, NdjsonFeed
from exporters.market_data.sources.binance import parse
from exporters.market_data.ticks import Snapshot
from exporters.scrape import Exposed, Scrape
from tests.bench.tables import Report, Row

ROUNDS = 20
LEVELS = 1000


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


def bench(_: Path) -> list[Report]:
    """A usual exporter, a large one, and one above its default bounds."""
    return [measured(symbols, books) for symbols, books in ((10, 10), (160, 100), (500, 100))]


def measured(symbols: int, books: int) -> Report:
    """Scrapes of each set of series and one second's measuring, in milliseconds of CPU."""
    made, sampler = filled(symbols, books, LEVELS)
    report = Report(f"Market data of {symbols} symbols, {books} books of 2 x {LEVELS:,} levels (CPU time)")
    for subset in (None, "kill", "rest"):
        took, series = scrapes(made, subset)
        report.rows.append(Row(f"scrape of {series:,} series, set={subset or 'all'}", took))
    began = time.thread_time()
    sampler.sample()
    report.rows.append(Row("one second's measuring", [(time.thread_time() - began) * 1000]))
    return report


def scrapes(made, subset):
    """Milliseconds of each scrape, and how many series it has."""
    scrape = Scrape(made.name, made.collectors)
    encode, _ = choose_encoder("text/plain; version=0.0.4")
    took, body = [], b""
    for _ in range(ROUNDS):
        began = time.thread_time()
        body = encode(Exposed(scrape.families(subset)))
        took.append((time.thread_time() - began) * 1000)
    return took, sum(not line.startswith(b"#") for line in body.splitlines())
