"""A seeded random walk: books, trades and best prices for symbols that no recording drives."""

import asyncio
import random
from collections.abc import Sequence

from sandbox.venue.clock import VenueClock
from sandbox.venue.market.pair import TradingPair

STEP_SECONDS = 0.2
NEAR_LEVELS = 25
FAR_LEVELS = 10
FAR_SPACING = 50
# One standard deviation of the mid per step, as a share of the price: about 0.6 % in an hour.
STEP_DEVIATION = 0.00005
LEVEL_NOTIONAL = (5_000.0, 60_000.0)
TRADE_NOTIONAL = (50.0, 5_000.0)
MOST_TRADES = 3


class Walk:
    """One symbol's walk, shown on every pair given (the perpetual and its spot): the same seed, the same walk."""

    def __init__(self, pairs: Sequence[TradingPair], *, seed: int) -> None:
        self._listings = pairs
        self._instrument = pairs[0].instrument
        self._random = random.Random(f"{seed}:{self._instrument.symbol}")  # noqa: S311  # a walk, not a secret
        tick = self._instrument.tick
        self._deviation = max(0.7, float(self._instrument.start_price / tick) * STEP_DEVIATION)
        self._position = float(self._instrument.start_price / tick)
        self._bids: dict[int, str] = {}
        self._asks: dict[int, str] = {}
        self._step_book()
        for pair in pairs:
            bids = [(self._price(at), quantity) for at, quantity in self._bids.items()]
            pair.load(bids, [(self._price(at), quantity) for at, quantity in self._asks.items()], update_id=1_000_000)

    def step(self, event_ms: int) -> None:
        """Some trades at the touch, then the book moves, then the best prices are told."""
        touch = max(self._bids), min(self._asks)
        for _ in range(self._random.randint(0, MOST_TRADES)):
            buyer_is_maker = self._random.random() < 0.5
            price, quantity = self._price(touch[0 if buyer_is_maker else 1]), self._quantity(*TRADE_NOTIONAL)
            for pair in self._listings:
                pair.trade(price, quantity, buyer_is_maker=buyer_is_maker, event_ms=event_ms)
        bids, asks = self._step_book()
        for pair in self._listings:
            pair.depth(bids, asks, event_ms=event_ms)
            best_bid, best_ask = max(self._bids), min(self._asks)
            pair.ticker(
                (self._price(best_bid), self._bids[best_bid]),
                (self._price(best_ask), self._asks[best_ask]),
                event_ms=event_ms,
            )

    def _step_book(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        lowest = FAR_LEVELS * FAR_SPACING + NEAR_LEVELS + 2
        self._position = max(lowest, self._position + self._random.gauss(0.0, self._deviation))
        centre = round(self._position)
        return self._side(self._bids, _below(centre)), self._side(self._asks, _above(centre))

    def _side(self, levels: dict[int, str], wanted: list[int]) -> list[tuple[str, str]]:
        keep = set(wanted)
        changes = [(self._price(at), "0") for at in levels if at not in keep]
        for at in [one for one in levels if one not in keep]:
            del levels[at]
        for at in wanted:
            # New levels come with a quantity, and a few standing ones change theirs.
            if at not in levels or self._random.random() < 0.1:
                levels[at] = self._quantity(*LEVEL_NOTIONAL)
                changes.append((self._price(at), levels[at]))
        return changes

    def _price(self, ticks: int) -> str:
        return format(ticks * self._instrument.tick, "f")

    def _quantity(self, least: float, most: float) -> str:
        step = self._instrument.step
        notional = self._random.uniform(least, most)
        steps = round(notional / float(self._instrument.start_price * step))
        return format(max(1, steps) * step, "f")


def _below(centre: int) -> list[int]:
    near = [centre - offset for offset in range(1, NEAR_LEVELS + 1)]
    coarse = near[-1] // FAR_SPACING
    return near + [at for at in ((coarse - far) * FAR_SPACING for far in range(1, FAR_LEVELS + 1)) if at > 0]


def _above(centre: int) -> list[int]:
    near = [centre + offset for offset in range(1, NEAR_LEVELS + 1)]
    coarse = near[-1] // FAR_SPACING
    return near + [(coarse + far) * FAR_SPACING for far in range(1, FAR_LEVELS + 1)]


async def walk(walks: Sequence[Walk], clock: VenueClock, *, speed: float = 1.0) -> None:
    """Step every walk in turn for ever, spread over the step so that the loop is never busy for long."""
    pause = STEP_SECONDS / speed / max(1, len(walks))
    while True:
        for one in walks:
            one.step(clock.milliseconds())
            await asyncio.sleep(pause)
