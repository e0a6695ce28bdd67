"""The series about risk."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge
from exporters.trading.equity.book import Book
from exporters.trading.keys import BOOK, IN_CURRENCY, EquityKey, StrategyKey
from exporters.trading.positions import Held
from exporters.trading.risk.curve import Curve
from exporters.trading.risk.estimates import RiskOptions
from exporters.trading.risk.present import Present

_ZERO: Final = Decimal(0)
_BASIS: Final = f"{BOOK} basis currency"
_WAY: Final = f"{BOOK} basis method confidence currency"
_ESTIMATE: Final = f"{BOOK} basis method confidence horizon currency"
_EQUITY: Final = "`equity` events"
_BOTH: Final = "`equity`, `position` events"

VALUE_AT_RISK: Final = gauge(
    "risk_value_at_risk",
    _ESTIMATE,
    "rest",
    IN_CURRENCY,
    _BOTH,
    "Loss that is exceeded with probability 1 - confidence over the horizon; basis pnl goes by the changes of profit "
    "that were, position by what the present positions would have done; method is historical or parametric. Absent "
    "with too few observations.",
)
SHORTFALL: Final = gauge(
    "risk_expected_shortfall",
    _ESTIMATE,
    "rest",
    IN_CURRENCY,
    _BOTH,
    "Mean of the losses beyond the value at risk.",
)
OBSERVATIONS: Final = gauge(
    "risk_value_at_risk_observations",
    _BASIS,
    "rest",
    "changes",
    _BOTH,
    "Changes of equity (deposits removed) that the estimate has to go by; of the basis position, intervals in which "
    "the returns of all positions are known.",
)
TESTS: Final = counter(
    "risk_value_at_risk_tests_total",
    _WAY,
    "rest",
    "intervals",
    _BOTH,
    "Intervals whose change of profit was held against the value at risk of one interval that was said before it.",
)
EXCEPTIONS: Final = counter(
    "risk_value_at_risk_exceptions_total",
    _WAY,
    "rest",
    "intervals",
    _BOTH,
    "Of these, the ones that lost more; a good estimate has a share of 1 - confidence.",
)
LEVERAGE: Final = gauge(
    "risk_leverage_ratio",
    BOOK,
    "rest",
    "ratio; `+Inf` without any equity",
    _BOTH,
    "Gross exposure over equity in the same currency; the highest of the currencies.",
)
CONCENTRATION: Final = gauge(
    "risk_concentration_ratio",
    BOOK,
    "rest",
    "ratio 0-1",
    "`position` events",
    "Largest position's notional over gross exposure; the highest of the currencies. Absent while flat.",
)
MAX_DRAWDOWN: Final = gauge(
    "risk_max_drawdown_ratio",
    BOOK,
    "rest",
    "ratio 0-1 (above 1: equity below zero)",
    _EQUITY,
    "Deepest trading_drawdown_ratio of the last `trading.risk.drawdown_days` days with events; survives a restart.",
)
SERIES: Final = (
    VALUE_AT_RISK,
    SHORTFALL,
    OBSERVATIONS,
    TESTS,
    EXCEPTIONS,
    LEVERAGE,
    CONCENTRATION,
    MAX_DRAWDOWN,
)


def value_at_risk(
    curves: Mapping[EquityKey, Curve], present: Mapping[EquityKey, Present], options: RiskOptions
) -> Iterator[Metric]:
    """Value at risk, expected shortfall, what they go by and how good they were."""
    found = [("pnl", key, len(curve.changes), curve.estimates(options)) for key, curve in curves.items()]
    found += [("position", key, each.observations, dict(each.estimates)) for key, each in present.items()]
    rows = [
        ((*key[:3], basis, *way, horizon, key[3]), estimate.over(seconds / options.interval_seconds))
        for basis, key, _, estimates in found
        for way, estimate in estimates.items()
        for horizon, seconds in options.horizons
    ]
    yield VALUE_AT_RISK.family((labels, each.value_at_risk) for labels, each in rows)
    yield SHORTFALL.family((labels, each.expected_shortfall) for labels, each in rows)
    yield OBSERVATIONS.family(((*key[:3], basis, key[3]), count) for basis, key, count, _ in found)
    tested = [
        ((*key[:3], basis, *way, key[3]), count, curve.exceptions[basis, way])
        for key, curve in curves.items()
        for (basis, way), count in curve.tests.items()
    ]
    yield TESTS.family((labels, count) for labels, count, _ in tested)
    yield EXCEPTIONS.family((labels, count) for labels, _, count in tested)


def exposure(books: Mapping[EquityKey, Book], curves: Mapping[EquityKey, Curve], held: Held) -> Iterator[Metric]:
    """Leverage, concentration and the deepest drawdown."""
    gross: dict[EquityKey, Decimal] = {}
    largest: dict[EquityKey, Decimal] = {}
    for key, each in held:
        book = (*key[:3], each.position.currency)
        notional = abs(each.notional)
        gross[book] = gross.get(book, _ZERO) + notional
        largest[book] = max(largest.get(book, _ZERO), notional)
    leverage: dict[StrategyKey, float] = {}
    concentration: dict[StrategyKey, float] = {}
    for book, total in gross.items():
        strategy = book[:3]
        equity = books.get(book)
        if equity is not None:
            ratio = float(total / equity.equity) if equity.equity > _ZERO else float("inf") if total else None
            if ratio is not None:
                leverage[strategy] = max(leverage.get(strategy, 0.0), ratio)
        if total:
            concentration[strategy] = max(concentration.get(strategy, 0.0), float(largest[book] / total))
    yield LEVERAGE.family(leverage.items())
    yield CONCENTRATION.family(concentration.items())
    deepest: dict[StrategyKey, float] = {}
    for book, curve in curves.items():
        if curve.drawdowns:
            deepest[book[:3]] = max(deepest.get(book[:3], 0.0), *curve.drawdowns.values())
    yield MAX_DRAWDOWN.family(deepest.items())
