"""One order book, kept from a snapshot and the differences after it, and never guessed across a gap."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data.ticks import Levels, Tick
from exporters.series import counter

RESUBSCRIBES: Final = counter(
    "market_data_resubscribes_total",
    "venue symbol",
    "rest",
    "requests",
    "the feed",
    "Times a book was asked for anew because an update was missed.",
)
SERIES: Final = (RESUBSCRIBES,)

_MOST_PENDING: Final = 2_000
_MOST_LEVELS: Final = 20_000

Side = dict[float, float]


@dataclass(slots=True)
class Book:
    """Price -> quantity for each side, as of update *last*.

    *synchronised* is lost by a gap or a lost connection, and the levels with it: a book that missed an update may be
    wrong anywhere.  Differences that come meanwhile wait for the next snapshot.
    """

    bids: Side = field(default_factory=dict)
    asks: Side = field(default_factory=dict)
    synchronised: bool = False
    updated_ns: int = 0
    last: int = 0
    resubscribes: int = 0
    _joined: bool = False
    _pending: deque[Tick] = field(default_factory=lambda: deque(maxlen=_MOST_PENDING))

    def restore(self, last: int, bids: Levels, asks: Levels, received_ns: int) -> None:
        """Take a snapshot, and what has come since."""
        self.bids, self.asks = _side(bids), _side(asks)
        self.last = last
        self.updated_ns = received_ns
        self.synchronised, self._joined = True, False
        waiting, self._pending = self._pending, deque(maxlen=_MOST_PENDING)
        for tick in waiting:
            self.update(tick, received_ns)

    def update(self, tick: Tick, received_ns: int) -> None:
        """Take a difference; one that does not follow ends ``synchronised``."""
        if not self.synchronised:
            self._pending.append(tick)
            return
        if tick.last <= self.last:
            return
        if not self._follows(tick):
            self.lose()
            self._pending.append(tick)
            return
        _change(self.bids, tick.bids, lowest=True)
        _change(self.asks, tick.asks, lowest=False)
        self.last, self._joined = tick.last, True
        self.updated_ns = received_ns

    def lose(self) -> None:
        """What is held is not the venue's book any more."""
        self.synchronised = False
        self.bids, self.asks = {}, {}
        self._pending.clear()

    def _follows(self, tick: Tick) -> bool:
        if self._joined and tick.previous is not None:
            return tick.previous == self.last
        if self._joined:
            return tick.first == self.last + 1
        # The first after a snapshot may reach back before it.
        return (tick.previous if tick.previous is not None else tick.first - 1) <= self.last


def _side(levels: Levels) -> Side:
    return {price: quantity for price, quantity in levels[:_MOST_LEVELS] if quantity > 0}


def _change(side: Side, levels: Iterable[tuple[float, float]], *, lowest: bool) -> None:
    for price, quantity in levels:
        if quantity > 0:
            side[price] = quantity
        else:
            side.pop(price, None)
    if len(side) > _MOST_LEVELS:  # what is far from the market goes: memory is bounded
        ordered = sorted(side, reverse=not lowest)
        for price in ordered[: len(side) - _MOST_LEVELS // 2]:
            del side[price]


def families(rows: Iterable[tuple[tuple[str, str], Book]]) -> Iterator[Metric]:
    """How often books were asked for anew."""
    yield RESUBSCRIBES.family((labels, book.resubscribes) for labels, book in rows)
