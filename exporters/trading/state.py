"""Everything the trading exporter knows, put together from its subjects; how an event changes it is in ``apply``.

Counters start at zero with the process, as Prometheus expects; what a restart must not forget is said in ``snapshot``.
Every collection here is bounded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from exporters.buckets import Buckets
from exporters.trading.engines import Engine, Expected
from exporters.trading.equity.book import Book, EquityOptions
from exporters.trading.fills import Fills
from exporters.trading.keys import Currencies, EquityKey, InstrumentKey, StrategyKey
from exporters.trading.margin import Wallet, WalletKey
from exporters.trading.orders.ledger import Ledger
from exporters.trading.orders.rate import OrderRate
from exporters.trading.orders.series import Counts
from exporters.trading.positions import Holding
from exporters.trading.quality.series import Execution, Quality
from exporters.trading.quality.slippage import Cost
from exporters.trading.retirement.retired import Retired
from exporters.trading.risk.curve import Curve
from exporters.trading.risk.estimates import RiskOptions
from exporters.trading.risk.marks import Marks
from exporters.trading.risk.present import Present

_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of memory, and with it of the samples of a scrape.

    *strategies* bounds each of: (venue, account, strategy), the same with currency, wallets, and (engine, strategy).
    *max_ahead* is how many seconds ahead of our clock an event may be.
    """

    engines: int = 32
    sessions: int = 1_000
    strategies: int = 250
    instruments: int = 1_000
    open_orders: int = 20_000
    parents: int = 10_000
    max_ahead: float = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """How the state is kept; the window of fill ratio and turnover has 60 slots of *slot_seconds*."""

    limits: Limits = field(default_factory=Limits)
    equity: EquityOptions = field(default_factory=EquityOptions)
    risk: RiskOptions = field(default_factory=RiskOptions)
    slot_seconds: int = 60
    expected: tuple[Expected, ...] = ()
    reject_codes: tuple[str, ...] = ()


@dataclass(slots=True)
class Strategy:
    """One (venue, account, strategy) over all its symbols."""

    rate: OrderRate = field(default_factory=OrderRate)
    execution: Execution = field(default_factory=Execution)
    acknowledgements: Buckets = field(default_factory=Buckets)


@dataclass(slots=True)
class Instrument:
    """One (venue, account, strategy, symbol), and its *strategy* as a whole."""

    strategy: Strategy
    currencies: Currencies
    marks: Marks
    fills: Fills
    counts: Counts = field(default_factory=Counts)
    quality: Quality = field(default_factory=Quality)
    multiplier: Decimal = _ONE
    holding: Holding | None = None

    @property
    def inverse(self) -> bool:
        """It is settled in its own base, as a coin-margined contract is."""
        return self.currencies.inverse


class State:
    """The books, the instruments, the engines and the orders."""

    def __init__(self, options: Options | None = None, began_at: float = 0.0) -> None:
        """*began_at* is since when it remembers, seconds since the epoch."""
        self.options = options = options or Options()
        self.limits = options.limits
        self.began_at = began_at
        self.restored_at: float | None = None
        self.engines: dict[str, Engine] = {}
        self.books: dict[EquityKey, Book] = {}
        self.curves: dict[EquityKey, Curve] = {}
        self.present: dict[EquityKey, Present] = {}
        self.pnl: dict[EquityKey, tuple[Decimal | None, Decimal | None]] = {}
        self.wallets: dict[WalletKey, Wallet] = {}
        self.instruments: dict[InstrumentKey, Instrument] = {}
        self.strategies: dict[StrategyKey, Strategy] = {}
        self.marks: dict[tuple[str, str], Marks] = {}
        self.orders = Ledger(options.limits.open_orders, options.limits.parents)
        self.expected = list(options.expected)
        self.retired = Retired()
        self.dropped = dict.fromkeys(("engines", "sessions", "strategies", "instruments", "currencies"), 0)
        self._money: set[EquityKey] = set()
        for each in self.expected:  # first of all, so that there is room for them
            self._open(each, options.reject_codes)

    def fresh(self, began_at: float) -> "State":
        """An empty one with the same options."""
        return State(self.options, began_at)

    def _open(self, expected: Expected, codes: Iterable[str]) -> None:
        """Begin the series of a configured strategy at zero, so that a rule sees its first event as an increase."""
        self.engine(expected.engine)
        self.strategy(expected.strategy)
        for symbol in expected.symbols:
            instrument = self.instrument((*expected.strategy, symbol))
            if instrument is not None:
                instrument.counts.parented = True
                instrument.strategy.execution.slippage.costs.setdefault(instrument.fills.currency, Cost())
                for code in codes:
                    instrument.counts.rejected.setdefault(code, 0)

    def instrument(self, key: InstrumentKey) -> Instrument | None:
        """The instrument, made when it is new; ``None`` when there is no room for another."""
        found = self.instruments.get(key)
        if found is None:
            if len(self.instruments) >= self.limits.instruments:
                self.dropped["instruments"] += 1
                return None
            strategy = self.strategy(key[:3])
            if strategy is None:
                return None
            venue, _, _, symbol = key
            marks = self.marks.setdefault((venue, symbol), Marks(self.options.risk))
            currencies = Currencies.of(symbol)
            found = self.instruments[key] = Instrument(strategy, currencies, marks, Fills(currencies.settle))
        return found

    def strategy(self, key: StrategyKey) -> Strategy | None:
        """The strategy, made when it is new; ``None`` when there is no room for another."""
        found = self.strategies.get(key)
        if found is None:
            if len(self.strategies) >= self.limits.strategies:
                self.dropped["strategies"] += 1
                return None
            found = self.strategies[key] = Strategy()
        return found

    def engine(self, name: str) -> Engine | None:
        """The engine, made when it is new; ``None`` when there is no room for another."""
        found = self.engines.get(name)
        if found is None:
            if len(self.engines) >= self.limits.engines:
                self.dropped["engines"] += 1
                return None
            found = self.engines[name] = Engine()
        return found

    def has_room_for_money(self, key: EquityKey) -> bool:
        """Whether equity or positions of this currency may be kept; what may once, may always."""
        if key not in self._money:
            if len(self._money) >= self.limits.strategies:
                self.dropped["strategies"] += 1
                return False
            self._money.add(key)
        return True

    def held(self) -> Iterator[tuple[InstrumentKey, Holding]]:
        """The positions, closed ones with a quantity of 0."""
        for key, each in self.instruments.items():
            if each.holding is not None:
                yield key, each.holding

    def forget(self, strategy: StrategyKey) -> bool:
        """Drop all that is known of a strategy but its heartbeats; ``False``: nothing was."""
        known = False
        for kept in (self.books, self.curves, self.present, self.pnl, self.instruments):
            for key in [key for key in kept if key[:3] == strategy]:
                del kept[key]
                known = True
        for wallet in [key for key, each in self.wallets.items() if (*key[:2], each.strategy) == strategy]:
            del self.wallets[wallet]
            known = True
        known = self.strategies.pop(strategy, None) is not None or known
        self.orders.forget(strategy)
        self._money = {key for key in self._money if key[:3] != strategy}
        return known
