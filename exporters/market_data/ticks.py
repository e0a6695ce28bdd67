"""What a venue says, in our words: a Tick, a Snapshot of a book, or a Pulse.

Times stay integers in nanoseconds, so that receive minus event time is exact; prices and quantities are floats here:
they are shown, not traded on.
"""

import math
import re
from typing import Any, Final, NamedTuple

_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?").fullmatch
_LARGEST: Final = 1e20

STREAMS: Final = ("trade", "depth", "book_ticker")
VALUES: Final = ("price", "quantity", "time", "id")

Levels = tuple[tuple[float, float], ...]


class TickError(ValueError):
    """The line is malformed; the message names the field, without its value.

    *value* is one of VALUES where a field was there and its value cannot be true, such as a price that is no number.
    """

    def __init__(self, message: str, value: str | None = None) -> None:
        super().__init__(message)
        self.value = value


class Tick(NamedTuple):
    """One message; *symbol* as the venue writes it, *event_ns* ``None`` where no time is carried (spot book ticker).

    *first*..*last* are the update ids a depth message covers (for others both are its id) and *previous* the last id
    of the message before it, where the venue says so.  *bid* and *ask* are ``None`` for an empty side and outside
    ``book_ticker``; *price*, *quantity* (base units) and *side* (of the taker) are a trade's; *bids* and *asks* are
    the levels that a depth message sets, price and quantity, a quantity of 0 for a level that is gone.
    """

    stream: str
    symbol: str
    event_ns: int | None
    first: int
    last: int
    previous: int | None
    bid: float | None = None
    ask: float | None = None
    price: float = 0.0
    quantity: float = 0.0
    side: str = ""
    bids: Levels = ()
    asks: Levels = ()


class Snapshot(NamedTuple):
    """A whole book as of update *last*; *symbol* ``None`` where the message does not say whose it is."""

    symbol: str | None
    last: int
    bids: Levels
    asks: Levels


class Pulse(NamedTuple):
    """A ping of the stream, with the venue's time when it says it."""

    event_ns: int | None


def number_of(value: Any) -> float | None:
    """A decimal string or a JSON number that is finite and not negative; ``None`` for anything else."""
    if type(value) is str:
        return float(value) if _DECIMAL(value) is not None else None
    if (type(value) is float or type(value) is int) and 0 <= value < _LARGEST and math.isfinite(value):
        return float(value)
    return None
