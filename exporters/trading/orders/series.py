"""The series about orders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.buckets import Buckets
from exporters.series import counter, gauge, histogram
from exporters.trading.events import INITIATORS
from exporters.trading.keys import BOOK, INSTRUMENT, InstrumentKey, StrategyKey
from exporters.trading.orders.ledger import Ledger
from exporters.trading.orders.rate import OrderRate

OTHER: Final = "other"
_MAX_CODES: Final = 8
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


@dataclass(slots=True)
class Counts:
    """The orders of one instrument since the start of the process.

    *parented*: it is known to use parent orders, so no active parent means a ratio of 0 and not an unknown one.
    """

    sent: int = 0
    acknowledged: int = 0
    modifies: int = 0
    cancels_sent: int = 0
    parents: int = 0
    rejected: dict[str, int] = field(default_factory=lambda: {OTHER: 0})
    cancelled: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INITIATORS, 0))
    parented: bool = False

    def reject(self, code: str) -> None:
        """The venue refused one; a code for which there is no room counts as ``other``."""
        if code not in self.rejected and len(self.rejected) >= _MAX_CODES:
            code = OTHER
        self.rejected[code] = self.rejected.get(code, 0) + 1


ORDERS_SENT: Final = counter(
    "trading_orders_sent_total", INSTRUMENT, "rest", "orders", "`order_sent` events", "Orders that left the engine."
)
MESSAGES: Final = counter(
    "trading_messages_total",
    f"{BOOK} kind",
    "rest",
    "messages",
    "`order_sent`, `modify_sent`, `cancel_sent` events",
    "Messages sent to the venue; kind is submit, modify or cancel.",
)
ORDER_RATE: Final = gauge(
    "trading_orders_per_second",
    BOOK,
    "kill",
    "orders a second",
    "`order_sent` events",
    "The most orders a second that were sent within any two seconds, by the events' own time; of the two seconds that "
    "an order came into lately (the last 2 to 4 s). A late delivery is no burst, and a burst of a new symbol is one.",
)
CHILD_PARENT: Final = gauge(
    "trading_child_parent_ratio",
    BOOK,
    "kill",
    "ratio (above 1 is a fault)",
    "`parent_order`, `order_sent`, `fill`, `order_cancelled`, `order_rejected` events",
    "Child quantity that is working or filled over the parent's quantity; the highest of the strategy's parents with "
    "an event in the last 10 minutes, 0 when there was none.",
)
ACKNOWLEDGED: Final = counter(
    "trading_orders_acknowledged_total",
    INSTRUMENT,
    "rest",
    "orders",
    "`order_acknowledged` events",
    "Orders the venue took.",
)
REJECTED: Final = counter(
    "trading_orders_rejected_total",
    f"{INSTRUMENT} code",
    "rest",
    "orders",
    "`order_rejected` events",
    "Orders the venue refused; at most 8 codes each, what is beyond counts as `other`.",
)
CANCELS_SENT: Final = counter(
    "trading_cancels_sent_total",
    INSTRUMENT,
    "rest",
    "requests",
    "`cancel_sent` events",
    "Cancels that left the engine.",
)
CANCELLED: Final = counter(
    "trading_orders_cancelled_total",
    f"{INSTRUMENT} initiator",
    "rest",
    "orders",
    "`order_cancelled` events",
    "Orders confirmed cancelled; initiator is engine, venue or kill.",
)
PARENTS: Final = counter(
    "trading_parent_orders_total", INSTRUMENT, "rest", "orders", "`parent_order` events", "Parent orders decided."
)
ORPHANS: Final = counter(
    "trading_child_orders_without_parent_total",
    INSTRUMENT,
    "rest",
    "orders",
    "`order_sent` events",
    "Child orders that named a parent nobody had announced; the child/parent ratio cannot know them.",
)
ORDERS_OPEN: Final = gauge(
    "trading_orders_open",
    INSTRUMENT,
    "rest",
    "orders",
    "order events",
    "Orders sent and not known to be filled, cancelled or rejected.",
)
ACK_SECONDS: Final = histogram(
    "trading_order_acknowledgement_seconds",
    BOOK,
    "rest",
    "seconds",
    "`order_sent`, `order_acknowledged` events",
    "Time from sending an order to the venue's acknowledgement, both by the engine's clock.",
)
FORGOTTEN: Final = counter(
    "trading_orders_forgotten_total",
    "kind",
    "rest",
    "orders",
    "the exporter itself",
    "Open orders and parents dropped because memory is bounded; ratios and counts of open orders are low from then on.",
)
SERIES: Final = (
    ORDER_RATE,
    CHILD_PARENT,
    ORDERS_SENT,
    MESSAGES,
    ACKNOWLEDGED,
    REJECTED,
    CANCELS_SENT,
    CANCELLED,
    PARENTS,
    ORPHANS,
    ORDERS_OPEN,
    ACK_SECONDS,
    FORGOTTEN,
)

Instruments = Iterable[tuple[InstrumentKey, Counts]]


def activity(
    instruments: Instruments, rates: Iterable[tuple[StrategyKey, OrderRate]], ledger: Ledger, now: float
) -> Iterator[Metric]:
    """How fast each strategy sends, and its worst child/parent ratio."""
    yield ORDER_RATE.family((key, each.per_second(now)) for key, each in rates)
    worst = {key[:3]: _ZERO for key, each in instruments if each.parented}
    unknown = set()
    for key, ratio in ledger.worst_ratios(now).items():
        if ratio is None:
            unknown.add(key[:3])
        elif ratio > worst.get(key[:3], -_ONE):
            worst[key[:3]] = ratio
    yield CHILD_PARENT.family((key, float(each)) for key, each in worst.items() if each or key not in unknown)


def orders(
    instruments: Instruments, acknowledgements: Iterable[tuple[StrategyKey, Buckets]], ledger: Ledger
) -> Iterator[Metric]:
    """What became of the orders."""
    known = list(instruments)
    strategies = list(acknowledgements)
    yield ORDERS_SENT.family((key, each.sent) for key, each in known)
    yield MESSAGES.family(_messages(known, (key for key, _ in strategies)).items())
    yield ACKNOWLEDGED.family((key, each.acknowledged) for key, each in known)
    yield REJECTED.family(((*key, code), n) for key, each in known for code, n in each.rejected.items())
    yield CANCELS_SENT.family((key, each.cancels_sent) for key, each in known)
    yield CANCELLED.family(((*key, who), n) for key, each in known for who, n in each.cancelled.items())
    yield PARENTS.family((key, each.parents) for key, each in known)
    yield ORPHANS.family((key, ledger.orphans.get(key, 0)) for key, _ in known)
    counts = ledger.open_per_instrument()
    yield ORDERS_OPEN.family((key, counts.get(key, 0)) for key, _ in known)
    yield ACK_SECONDS.histogram(strategies)
    yield FORGOTTEN.family([(("open_order",), ledger.forgotten_orders), (("parent_order",), ledger.forgotten_parents)])


def _messages(known: Instruments, strategies: Iterable[StrategyKey]) -> dict[tuple[str, str, str, str], int]:
    found = {(*key, kind): 0 for key in strategies for kind in ("submit", "modify", "cancel")}
    for key, each in known:
        for kind, count in (("submit", each.sent), ("modify", each.modifies), ("cancel", each.cancels_sent)):
            found[(*key[:3], kind)] += count
    return found
