"""A small recording, as Binance's streams make one: of the venue's own random walk, with a price of its own."""

import gzip
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Instrument, Market, catalogue
from sandbox.venue.market.pair import TradingPair
from sandbox.venue.market.random_walk import Walk

BEGAN_MS = 1_723_161_256_000
STEP_MS = 200


class Recorder:
    """Writes what a pair publishes as lines of a capture; nobody's orders meet it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def publish(self, _market: Market, _symbol: str, _kind: str, stream: str, data: dict[str, Any]) -> None:
        self.line(data["E"], {"stream": stream, "data": data})

    def line(self, moment_ms: int, content: dict[str, Any]) -> None:
        self.lines.append(f"{moment_ms * 1_000_000} {json.dumps(content)}")

    def on_book(self, _pair: TradingPair) -> None: ...

    def on_trade(self, _pair: TradingPair, _price: Decimal, _quantity: Decimal, *, buyer_is_maker: bool) -> None: ...


def write_recording(file: Path, symbol: str, *, price: str, seconds: float = 2.0, seed: int = 1) -> Path:
    """Record *symbol*'s perpetual for so long; *price* is where it starts, unlike the walk of a venue."""
    instrument = replace(catalogue()[Market.USDM].get(symbol) or unlisted(symbol), start_price=Decimal(price))
    recorder = Recorder()
    pair = TradingPair(instrument, VenueClock(), recorder, recorder)
    walk = Walk([pair], seed=seed)
    bids, asks = pair.snapshot()
    snapshot = {"lastUpdateId": pair.last_update_id, "E": BEGAN_MS, "T": BEGAN_MS, "bids": bids, "asks": asks}
    recorder.line(BEGAN_MS, snapshot)
    for step in range(int(seconds * 1000 / STEP_MS)):
        walk.step(BEGAN_MS + step * STEP_MS)
    with gzip.open(file, "wt") as out:
        out.write("\n".join(recorder.lines) + "\n")
    return file


def unlisted(symbol: str) -> Instrument:
    """A perpetual that the venue does not have."""
    return replace(catalogue()[Market.USDM]["ETHUSDT"], symbol=symbol, base=symbol.removesuffix("USDT"))
