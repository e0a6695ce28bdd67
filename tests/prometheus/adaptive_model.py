"""The adaptive rules for one strategy's profits, computed by numpy over days of simulated P&L.

``make simulate`` prints how often AdaptivePnlUnusual and AdaptiveLossUnusual would start to fire.  `Judged` follows the
expressions of ``rules/adaptive.*.yml`` sample by sample, on the grid of 15 s on which they are evaluated;
``test_adaptive_model.py`` checks it against promtool.  What it leaves out is the method ``hour``, which needs days of
history and can only keep an alert from firing.  From the second day on, and between two minutes, the window of the tail
holds one minute of 1,440 more than Prometheus'.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tests.prometheus.ruleset import default_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEP = 15
"""Seconds between two evaluations."""
MINUTE, HOUR, DAY = 60 // STEP, 3600 // STEP, 86_400 // STEP
RECENT = 2 * MINUTE
"""What is left out of what is usual."""
EQUITY = 1_000_000.0


def normal(rng: np.random.Generator, days: int, sigma: float) -> Floats:
    """P&L of each step, as a share of equity: independent and normal, *sigma* a minute."""
    return rng.normal(0, sigma / np.sqrt(MINUTE), days * DAY)


def t3(rng: np.random.Generator, days: int, sigma: float) -> Floats:
    """One jump a minute by Student's t with 3 degrees of freedom, with standard deviation *sigma*."""
    return _at_some_step(rng, rng.standard_t(3, days * DAY // MINUTE) * sigma / np.sqrt(3))


def garch(rng: np.random.Generator, days: int, sigma: float) -> Floats:
    """One move a minute by GARCH(1,1), alpha 0.10, beta 0.88: half of a burst is left after 34 minutes."""
    minutes = days * DAY // MINUTE
    noise = rng.normal(size=minutes)
    moves, variance = np.empty(minutes), sigma**2
    for minute in range(minutes):
        moves[minute] = np.sqrt(variance) * noise[minute]
        variance = 0.02 * sigma**2 + 0.10 * moves[minute] ** 2 + 0.88 * variance
    return _at_some_step(rng, moves)


def mostly_flat(rng: np.random.Generator, days: int, sigma: float) -> Floats:
    """Flat but for some spells a day of about a quarter of an hour, in which `t3` moves twice as far."""
    minutes = days * DAY // MINUTE
    starts = rng.random(minutes) < 5 / 1440
    lasts = np.where(starts, rng.exponential(15, minutes).astype(int) + 1, 0)
    until = np.maximum.accumulate(np.arange(minutes) + lasts)
    return np.where(np.repeat(until > np.arange(minutes), MINUTE), t3(rng, days, 2 * sigma), 0.0)


def _at_some_step(rng: np.random.Generator, moves: Floats) -> Floats:
    steps = np.zeros((len(moves), MINUTE))
    steps[np.arange(len(moves)), rng.integers(0, MINUTE, len(moves))] = moves
    return steps.ravel()


KINDS: dict[str, Callable[[np.random.Generator, int, float], Floats]] = {
    "normal": normal,
    "t3": t3,
    "garch": garch,
    "mostly flat": mostly_flat,
}


@dataclass(frozen=True)
class Judged:
    """What the rules make of ``moves``: P&L of each step as a share of the equity at the start.

    NaN stands for a series that is not there.
    """

    moves: Floats = field(repr=False)

    @cached_property
    def equity(self) -> Floats:
        """``trading_equity`` and, as nothing is paid in or out, ``trading_adjusted_equity``."""
        return EQUITY * (1 + np.cumsum(self.moves))

    @cached_property
    def value(self) -> Floats:
        """``signal:adaptive:value{signal="pnl"}``."""
        return np.concatenate([np.full(MINUTE, np.nan), self.equity[MINUTE:] - self.equity[:-MINUTE]])

    @cached_property
    def deviation(self) -> Floats:
        """``signal:adaptive:deviation``."""
        return np.abs(self.value - self._of_an_hour(self.value, np.nanmedian))

    @cached_property
    def scale(self) -> Floats:
        """``signal:adaptive:scale``."""
        floor = default_of("adaptive_pnl_floor:ratio") * self.equity
        moved = np.where(self.deviation > 0, self.deviation, np.nan)
        return np.fmax(self._by_minute(moved, partial(np.nanquantile, q=0.995)) / 2.807, floor)

    @cached_property
    def zscore(self) -> Floats:
        """``signal:adaptive:score{method="zscore"}``."""
        spread = np.fmax(self._of_an_hour(self.value, np.nanstd), self.scale)
        return self._known((self.value - self._of_an_hour(self.value, np.nanmean)) / spread)

    @cached_property
    def robust(self) -> Floats:
        """``signal:adaptive:score{method="robust"}``."""
        spread = np.fmax(1.4826 * self._of_an_hour(self.deviation, np.nanmedian), self.scale)
        return self._known((self.value - self._of_an_hour(self.value, np.nanmedian)) / spread)

    @cached_property
    def pages(self) -> Bools:
        """Whether AdaptivePnlUnusual fires."""
        far = np.minimum(np.abs(self.zscore), np.abs(self.robust))
        return _firing(far > default_of("adaptive_score:sigmas"), 2, 0)

    @cached_property
    def reduces(self) -> Bools:
        """Whether AdaptiveLossUnusual fires."""
        far = np.minimum(-self.zscore, -self.robust)
        share = default_of("adaptive_loss:ratio") * default_of("trading_daily_loss:ratio")
        lost = np.fmin(self.value, np.concatenate([[np.nan], self.value[:-1]]))
        large = (-lost > share * self.equity) & (self.value < 0)
        return _firing(large | (far > default_of("adaptive_reduce:sigmas")), 1, 2)

    def _known(self, score: Floats) -> Floats:
        history = self._by_minute(self.deviation, lambda past, axis: np.sum(~np.isnan(past), axis=axis))
        return np.where(history >= default_of("adaptive_history:minutes"), score, np.nan)

    @staticmethod
    def _of_an_hour(series: Floats, of: Callable[..., Floats]) -> Floats:
        """*of* the hour that ended two minutes ago, both ends included, for each step."""
        past = np.concatenate([np.full(HOUR + RECENT, np.nan), series])
        return _along(of, sliding_window_view(past, HOUR + 1)[: len(series)])

    @staticmethod
    def _by_minute(series: Floats, of: Callable[..., Floats]) -> Floats:
        """*of* each minute of the day that ended two minutes ago, for each step."""
        each_minute = series[::MINUTE]
        past = np.concatenate([np.full(DAY // MINUTE + RECENT // MINUTE, np.nan), each_minute])
        on_minute = _along(of, sliding_window_view(past, DAY // MINUTE + 1)[: len(each_minute)])
        return np.repeat(on_minute, MINUTE)[: len(series)]


def _along(of: Callable[..., Floats], windows: Floats) -> Floats:
    """*of* each window; in parts, since a day of windows is a gigabyte once it is copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=RuntimeWarning, message=".*(empty slice|All-NaN|Degrees of freedom).*"
        )
        return np.concatenate([of(part, axis=1) for part in np.array_split(windows, len(windows) // 1440 + 1)])


def _firing(holds: Bools, wait: int, keep: int) -> Bools:
    """Whether an alert fires that waits *wait* steps more (``for``) and is held *keep* steps (``keep_firing_for``)."""
    fires = np.logical_and.reduce([_later(holds, by) for by in range(wait + 1)])
    return np.asarray(np.logical_or.reduce([_later(fires, by) for by in range(keep + 1)]))


def _later(holds: Bools, by: int) -> Bools:
    return np.concatenate([np.zeros(by, dtype=bool), holds[: len(holds) - by]])


def starts(fires: Bools) -> int:
    """How often an alert began to fire."""
    return int(np.sum(fires[1:] & ~fires[:-1]) + fires[0])


def with_loss(moves: Floats, at: int, share: float, steps: int) -> Floats:
    """*moves*, but *share* of the equity is lost evenly over *steps* from step *at* on, and nothing else moves then."""
    lost = moves.copy()
    lost[at : at + steps] = -share / steps
    return lost


@dataclass(frozen=True, slots=True)
class Figures:
    """What `measure` found: alerts a day, and the longest time from the end of a loss to the alert, in seconds."""

    kind: str
    sigma: float
    days: int
    pages: float
    reduces: float
    found_after: tuple[float, float]
    """Of a loss of 1 % at once, and of one spread over a minute; infinite when one was not found."""


def measure(kind: str, sigma: float, runs: int, days: int = 10, losses: int = 4) -> Figures:
    """Simulate *runs* times *days* days of one kind with *sigma* a minute, and *losses* of each sort in each run."""
    pages, reduces, latest = 0, 0, [0.0, 0.0]
    for run in range(runs):
        rng = np.random.default_rng([run, int(sigma * 1e6), *kind.encode()])
        moves = KINDS[kind](rng, days, sigma)
        judged = Judged(moves)
        pages += starts(judged.pages)
        reduces += starts(judged.reduces)
        for sort, steps in enumerate((1, MINUTE)):
            for at in rng.integers(HOUR, days * DAY - HOUR, losses):
                latest[sort] = max(latest[sort], _found_after(moves, int(at), steps))
    return Figures(kind, sigma, runs * days, pages / runs / days, reduces / runs / days, (latest[0], latest[1]))


def _found_after(moves: Floats, at: int, steps: int) -> float:
    """Seconds from the end of a loss of 1 % to AdaptiveLossUnusual, when the loss just missed an evaluation."""
    begin = max(0, (at // DAY - 1) * DAY)
    reduces = Judged(with_loss(moves[begin : at + HOUR], at - begin, 0.01, steps)).reduces
    (fires,) = np.nonzero(reduces[at - begin :])
    return float(fires[0] - steps + 2) * STEP if len(fires) else float("inf")


def report(runs: int) -> Iterator[str]:
    """A table, a row for each kind of day and each size of its moves; see docs/tuning.md."""
    yield "| days | moves of a minute | pages a day | reduces a day | 1 % at once, found | 1 % in a minute, found |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind in KINDS:
        for sigma in (0.0001, 0.0003, 0.0005):
            one = measure(kind, sigma, runs)
            once, slowly = one.found_after
            yield (
                f"| {one.days} {kind} | {sigma:.2%} | {one.pages:.3f} | {one.reduces:.3f} "
                f"| within {once:.0f} s | within {slowly:.0f} s |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Simulate days and count what the adaptive rules make of them.")
    parser.add_argument("--days", type=int, default=500, help="simulated days of each kind (default: %(default)s)")
    for line in report(max(1, parser.parse_args().days // 10)):
        print(line, flush=True)
