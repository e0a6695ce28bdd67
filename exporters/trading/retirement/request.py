"""``POST /api/v1/strategies/retire``: a person says that a strategy left, and it is forgotten for good."""

import time
from collections.abc import Callable
from typing import Any, Self

import structlog
from pydantic import model_validator

from exporters.section import Name
from exporters.trading.admin import NameOrEmpty, Request
from exporters.trading.intake.intake import Intake
from exporters.trading.state import State


class Retirement(Request):
    """What is asked for.

    With *venue* and *account* all that is known of the strategy there is forgotten (an empty *strategy*: the account's
    own equity and wallets), and its heartbeats too when it is known nowhere else.  With *engine* only the heartbeats
    from there: for a strategy that moved to another engine.
    """

    strategy: NameOrEmpty
    venue: Name | None = None
    account: Name | None = None
    engine: Name | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if (self.venue is None) != (self.account is None):
            raise ValueError("venue and account go together")
        if self.venue is None and self.engine is None:
            raise ValueError("venue and account, engine, or all three are needed")
        if self.engine is not None and not self.strategy:
            raise ValueError("an engine's heartbeats are those of a strategy")
        return self


class Retirements:
    """Does them, one at a time."""

    def __init__(self, intake: Intake, save: Callable[[], bool] | None, clock: Callable[[], float] = time.time) -> None:
        """*save* writes the state file and says whether it could; ``None`` without a state file."""
        self._intake = intake
        self._save = save
        self._clock = clock
        self._log = structlog.get_logger(exporter="trading")

    def retire(self, asked: Retirement) -> dict[str, Any]:
        """Forget what was asked for, write that to disk, and say what was known of it, as JSON.

        Who was not known is marked as gone all the same: Prometheus may still miss them.
        """
        with self._intake.lock:
            state, now = self._intake.state, self._clock()
            known = False
            engines = [] if asked.engine is None else [asked.engine]
            if asked.venue is not None and asked.account is not None:
                key = (asked.venue, asked.account, asked.strategy)
                known = state.forget(key)
                state.expected = [each for each in state.expected if each.strategy != key]
                state.retired.add_strategy(key, now)
                if asked.engine is None and asked.strategy and not _trades_elsewhere(state, asked.strategy):
                    engines = [name for name, engine in state.engines.items() if asked.strategy in engine.strategies]
            for name in engines:
                if name in state.engines:
                    state.engines[name].forget(asked.strategy)
                state.retired.add_heartbeat((name, asked.strategy), now)
            self._intake.version += 1
        persisted = None if self._save is None else self._save()
        done = {"known": known, "engines": engines, "persisted": persisted}
        self._log.warning("strategy retired", **asked.model_dump(), **done)
        return {**asked.model_dump(exclude={"reason", "who"}), **done}


def _trades_elsewhere(state: State, strategy: str) -> bool:
    """Another account knows a strategy of that name, or the configuration expects one."""
    expected = (each.strategy for each in state.expected)
    return any(key[2] == strategy for key in (*state.books, *state.instruments, *state.strategies, *expected))
