"""An engine in memory, with strategies that can be stopped one by one; it can be made to ignore what it is told."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from webhook.actions.port import EngineCapabilities, EngineState
from webhook.clock import Clock, SystemClock
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope


class PaperOptions(BaseModel):
    """``strategies``: name of each strategy and the other labels it trades under, e.g. ``{mm: {venue: paper}}``.

    Without strategies the engine is one part that trades everything.  ``allow_empty``: a request that matches no
    strategy counts as confirmed (otherwise it is refused, since nothing was stopped).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    strategies: dict[str, dict[str, str]] = Field(default_factory=dict)
    allow_empty: bool = False


@dataclass(slots=True)
class Faults:
    """``ignores``: says yes and does nothing.  ``unreachable``: no answer at all.  ``latency``: seconds a call."""

    ignores: bool = False
    unreachable: bool = False
    latency: float = 0.0


class PaperEngine:
    """A trading program in memory; safe to call from several threads."""

    def __init__(
        self,
        name: str = "paper",
        *,
        mode: str = "live",
        scope: Scope = GLOBAL,
        options: PaperOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.mode, self.scope = name, mode, scope
        self.capabilities = EngineCapabilities(scopes=DIMENSIONS)
        self.faults = Faults()
        self.calls = 0
        """How many requests it had."""
        self._options = options or PaperOptions()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        parts: Mapping[str, Mapping[str, str]] = self._options.strategies
        self._parts = {part: Scope.of({"strategy": part, **labels}) for part, labels in parts.items()} or {"": GLOBAL}
        self._states = dict.fromkeys(self._parts, EngineState.RUNNING)

    @property
    def states(self) -> dict[str, EngineState]:
        """What each strategy really does, whatever the engine says."""
        with self._lock:
            return dict(self._states)

    def start(self, strategy: str) -> None:
        """Let one strategy run, as somebody else would."""
        with self._lock:
            self._states[strategy] = EngineState.RUNNING

    def pause(self, strategy: str) -> None:
        """Stop one strategy, as somebody else would."""
        with self._lock:
            self._states[strategy] = EngineState.BLOCKED

    def block(self, part: Scope, reason: str, timeout: float) -> EngineState:  # noqa: ARG002 - the port
        """Stop every strategy that could trade in *part*."""
        return self._set(part, EngineState.BLOCKED, timeout)

    def reduce_only(self, part: Scope, reason: str, timeout: float) -> EngineState:  # noqa: ARG002 - the port
        """Let every strategy that could trade in *part* only reduce."""
        return self._set(part, EngineState.REDUCE_ONLY, timeout)

    def resume(self, part: Scope, reason: str, timeout: float) -> EngineState:  # noqa: ARG002 - the port
        """Let every strategy that could trade in *part* run."""
        return self._set(part, EngineState.RUNNING, timeout)

    def status(self, parts: Sequence[Scope], timeout: float) -> Mapping[Scope, EngineState]:
        """The least restricted strategy in each part; UNKNOWN when there is none."""
        self._reach(timeout)
        with self._lock:
            return {
                part: min(
                    (self._states[name] for name in self._matching(part)),
                    key=lambda state: state.rank,
                    default=EngineState.UNKNOWN,
                )
                for part in parts
            }

    def ping(self, timeout: float) -> float:
        """Answer after the latency that a drill set."""
        started = self._clock.monotonic()
        self._reach(timeout)
        return self._clock.monotonic() - started

    def close(self) -> None:
        """Nothing to release."""

    def _matching(self, scope: Scope) -> list[str]:
        return [part for part, labels in self._parts.items() if labels.overlaps(scope)]

    def _set(self, scope: Scope, state: EngineState, timeout: float) -> EngineState:
        self._reach(timeout)
        matching = self._matching(scope)
        if not matching and not self._options.allow_empty:
            raise PermanentError(f"{self.name}: no strategy trades in {scope}", reason="nothing_matched")
        if not self.faults.ignores:
            with self._lock:
                self._states.update(dict.fromkeys(matching, state))
        return state

    def _reach(self, timeout: float) -> None:
        with self._lock:
            self.calls += 1
        if self.faults.unreachable:
            raise TemporaryError(f"{self.name}: made unreachable", reason="unreachable")
        if self.faults.latency > 0:
            time.sleep(min(self.faults.latency, timeout))
        if self.faults.latency > timeout:
            raise UnknownOutcomeError(f"{self.name}: no answer within {timeout:g} s")


def build(*, name: str, mode: str, scope: Scope, options: PaperOptions, clock: Clock) -> PaperEngine:
    """Make the engine; never raises."""
    return PaperEngine(name, mode=mode, scope=scope, options=options, clock=clock)
