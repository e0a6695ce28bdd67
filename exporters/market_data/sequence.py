"""Is the chain of messages whole?  By the rules the venue gives for each stream and market."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from exporters.market_data.ticks import Tick

CHAINED: Final = ("trade", "depth")
"""The streams whose ids must follow each other; those of book_ticker only rise, so no gap can be seen there."""


class Link(Enum):
    """How a message joins the ones before it."""

    FIRST = "first"
    NEXT = "next"
    GAP = "gap"
    OUT_OF_ORDER = "out of order"


@dataclass(slots=True)
class Chain:
    """The messages of one stream of one symbol; *last* is the highest id seen since the stream was joined.

    depth, futures: ``pu`` must be the last ``u``.  depth, spot: ``U`` must be the last ``u`` + 1.  trade: ids count
    up by one. book_ticker: ids only rise, so a gap cannot be seen.
    """

    last: int | None = None

    def join(self, tick: Tick) -> tuple[Link, int]:
        """Take *tick* in: how it joins, and how many ids are missing before it."""
        last = self.last
        if last is None:
            self.last = tick.last
            return Link.FIRST, 0
        if tick.last < last or (tick.last == last and tick.stream != "book_ticker"):
            return Link.OUT_OF_ORDER, 0
        self.last = tick.last
        if tick.stream == "book_ticker":
            return Link.NEXT, 0
        if tick.previous is not None:
            return (Link.NEXT, 0) if tick.previous == last else (Link.GAP, max(0, tick.previous - last))
        return (Link.NEXT, 0) if tick.first == last + 1 else (Link.GAP, max(0, tick.first - last - 1))

    def leave(self) -> None:
        """The connection was lost: what is missed until the next message is a reconnect and not a gap."""
        self.last = None
