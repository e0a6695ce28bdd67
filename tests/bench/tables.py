"""Numbers with their counts, percentiles and goals, as a table a person can read."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Row:
    """One measured thing; ``values`` in ``unit``; ``goal`` is what the named percentile may reach."""

    name: str
    values: Sequence[float]
    unit: str = "ms"
    goal: float | None = None
    goal_of: float = 0.99

    def met(self) -> bool:
        """Whether the goal was reached; True when there is none."""
        return self.goal is None or percentile(self.values, self.goal_of) <= self.goal


@dataclass(slots=True)
class Report:
    """All rows and remarks of one part of the bench."""

    title: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def shown(self) -> str:
        """The part as text."""
        head = f"{'':<52}{'count':>7}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}  goal"
        lines = [self.title, "=" * len(self.title), head]
        for row in self.rows:
            numbers = [percentile(row.values, part) for part in (0.5, 0.9, 0.99, 1.0)]
            goal = ""
            if row.goal is not None:
                verdict = "met" if row.met() else "MISSED"
                goal = f"p{row.goal_of * 100:g} <= {row.goal:g} {row.unit}: {verdict}"
            shown = "".join(f"{number:>10.2f}" for number in numbers)
            lines.append(f"{row.name + ' [' + row.unit + ']':<52}{len(row.values):>7}{shown}  {goal}")
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks), ""])


def percentile(values: Sequence[float], part: float) -> float:
    """The nearest-rank percentile; with 50 values the 99th is the largest."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    rank = max(int(-(-part * len(ordered) // 1)) - 1, 0)
    return ordered[min(rank, len(ordered) - 1)]


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return statistics.fmean(values)
