"""A new start for drawdown and daily loss: a person says that what was lost is lost, and the peak is what is there now.

After a drawdown kill a flat strategy never recovers, so its alert would fire, and a resume be refused, for ever.
Nothing else is changed: not the equity, not the record of the largest drawdown, and no switch.
"""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Final, Self

import structlog
from aiohttp import web
from prometheus_client.metrics_core import Metric
from pydantic import Field, StringConstraints, ValidationError, model_validator

from exporters.section import Name, Section
from exporters.series import counter
from exporters.trading.equity import day_of
from exporters.trading.intake import Intake
from exporters.trading.state import StrategyKey

PATH: Final = "/api/v1/peaks/reset"
RESETS: Final = counter(
    "trading_peak_resets_total",
    "venue account strategy",
    "rest",
    "resets",
    f"`POST {PATH}`",
    "Times a person set the peak, the start of the day or both to the equity of that moment; strategy is empty for a "
    "whole account.",
)
_MAX_BODY_BYTES: Final = 16_384

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class PeakReset(Section):
    """What is asked for: *strategy* empty means the account's own equity; *reason* and *who* go to the log."""

    venue: Name
    account: Name
    strategy: Name | Annotated[str, StringConstraints(max_length=0)]
    reason: Sentence
    who: Sentence
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


class PeakResetError(Exception):
    """It cannot be done; *status* is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Resets:
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

        Raises PeakResetError for a book that is not known, and for one without equity: from nothing there is no ratio.
        """
        with self._intake.lock:
            state = self._intake.state
            books = {key[3]: book for key, book in state.books.items() if key[:3] == asked.key}
            if not books:
                raise PeakResetError(404, "no equity of this venue, account and strategy was ever said")
            empty = sorted(currency for currency, book in books.items() if book.equity <= 0)
            if empty:
                raise PeakResetError(
                    409, f"the equity in {', '.join(empty)} is not above zero: there is no peak to set"
                )
            before = {currency: (str(book.peak), str(book.day_equity)) for currency, book in books.items()}
            now = self._clock()
            for book in books.values():
                if asked.peak:
                    book.peak = book.equity
                if asked.day_start:
                    book.day = max(book.day, day_of(now, state.day_starts_at))
                    book.day_equity, book.day_flows = book.equity, book.day_flows * 0
            self._counts[asked.key] += 1
            self._intake.version += 1
            done = [
                {
                    "currency": currency,
                    "equity": str(book.equity),
                    "peak_before": before[currency][0],
                    "peak": str(book.peak),
                    "day_start_before": before[currency][1],
                    "day_start": str(book.day_equity),
                }
                for currency, book in books.items()
            ]
        persisted = None if self._save is None else self._save()
        self._log.warning("peak reset", **asked.model_dump(), books=done, persisted=persisted)
        return {**asked.model_dump(exclude={"reason", "who"}), "books": done, "persisted": persisted}

    def families(self) -> Iterable[Metric]:
        """The count of each strategy and account, from 0."""
        with self._intake.lock:
            known = {key[:3] for key in self._intake.state.books} | set(self._intake.state.strategies)
        yield RESETS.family((key, self._counts[key]) for key in sorted(known | set(self._counts)))


def route(resets: Resets, token: str) -> web.RouteDef:
    """``POST /api/v1/peaks/reset`` for who has *token*."""
    expected = f"Bearer {token}".encode()
    worker = ThreadPoolExecutor(1, "resets")  # the state file is written here, not in the way of a scrape

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return web.json_response(
                {"error": "the token is missing or wrong"}, status=401, headers={"WWW-Authenticate": "Bearer"}
            )
        if (request.content_length or 0) > _MAX_BODY_BYTES:
            return web.json_response({"error": f"the body is above {_MAX_BODY_BYTES} bytes"}, status=413)
        try:
            asked = PeakReset.model_validate_json(await request.read())
        except ValidationError as invalid:
            faults = invalid.errors(include_url=False, include_input=False, include_context=False)
            errors = [{"field": ".".join(map(str, each["loc"])), "error": each["msg"]} for each in faults]
            return web.json_response({"error": "the request cannot be read", "errors": errors}, status=422)
        try:
            done = await asyncio.get_running_loop().run_in_executor(worker, resets.reset, asked)
        except PeakResetError as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        return web.json_response(done)

    return web.post(PATH, receive)
