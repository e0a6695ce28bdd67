"""What the venue says against what the engine says: open orders and positions of each account, read in the background.

The key only needs to read. A reading that fails makes the gaps unknown, never zero.
"""

import importlib
import importlib.util
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import structlog
from prometheus_client.metrics_core import Metric

from exporters.logs import LogBudget
from exporters.series import gauge
from exporters.trading.intake.intake import Intake
from exporters.trading.keys import Currencies
from exporters.trading.settings import ReconciledAccount
from exporters.trading.state import State

_ZERO: Final = Decimal(0)
# What an inverse contract holds of its base depends on the mark price, and venue and engine see different ones.
_MARKS_APART: Final = Decimal("0.01")
UP: Final = gauge(
    "trading_reconciliation_up",
    "venue account",
    "rest",
    "boolean",
    "the venue's REST API",
    "1 when the account was last read from the venue; the gaps are absent when it is 0.",
)
GAP_ORDERS: Final = gauge(
    "trading_reconciliation_gap_orders",
    "venue account symbol",
    "rest",
    "orders",
    "the venue's REST API, order events",
    "Open orders at the venue less those the engine knows of; what changed during the reading is given the benefit.",
)
GAP_QUANTITY: Final = gauge(
    "trading_reconciliation_gap_quantity",
    "venue account symbol",
    "rest",
    "base units, signed",
    "the venue's REST API, `position` events",
    "Position at the venue less the engine's; what changed during the reading is given the benefit.",
)
SERIES: Final = (UP, GAP_ORDERS, GAP_QUANTITY)


@dataclass(frozen=True, slots=True)
class Holdings:
    """Open orders and signed positions (base units) by symbol; a symbol that is not there has none."""

    orders: dict[str, int]
    positions: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Gap:
    """Venue less engine, for one symbol."""

    orders: int
    quantity: Decimal


def engine_holdings(state: State, venue: str, account: str) -> Holdings | None:
    """What the engines said of the account; ``None`` when they never spoke of it."""
    orders: dict[str, int] = {}
    for (where, whose, _), order in state.orders.open.items():
        if where == venue and whose == account:
            orders[order.instrument[3]] = orders.get(order.instrument[3], 0) + 1
    positions: dict[str, Decimal] = {}
    for (where, whose, _, symbol), each in state.instruments.items():
        if where == venue and whose == account and each.holding is not None:
            positions[symbol] = positions.get(symbol, _ZERO) + each.holding.position.quantity
    spoken = orders or positions or any(key[:2] == (venue, account) for key in state.books)
    return Holdings(orders, positions) if spoken else None


def gaps(before: Holdings, venue: Holdings, after: Holdings) -> dict[str, Gap]:
    """The gap by symbol: none where the venue lies between what the engine said before and after the reading."""
    symbols = {
        *before.orders, *before.positions, *venue.orders, *venue.positions, *after.orders, *after.positions
    }  # fmt: skip
    return {
        symbol: Gap(
            int(
                _beyond(
                    Decimal(venue.orders.get(symbol, 0)),
                    Decimal(before.orders.get(symbol, 0)),
                    Decimal(after.orders.get(symbol, 0)),
                )
            ),
            _beyond(
                venue.positions.get(symbol, _ZERO),
                before.positions.get(symbol, _ZERO),
                after.positions.get(symbol, _ZERO),
                slack=_MARKS_APART if Currencies.of(symbol).inverse else _ZERO,
            ),
        )
        for symbol in symbols
    }


def _beyond(value: Decimal, first: Decimal, second: Decimal, slack: Decimal = _ZERO) -> Decimal:
    """How far *value* lies outside of the two; within the ratio *slack* of one of them is not outside."""
    low, high = min(first, second), max(first, second)
    beyond = value - high if value > high else value - low if value < low else _ZERO
    return beyond if abs(beyond) > slack * max(abs(first), abs(second)) else _ZERO


def base_quantity(position: Mapping[str, Any]) -> Decimal:
    """What one of ccxt's positions holds in base units, signed.

    Contracts of an inverse symbol are sizes in its quote; raises when their mark price is not told.
    """
    size = Decimal(str(position["contracts"] or 0)) * Decimal(str(position["contractSize"] or 1))
    if size and Currencies.of(position["symbol"]).inverse:
        size /= Decimal(str(position["markPrice"]))
    return -size if position["side"] == "short" else size


class Reconciliation:
    """One account, read every few seconds in a thread of its own."""

    def __init__(self, settings: ReconciledAccount, intake: Intake) -> None:
        """Raise ValueError without the library or with an empty key file, OSError when one cannot be read."""
        if importlib.util.find_spec("ccxt") is None:
            raise ValueError("reconciliation needs the library of the extra andon[exporters-ccxt] (ccxt)")
        self.settings = settings
        self.up: bool | None = None
        self.gaps: dict[str, Gap] = {}
        self._keys = (settings.key("api_key_file"), settings.key("secret_file"))
        self._intake = intake
        self._client: Any = None
        self._stop = threading.Event()
        name = f"reconcile {settings.venue} {settings.account}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._budget = LogBudget()
        self._log = structlog.get_logger(exporter="trading", venue=settings.venue, account=settings.account)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a request that is under way is left to its timeout."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self.settings.timeout_seconds + 1)

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self._look()
            except Exception as fault:  # noqa: BLE001  # the border: a venue may answer anything
                self.up, self.gaps = False, {}
                held_back = self._budget.take()
                if held_back is not None:
                    self._log.warning("account cannot be read", error=type(fault).__name__, held_back=held_back)
            self._stop.wait(max(0.1, self.settings.every_seconds - (time.monotonic() - started)))

    def _look(self) -> None:
        if self._client is None:
            self._client = _client(self.settings, *self._keys)
        before = self._engine()
        venue = self._venue()
        after = self._engine()
        self.gaps = {} if before is None or after is None else gaps(before, venue, after)
        self.up = True

    def _engine(self) -> Holdings | None:
        with self._intake.lock:
            return engine_holdings(self._intake.state, self.settings.venue, self.settings.account)

    def _venue(self) -> Holdings:
        orders: dict[str, int] = {}
        seen: set[str] = set()
        for params in self.settings.order_books:
            for order in self._client.fetch_open_orders(params=dict(params)):
                if order["id"] not in seen:
                    seen.add(order["id"])
                    orders[order["symbol"]] = orders.get(order["symbol"], 0) + 1
        positions: dict[str, Decimal] = {}
        if self.settings.positions:
            for position in self._client.fetch_positions():
                signed = base_quantity(position)
                if signed:
                    positions[position["symbol"]] = positions.get(position["symbol"], _ZERO) + signed
        return Holdings(orders, positions)


def families(accounts: list[Reconciliation]) -> Iterator[Metric]:
    """What the last readings gave."""
    labelled = [((each.settings.venue, each.settings.account), each) for each in accounts]
    yield UP.family((key, float(each.up)) for key, each in labelled if each.up is not None)
    found = [((*key, symbol), gap) for key, each in labelled for symbol, gap in each.gaps.items()]
    yield GAP_ORDERS.family((key, gap.orders) for key, gap in found)
    yield GAP_QUANTITY.family((key, float(gap.quantity)) for key, gap in found)


def _client(settings: ReconciledAccount, api_key: str, secret: str) -> Any:
    kind = getattr(importlib.import_module("ccxt"), settings.exchange)
    client = kind(
        {
            "apiKey": api_key,
            "secret": secret,
            "timeout": int(settings.timeout_seconds * 1000),
            "options": {"fetchCurrencies": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
        }
    )
    if settings.url is not None:
        client.urls["api"] = _moved(client.urls["api"], settings.url)
    client.load_markets()
    return client


def _moved(urls: Any, base: str) -> Any:
    """The exchange's own paths, under another host."""
    if isinstance(urls, dict):
        return {name: _moved(each, base) for name, each in urls.items()}
    scheme, host, *_ = urlsplit(base)
    return urlunsplit((scheme, host, *urlsplit(str(urls))[2:]))
