"""The exporters: events from a file to the page, memory over many events, and a page of 10,000 series.

``ANDON_BENCH_EVENTS`` is how many events the memory part feeds: 500,000 unless given; the promise is for 10,000,000.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson
import psutil
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from exporters import logs
from exporters.serve import application
from exporters.settings import ExpectedStrategy, TradingSettings
from exporters.trading import exporter as trading
from exporters.trading.settings import EventsIntake, TradingLimits
from tests.bench.tables import Report, Row

FILE_EVENTS = 200_000
RUNS = 3
SCRAPES = 30
ACCEPT = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2",
    "Accept-Encoding": "gzip",
}
PLACE = {"engine": "bench", "venue": "sandbox", "account": "mm", "strategy": "mm-btc", "symbol": "BTC/USDT:USDT"}


def bench(folder: Path) -> list[Report]:
    """All three parts."""
    logs.configure("error")
    events = int(os.environ.get("ANDON_BENCH_EVENTS", "500000"))
    return [memory(folder, events), from_file_to_metrics(folder), scrapes()]


def lines(count: int, session: str = "s") -> Iterator[bytes]:
    """A mix as an engine makes it: orders acknowledged, filled or cancelled, some left open; positions and equity."""
    started = time.time() - 60
    for seq in range(count):
        number, part = divmod(seq, 4)
        order = {"client_order_id": f"mm-btc_{session}{number}"}
        if part == 0:
            parent = f"p{session}{number // 50}"
            fields = {"type": "order_sent", "side": "buy", "order_type": "limit", "quantity": "0.010",
                      "price": "60000.1", "parent_id": parent, "arrival_mid": "60000.05", **order}  # fmt: skip
        elif part == 1:
            fields = {"type": "order_acknowledged", "order_id": str(number), **order}
        elif part == 2:
            fields = {"type": "cancel_sent", **order} if number % 2 else _state(number, session)
        elif number % 2:
            fields = {"type": "order_cancelled", "remaining_quantity": "0.010", **order}
        else:
            fields = {"type": "fill", "trade_id": f"t{number}", "side": "buy", "price": "60000.2",
                      "quantity": "0.004" if number % 10 == 4 else "0.010",
                      "fee": "0.12", "fee_currency": "USDT", "liquidity": "maker", **order}  # fmt: skip
        happened = datetime.fromtimestamp(started + seq * 50 / count, UTC).isoformat(timespec="microseconds")
        yield orjson.dumps(
            {"v": 1, "time": happened.replace("+00:00", "Z"), "session": session, "seq": seq + 1, **PLACE, **fields}
        )


def _state(number: int, session: str) -> dict[str, object]:
    if number % 50 == 0:
        return {"type": "parent_order", "parent_id": f"p{session}{number // 50}", "side": "buy", "quantity": "1"}
    if number % 3 == 0:
        return {"type": "position", "quantity": "0.5", "mark_price": "60000.1", "currency": "USDT"}
    if number % 3 == 1:
        return {"type": "equity", "currency": "USDT", "equity": f"{100_000 + number % 997}", "net_deposits": "0",
                "margin_balance": "100000", "maintenance_margin": "120"}  # fmt: skip
    return {"type": "heartbeat", "state": "running"}


def from_file_to_metrics(folder: Path) -> Report:
    """A followed file, read to its end by the exporter as it is built; and the state that it writes meanwhile."""
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(lines(FILE_EVENTS)) + b"\n")
    rates, processor = [], []
    for run in range(RUNS):
        settings = TradingSettings(state_file=folder / f"state{run}.json", events=EventsIntake(files=(path,)))
        made = trading.build(settings)
        collect = partial(_collect, made)
        began, worked = time.perf_counter(), time.process_time()
        for source in made.sources:
            source.start()
        while collect() < FILE_EVENTS:
            assert time.perf_counter() - began < 120, "the file was not read"
            time.sleep(0.05)
        took, work = time.perf_counter() - began, time.process_time() - worked
        for source in reversed(made.sources):
            source.stop()
        rates.append(FILE_EVENTS / took)
        processor.append(work / FILE_EVENTS * 1e6)
    return Report(
        f"Event path: a file of {FILE_EVENTS:,} events, to the series that count them",
        [Row("one event, all threads of the process", processor, "us of CPU", 20, 1.0)],
        [
            f"events per second by the clock: {', '.join(f'{rate:,.0f}' for rate in rates)} (goal: 50,000 on one core)",
            "20 us of CPU an event is 50,000 a second on one core, whatever else the machine does",
        ],
    )


def _collect(made: trading.Exporter) -> float:
    """How many events the series say were taken in."""
    events = next(each for each in made.collectors if each.name == "events")
    return sum(
        sample.value for family in events.read() for sample in family.samples if sample.name == "trading_events_total"
    )


def memory(folder: Path, events: int) -> Report:
    """Resident memory when everything bounded is full, and at the end; every order, parent and session is a new one."""
    limits = TradingLimits(parents=1_000, open_orders=1_000, sessions=100)
    made = trading.build(TradingSettings(state_file=folder / "memory.json", limits=limits))
    intake = made.sources[0]._intake
    process, at_once = psutil.Process(), 2_000
    after: list[float] = []
    while (done := len(after) * at_once) < events:
        receipt = intake.feed(list(lines(at_once, f"s{done}")), "file")
        assert receipt.accepted == at_once, receipt
        after.append(process.memory_info().rss / 2**20)
    warm = after[min(150, len(after) - 1)]  # 300,000 events: every bounded collection is full by then
    return Report(
        f"Memory over {events:,} events (ANDON_BENCH_EVENTS), {len(after):,} sessions, new ids throughout",
        [
            Row("resident memory after 300,000 events", [warm], "MiB"),
            Row("growth from there to the end", [after[-1] - warm], "MiB", 16, 1.0),
        ],
    )


def scrapes() -> Report:
    """Pages of an exporter with more than 10,000 series, over HTTP."""
    strategies = tuple(
        ExpectedStrategy(
            name=f"s{number}", engine="bench", venue="sandbox", account="mm",
            symbols=tuple(f"C{symbol}/USDT:USDT" for symbol in range(6)),
        )
        for number in range(80)
    )  # fmt: skip
    made = trading.build(TradingSettings(strategies=strategies))
    took, kill, series = asyncio.run(_scrape(made))
    return Report(
        f"Scrape of {series:,} series over HTTP, in one process with the one who asks",
        [
            Row("/metrics", took, "ms", 150, 0.9),
            Row("/metrics?set=kill", kill, "ms"),
        ],
    )


async def _scrape(made: trading.Exporter) -> tuple[list[float], list[float], int]:
    async with TestServer(application(made)) as server, ClientSession() as session:
        found: dict[str, list[float]] = {"/metrics": [], "/metrics?set=kill": []}
        body = b""
        for path, took in found.items():
            for number in range(SCRAPES + 3):
                began = time.perf_counter()
                async with session.get(server.make_url(path), headers=ACCEPT) as answer:
                    text = await answer.read()
                if number >= 3:
                    took.append((time.perf_counter() - began) * 1000)
            body = body or text
        series = sum(not line.startswith(b"#") for line in body.splitlines())
        assert series >= 10_000, series
        return found["/metrics"], found["/metrics?set=kill"], series
