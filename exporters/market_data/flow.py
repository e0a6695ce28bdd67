"""One stream of one symbol: when it last moved, and how much came in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data.sequence import Sequence
from exporters.series import counter, gauge

_NS: Final = 1_000_000_000
_LABELS: Final = "venue symbol stream"
_SOURCE: Final = "the feed"

LAST_EVENT: Final = gauge(
    "market_data_last_event_timestamp_seconds",
    _LABELS,
    "kill",
    "seconds since the epoch, venue's clock",
    _SOURCE,
    "Event time of the last message; absent for a stream that carries none (spot book_ticker).",
)
LAST_RECEIVED: Final = gauge(
    "market_data_last_received_timestamp_seconds",
    _LABELS,
    "kill",
    "seconds since the epoch",
    _SOURCE,
    "When the last message arrived.",
)
WAITING_SINCE: Final = gauge(
    "market_data_waiting_since_timestamp_seconds",
    _LABELS,
    "kill",
    "seconds since the epoch",
    "the exporter itself",
    "Since when a configured stream is followed of which nothing has ever arrived; shown after first_message_seconds "
    "(30), until something arrives; not for a symbol that the venue does not list.",
)
MESSAGES: Final = counter("market_data_messages_total", _LABELS, "rest", "messages", _SOURCE, "Messages taken in.")
SERIES: Final = (LAST_EVENT, LAST_RECEIVED, WAITING_SINCE, MESSAGES)


@dataclass(slots=True)
class Flow:
    """*labels* are venue, symbol and stream; times are nanoseconds since the epoch, 0 for never.

    *since_ns* is when the stream was first followed.
    """

    labels: tuple[str, str, str]
    sequence: Sequence
    since_ns: int
    messages: int = 0
    event_ns: int = 0
    received_ns: int = 0


def freshness(flows: Iterable[Flow], waiting: Iterable[Flow]) -> Iterator[Metric]:
    """When each stream last moved, and since when those are *waiting* of which nothing came."""
    flows = list(flows)
    yield LAST_EVENT.family((each.labels, each.event_ns / _NS) for each in flows if each.event_ns)
    yield LAST_RECEIVED.family((each.labels, each.received_ns / _NS) for each in flows if each.received_ns)
    yield WAITING_SINCE.family((each.labels, each.since_ns / _NS) for each in waiting)


def messages(flows: Iterable[Flow]) -> Iterator[Metric]:
    """How much came in."""
    yield MESSAGES.family((each.labels, each.messages) for each in flows)
