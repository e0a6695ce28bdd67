"""Families about risk."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import Row
from exporters.trading.risk import series
from exporters.trading.risk.curve import Curve, RiskOptions
from exporters.trading.risk.estimates import Estimate, historical, needed, parametric
from exporters.trading.state import EquityKey, State, StrategyKey

_ZERO: Final = Decimal(0)


def value_at_risk(state: State, _now: float) -> Iterator[Metric]:
    """Value at risk, expected shortfall and what they go by."""
    at_risk: list[Row] = []
    shortfall: list[Row] = []
    counted: list[Row] = []
    options = state.risk
    for (*book, currency), curve in state.curves.items():
        for confidence in options.confidences:
            for horizon, seconds in options.horizons:
                for method in ("historical", "parametric"):
                    labels = (*book, method, confidence, horizon, currency)
                    counted.append((labels, len(curve.changes)))
                    found = _estimate(curve, options, method, float(confidence), seconds)
                    if found is not None:
                        at_risk.append((labels, found.value_at_risk))
                        shortfall.append((labels, found.expected_shortfall))
    yield series.VALUE_AT_RISK.family(at_risk)
    yield series.SHORTFALL.family(shortfall)
    yield series.OBSERVATIONS.family(counted)


def _estimate(curve: Curve, options: RiskOptions, method: str, confidence: float, seconds: int) -> Estimate | None:
    count = len(curve.changes)
    if count < max(2, options.min_observations):
        return None
    periods = seconds / options.interval_seconds
    if method == "parametric":
        return parametric(*curve.moments(), confidence, periods)
    return historical(curve.ordered, confidence, periods) if count >= needed(confidence) else None


def exposure(state: State, _now: float) -> Iterator[Metric]:
    """Leverage, concentration and the deepest drawdown."""
    gross: dict[EquityKey, Decimal] = {}
    largest: dict[EquityKey, Decimal] = {}
    for key, each in state.instruments.items():
        position = each.position
        if position is not None:
            book = (*key[:3], position.currency)
            notional = abs(position.quantity * position.mark_price * position.multiplier)
            gross[book] = gross.get(book, _ZERO) + notional
            largest[book] = max(largest.get(book, _ZERO), notional)
    leverage: dict[StrategyKey, float] = {}
    concentration: dict[StrategyKey, float] = {}
    for book, total in gross.items():
        strategy = book[:3]
        equity = state.books.get(book)
        if equity is not None:
            ratio = float(total / equity.equity) if equity.equity > _ZERO else float("inf") if total else None
            if ratio is not None:
                leverage[strategy] = max(leverage.get(strategy, 0.0), ratio)
        if total:
            concentration[strategy] = max(concentration.get(strategy, 0.0), float(largest[book] / total))
    yield series.LEVERAGE.family(leverage.items())
    yield series.CONCENTRATION.family(concentration.items())
    deepest: dict[StrategyKey, float] = {}
    for book, curve in state.curves.items():
        if curve.drawdowns:
            deepest[book[:3]] = max(deepest.get(book[:3], 0.0), *curve.drawdowns.values())
    yield series.MAX_DRAWDOWN.family(deepest.items())
