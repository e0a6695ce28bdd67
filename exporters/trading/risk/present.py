"""Value at risk of what is held now: what the present positions would have won and lost over the last returns.

Past changes of profit say little of a position that was opened a minute ago, or of one that is closed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from exporters.trading.keys import EquityKey
from exporters.trading.risk.estimates import Estimate, RiskOptions, Way, deviation, over_one_interval
from exporters.trading.risk.marks import Marks

Exposures = Mapping[EquityKey, Sequence[tuple[float, Sequence[float]]]]
"""By book, each position's notional (signed) with the returns of its symbol."""


@dataclass(frozen=True, slots=True)
class Present:
    """The estimates of one book for one interval, and how many changes they go by; *held*: it holds anything."""

    observations: int
    estimates: Mapping[Way, Estimate]
    held: bool


def exposures(held: Iterable[tuple[EquityKey, float, Marks]]) -> Exposures:
    """A copy of what *held* knows now: book, notional and marks of each position."""
    known = list(held)
    until = max((marks.closed for _, _, marks in known), default=-1)
    returns = {id(marks): marks.returns(until) for _, notional, marks in known if notional}
    found: dict[EquityKey, list[tuple[float, Sequence[float]]]] = {}
    for book, notional, marks in known:
        positions = found.setdefault(book, [])
        if notional:
            positions.append((notional, returns[id(marks)]))
    return found


def present(exposures: Exposures, options: RiskOptions) -> dict[EquityKey, Present]:
    """What each book has at risk now; takes about 0.1 ms for each position and thousand observations."""
    return {book: _present(positions, options) for book, positions in exposures.items()}


def _present(positions: Sequence[tuple[float, Sequence[float]]], options: RiskOptions) -> Present:
    changes = [0.0] * options.observations
    for notional, returns in positions:
        changes = [change + notional * each for change, each in zip(changes, returns, strict=True)]
    ordered = sorted(change for change in changes if not isnan(change))
    spread = deviation(ordered) if ordered else 0.0
    return Present(len(ordered), over_one_interval(ordered, spread, options), bool(positions))
