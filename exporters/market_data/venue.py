"""One venue: its clock, and what it sends that cannot be used."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data.clock import Clock
from exporters.market_data.ticks import VALUES, TickError
from exporters.series import counter

_SOURCE: Final = "the feed"

MALFORMED: Final = counter(
    "market_data_malformed_total", "venue", "rest", "lines", _SOURCE, "Lines that were no message of the stream."
)
BAD_VALUES: Final = counter(
    "market_data_bad_values_total",
    "venue field",
    "rest",
    "messages",
    _SOURCE,
    "Messages that were refused because a value cannot be true: field is price, quantity (NaN, negative, no number), "
    "time or id; they count as malformed too.  A single time that is 10 s off what is known of the venue's clock is "
    "left out of a message that is taken otherwise.",
)
RECONNECTS: Final = counter(
    "market_data_reconnects_total",
    "venue",
    "rest",
    "connections",
    _SOURCE,
    "Times a connection was lost or could not be made.",
)
SERIES: Final = (MALFORMED, BAD_VALUES, RECONNECTS)


@dataclass(slots=True)
class Venue:
    """What all feeds share that have the venue's label."""

    name: str
    clock: Clock
    malformed: int = 0
    reconnects: int = 0
    bad_values: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VALUES, 0))

    def refuse(self, fault: TickError) -> None:
        """A message could not be used."""
        self.malformed += 1
        if fault.value is not None:
            self.bad_values[fault.value] += 1


def families(venues: Iterable[Venue]) -> Iterator[Metric]:
    """What could not be used, and how often a connection was lost."""
    venues = list(venues)
    yield MALFORMED.family(((each.name,), each.malformed) for each in venues)
    yield BAD_VALUES.family(((each.name, field), count) for each in venues for field, count in each.bad_values.items())
    yield RECONNECTS.family(((each.name,), each.reconnects) for each in venues)
