"""The series about how well a strategy trades.

Everything is by the events' own times, so that a replay gives the same numbers.  The memory of an instrument does not
grow with its orders.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge, histogram
from exporters.trading.keys import BOOK, IN_CURRENCY, MONEY, Currencies, InstrumentKey, StrategyKey
from exporters.trading.quality.inventory import Inventory
from exporters.trading.quality.session import Session
from exporters.trading.quality.slippage import Slippage
from exporters.trading.quality.windows import Window

_ZERO: Final = Decimal(0)
_MID: Final = "`fill` events with `arrival_mid`, else that of the order or its parent"


@dataclass(slots=True)
class Quality:
    """One instrument: what was sent in the window and what of it was filled, and the session; *price* is the last."""

    sent: Window = field(default_factory=Window)
    filled: Window = field(default_factory=Window)
    session: Session = field(default_factory=Session)
    price: Decimal | None = None

    def dump(self) -> list[Any] | None:
        """As plain JSON; ``None`` while nothing is known."""
        if self.price is None and not self.session.orders and not self.session.trades:
            return None
        price = None if self.price is None else str(self.price)
        return [self.sent.dump(), self.filled.dump(), price, self.session.dump()]

    def restore(self, saved: Any, *, same_window: bool) -> None:
        """Take in what ``dump`` gave; windows of another length begin anew."""
        sent, filled, price, session = saved
        if same_window:
            self.sent.restore(sent)
            self.filled.restore(filled)
        self.price = None if price is None else Decimal(price)
        self.session = Session.restored(session)


@dataclass(slots=True)
class Execution:
    """One strategy: when it last sent, was answered and traded (0: never), its inventory by currency, its slippage."""

    last_order: float = 0.0
    last_acknowledgement: float = 0.0
    last_fill: float = 0.0
    inventory: dict[str, Inventory] = field(default_factory=dict)
    slippage: Slippage = field(default_factory=Slippage)

    def dump(self) -> list[Any]:
        """As plain JSON."""
        inventory = {currency: held.dump() for currency, held in self.inventory.items()}
        return [self.last_order, self.last_acknowledgement, self.last_fill, inventory]

    def restore(self, saved: Any, *, same_window: bool) -> None:
        """Take in what ``dump`` gave."""
        order, acknowledgement, fill, inventory = saved
        self.last_order, self.last_acknowledgement, self.last_fill = float(order), float(acknowledgement), float(fill)
        for currency, held in inventory.items():
            self.inventory[currency] = Inventory.restored(held, same_window=same_window)


SLIPPAGE: Final = histogram(
    "trading_slippage_ratio",
    BOOK,
    "rest",
    "ratio, signed",
    _MID,
    "side x (price - arrival mid) / arrival mid of each fill; positive is a cost. Fills without arrival mid are not "
    "counted. No sum, as it may fall.",
)
SLIPPAGE_NOTIONAL: Final = counter(
    "trading_slippage_notional_total",
    MONEY,
    "rest",
    IN_CURRENCY,
    _MID,
    "What the measured fills were worth at their arrival mid.",
)
SLIPPAGE_COST: Final = counter(
    "trading_slippage_cost_total",
    MONEY,
    "rest",
    IN_CURRENCY,
    _MID,
    "What fills worse than their arrival mid cost. Cost less gain over trading_slippage_notional_total is the slippage "
    "weighted by quantity.",
)
SLIPPAGE_GAIN: Final = counter(
    "trading_slippage_gain_total",
    MONEY,
    "rest",
    IN_CURRENCY,
    _MID,
    "What fills better than their arrival mid won.",
)
FILL_RATIO: Final = gauge(
    "trading_fill_ratio",
    BOOK,
    "rest",
    "ratio 0-1",
    "`order_sent`, `modify_sent`, `fill` events",
    "Of the quantity sent in the window, what was filled since; several symbols are added up at their last prices and "
    "contract sizes, and of several quote currencies the lowest is shown.",
)
TURNOVER: Final = gauge(
    "trading_inventory_turnover_ratio",
    BOOK,
    "rest",
    "ratio",
    "`fill`, `position` events",
    "Notional traded in the window over the mean gross notional held in it (over time); the highest of the currencies. "
    "Absent where nothing was held.",
)
ORDER_TO_TRADE: Final = gauge(
    "trading_order_to_trade_ratio",
    "venue account strategy symbol by",
    "rest",
    "ratio",
    "order events",
    "Orders per transaction less 1 in the session (the day), by number and by volume (RTS 9): submissions, "
    "modifications and cancellations over fills. Cancels of the kill are left out.",
)
LAST_ORDER: Final = gauge(
    "trading_last_order_timestamp_seconds",
    BOOK,
    "rest",
    "seconds since the epoch",
    "`order_sent` events",
    "When the strategy last sent an order.",
)
LAST_ACKNOWLEDGEMENT: Final = gauge(
    "trading_last_acknowledgement_timestamp_seconds",
    BOOK,
    "rest",
    "seconds since the epoch",
    "`order_acknowledged` events",
    "When the venue last took an order of the strategy.",
)
LAST_FILL: Final = gauge(
    "trading_last_fill_timestamp_seconds",
    BOOK,
    "rest",
    "seconds since the epoch",
    "`fill` events",
    "When the strategy last traded.",
)
SERIES: Final = (
    SLIPPAGE,
    SLIPPAGE_NOTIONAL,
    SLIPPAGE_COST,
    SLIPPAGE_GAIN,
    FILL_RATIO,
    TURNOVER,
    ORDER_TO_TRADE,
    LAST_ORDER,
    LAST_ACKNOWLEDGEMENT,
    LAST_FILL,
)


def quality(
    instruments: Iterable[tuple[InstrumentKey, Quality, Decimal]],
    strategies: Iterable[tuple[StrategyKey, Execution]],
    slot_seconds: int,
    now: float,
) -> Iterator[Metric]:
    """Fill ratio, turnover, order-to-trade ratio, slippage, the last times; an instrument comes with its multiplier."""
    known = list(instruments)
    executions = list(strategies)
    sent: dict[StrategyKey, list[tuple[str, Quality, Decimal]]] = {}
    for key, each, multiplier in known:
        sent.setdefault(key[:3], []).append((key[3], each, multiplier))
    slot = int(now // slot_seconds)
    ratios = ((key, _fill_ratio(each, slot)) for key, each in sent.items())
    yield FILL_RATIO.family((key, ratio) for key, ratio in ratios if ratio is not None)
    turnovers = (
        (key, [held.turnover(now, slot_seconds) for held in each.inventory.values()]) for key, each in executions
    )
    yield TURNOVER.family(
        (key, max(said)) for key, found in turnovers if (said := [each for each in found if each is not None])
    )
    sessions = (
        ((*key, by), ratio)
        for key, each, _ in known
        for by, ratio in (("number", each.session.by_number(now)), ("volume", each.session.by_volume(now)))
    )
    yield ORDER_TO_TRADE.family((key, ratio) for key, ratio in sessions if ratio is not None)
    yield LAST_ORDER.family((key, each.last_order) for key, each in executions if each.last_order)
    yield LAST_ACKNOWLEDGEMENT.family(
        (key, each.last_acknowledgement) for key, each in executions if each.last_acknowledgement
    )
    yield LAST_FILL.family((key, each.last_fill) for key, each in executions if each.last_fill)
    yield SLIPPAGE.histogram((key, each.slippage.ratios) for key, each in executions)
    costs = [((*key, money), cost) for key, each in executions for money, cost in each.slippage.costs.items()]
    yield SLIPPAGE_NOTIONAL.family((key, float(cost.notional)) for key, cost in costs)
    yield SLIPPAGE_COST.family((key, float(cost.lost)) for key, cost in costs)
    yield SLIPPAGE_GAIN.family((key, float(cost.won)) for key, cost in costs)


def _fill_ratio(symbols: list[tuple[str, Quality, Decimal]], slot: int) -> float | None:
    """Unknown when nothing was sent, or when several symbols were and one of them has no price to add it up with."""
    totals = [
        (symbol, each, multiplier, total)
        for symbol, each, multiplier in symbols
        if (total := each.sent.total(slot)) > _ZERO
    ]
    if len(totals) == 1:
        _, each, _, total = totals[0]
        return float(each.filled.total(slot) / total)
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for symbol, each, multiplier, total in totals:
        if each.price is None:
            return None
        quote = Currencies.of(symbol).quote
        whole, part = sums.get(quote, (_ZERO, _ZERO))
        worth = each.price * multiplier
        sums[quote] = (whole + total * worth, part + each.filled.total(slot) * worth)
    return min((float(part / whole) for whole, part in sums.values()), default=None)
