"""Whether the messages of a stream are all there, by the rules the venue gives for each stream and market."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data.ticks import Tick
from exporters.series import counter

_LABELS: Final = "venue symbol stream"
_SOURCE: Final = "the feed"

GAPS: Final = counter(
    "market_data_sequence_gaps_total",
    _LABELS,
    "kill",
    "gaps",
    _SOURCE,
    "Breaks in the sequence: depth by pu (futures) or U (spot), trade by trade id; a reconnect is none.",
)
MISSING: Final = counter(
    "market_data_missing_updates_total",
    _LABELS,
    "rest",
    "ids (depth: update ids, trade: trades)",
    _SOURCE,
    "Ids that the gaps left out.",
)
OUT_OF_ORDER: Final = counter(
    "market_data_out_of_order_total",
    _LABELS,
    "rest",
    "messages",
    _SOURCE,
    "Messages at or before one that was already seen; they change no state.",
)
SERIES: Final = (GAPS, MISSING, OUT_OF_ORDER)

CHAINED: Final = ("trade", "depth")
"""The streams whose ids must follow each other; those of book_ticker only rise, so no gap can be seen there."""


class Link(Enum):
    """How a message joins the ones before it."""

    FIRST = "first"
    NEXT = "next"
    GAP = "gap"
    OUT_OF_ORDER = "out of order"


@dataclass(slots=True)
class Sequence:
    """The messages of one stream of one symbol; *last* is the highest id seen since the stream was joined.

    depth, futures: ``pu`` must be the last ``u``.  depth, spot: ``U`` must be the last ``u`` + 1.  trade: ids count
    up by one.  book_ticker: ids only rise.  *shows_gaps*: the stream is such that a gap can be seen, and
    *shows_missing*, how long it is.
    """

    shows_gaps: bool = True
    shows_missing: bool = True
    gaps: int = 0
    missing: int = 0
    out_of_order: int = 0
    last: int | None = None

    def join(self, tick: Tick) -> Link:
        """Take *tick* in, and count what is wrong with its place."""
        last = self.last
        if last is None:
            self.last = tick.last
            return Link.FIRST
        if tick.last < last or (tick.last == last and tick.stream != "book_ticker"):
            self.out_of_order += 1
            return Link.OUT_OF_ORDER
        self.last = tick.last
        before = tick.first - 1 if tick.previous is None else tick.previous
        if before == last or tick.stream == "book_ticker":
            return Link.NEXT
        self.gaps += 1
        self.missing += max(0, before - last)
        return Link.GAP

    def leave(self) -> None:
        """The connection was lost: what is missed until the next message is a reconnect and not a gap."""
        self.last = None


Rows = Iterable[tuple[tuple[str, ...], Sequence]]


def gaps(rows: Rows) -> Iterator[Metric]:
    """What kill rules look at."""
    yield GAPS.family((labels, each.gaps) for labels, each in rows if each.shows_gaps)


def losses(rows: Rows) -> Iterator[Metric]:
    """How much the gaps left out, and what came too late."""
    rows = list(rows)
    yield MISSING.family((labels, each.missing) for labels, each in rows if each.shows_missing)
    yield OUT_OF_ORDER.family((labels, each.out_of_order) for labels, each in rows)
