"""Families about how well a strategy trades."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.trading import quality_series as series
from exporters.trading.quality import Quality
from exporters.trading.state import State, StrategyKey

_ZERO: Final = Decimal(0)


def quality(state: State, now: float) -> Iterator[Metric]:
    """Slippage, fill ratio, turnover, order-to-trade ratio, messages and the last times."""
    yield series.SLIPPAGE.histogram(state.slippage.items())
    strategies = state.strategies.items()
    yield series.FILL_RATIO.family(
        (key, ratio) for key, each in _qualities(state).items() if (ratio := _fill_ratio(each, now, state)) is not None
    )
    turnovers = (
        (key, [each.turnover(now, state.slot_seconds) for each in strategy.inventory.values()])
        for key, strategy in strategies
    )
    yield series.TURNOVER.family(
        (key, max(known)) for key, found in turnovers if (known := [each for each in found if each is not None])
    )
    ratios = (
        ((*key, by), ratio)
        for key, each in state.instruments.items()
        for by, ratio in (
            ("number", each.quality.session.by_number(now)),
            ("volume", each.quality.session.by_volume(now)),
        )
    )
    yield series.ORDER_TO_TRADE.family((key, ratio) for key, ratio in ratios if ratio is not None)
    yield series.MESSAGES.family(_messages(state).items())
    yield series.LAST_ORDER.family((key, each.last_order) for key, each in strategies if each.last_order)
    yield series.LAST_ACKNOWLEDGEMENT.family(
        (key, each.last_acknowledgement) for key, each in strategies if each.last_acknowledgement
    )
    yield series.LAST_FILL.family((key, each.last_fill) for key, each in strategies if each.last_fill)


def _messages(state: State) -> dict[tuple[str, str, str, str], int]:
    found = {
        (*key, kind): strategy.modifies if kind == "modify" else 0
        for key, strategy in state.strategies.items()
        for kind in ("submit", "modify", "cancel")
    }
    for key, each in state.instruments.items():
        found[(*key[:3], "submit")] += each.sent
        found[(*key[:3], "cancel")] += each.cancels_sent
    return found


def _qualities(state: State) -> dict[StrategyKey, list[Quality]]:
    found: dict[StrategyKey, list[Quality]] = {}
    for key, each in state.instruments.items():
        found.setdefault(key[:3], []).append(each.quality)
    return found


def _fill_ratio(qualities: list[Quality], now: float, state: State) -> float | None:
    """Unknown when nothing was sent, or when several symbols were and one of them has no price to add it up with."""
    slot = int(now // state.slot_seconds)
    totals = [(each.sent.total(slot), each.filled.total(slot), each.price) for each in qualities]
    used = [each for each in totals if each[0] > _ZERO]
    if not used:
        return None
    if len(used) == 1:
        sent, filled, _ = used[0]
        return float(filled / sent)
    whole = part = _ZERO
    for sent, filled, price in used:
        if price is None:
            return None
        whole += sent * price
        part += filled * price
    return float(part / whole)
