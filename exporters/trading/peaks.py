"""A new start for drawdown and daily loss: a person says that what was lost is lost, and the peak is what is there now.

After a drawdown kill a flat strategy never recovers, so its alert would fire, and a resume be refused, for ever.
Nothing else is changed: not the equity, not the record of the largest drawdown, and no switch.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Self

import structlog
from prometheus_client.metrics_core import Metric
from pydantic import Field, model_validator

from exporters.section import Name
from exporters.series import counter
from exporters.trading.admin import NameOrEmpty, RefusedError, Request
from exporters.trading.equity.book import Book, day_of
from exporters.trading.intake.intake import Intake
from exporters.trading.keys import BOOK, StrategyKey
from exporters.trading.state import State

PATH: Final = "/api/v1/peaks/reset"
RESETS: Final = counter(
    "trading_peak_resets_total",
    BOOK,
    "rest",
    "resets",
    f"`POST {PATH}`",
    "Times a person set the peak, the start of the day or both to the equity of that moment; strategy is empty for a "
    "whole account.",
)
SERIES: Final = (RESETS,)


class PeakReset(Request):
    """What is asked for: *strategy* empty means the account's own equity."""

    venue: Name
    account: Name
    strategy: NameOrEmpty
    peak: Annotated[bool, Field(strict=True)] = True
    day_start: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.peak or self.day_start):
            raise ValueError("nothing is asked for: peak, day_start or both")
        return self

    @property
    def key(self) -> StrategyKey:
        """Whose equity."""
        return (self.venue, self.account, self.strategy)


class PeakResets:
    """Does them, one at a time, and counts them since the start of the process."""

    def __init__(self, intake: Intake, save: Callable[[], bool] | None, clock: Callable[[], float] = time.time) -> None:
        """*save* writes the state file and says whether it could; ``None`` without a state file."""
        self._intake = intake
        self._save = save
        self._clock = clock
        self._counts: Counter[StrategyKey] = Counter()
        self._log = structlog.get_logger(exporter="trading")

    def reset(self, asked: PeakReset) -> dict[str, Any]:
        """Set what was asked for, in every currency, and write it to disk; what it was and is, as JSON.

        Raises RefusedError for a book that is not known, and for one without equity: from nothing there is no ratio.
        """
        with self._intake.lock:
            state = self._intake.state
            books = {key[3]: book for key, book in state.books.items() if key[:3] == asked.key}
            if not books:
                raise RefusedError(404, "no equity of this venue, account and strategy was ever said")
            empty = sorted(currency for currency, book in books.items() if book.equity <= 0)
            if empty:
                raise RefusedError(409, f"the equity in {', '.join(empty)} is not above zero: there is no peak to set")
            done = [{"currency": currency, **self._set(asked, book, state)} for currency, book in books.items()]
            self._counts[asked.key] += 1
            self._intake.version += 1
        persisted = None if self._save is None else self._save()
        self._log.warning("peak reset", **asked.model_dump(), books=done, persisted=persisted)
        return {**asked.model_dump(exclude={"reason", "who"}), "books": done, "persisted": persisted}

    def _set(self, asked: PeakReset, book: Book, state: State) -> dict[str, str]:
        options, now = state.options.equity, self._clock()
        before = {"peak_before": str(book.peak), "day_start_before": str(book.day_equity)}
        book.settle(options)
        if asked.peak:
            book.peak = book.equity
        if asked.day_start:
            book.day = max(book.day, day_of(now, options.day_starts_at))
            book.day_equity, book.day_equity_at, book.day_flows = book.equity, now, book.flows
        return {"equity": str(book.equity), **before, "peak": str(book.peak), "day_start": str(book.day_equity)}

    def families(self) -> Iterable[Metric]:
        """The count of each strategy and account, from 0."""
        with self._intake.lock:
            known = {key[:3] for key in self._intake.state.books} | set(self._intake.state.strategies)
        yield RESETS.family((key, self._counts[key]) for key in sorted(known | set(self._counts)))
