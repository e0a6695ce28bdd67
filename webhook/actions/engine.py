"""The reconciler of one engine: each of its parts is told what the strictest switch asks, and looked at afterwards.

It runs beside the reconcilers of the venue accounts and never before them: an engine that hangs delays no cancel.
Commands to one engine go out one after the other, and the next one is computed when the last was answered: what came
meanwhile is taken along, so that a hundred strategies that are stopped together cost one request.

An engine is told to trade again only where we stopped it: what it was told is durable, and a part that somebody else
had stopped before stays stopped.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from webhook.actions.account import Observer
from webhook.actions.port import Engine, EngineState
from webhook.clock import Clock
from webhook.errors import AndonError, PermanentError
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.desired import EngineTarget, SameSymbol, Standing, parts_of, worst
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import State
from webhook.killswitch.trip import Progress, TargetKind, Trip

log = structlog.get_logger(__name__)

SLOWEST_RETRY_SECONDS = 5.0
MOST_SINGLE = 8
"""More parts than this that wait to be stopped, most of the engine, are stopped by one command for all of it."""

_ASKED = {State.NORMAL: EngineState.RUNNING, State.DEGRADED: EngineState.REDUCE_ONLY, State.HALTED: EngineState.BLOCKED}


@dataclass(frozen=True, slots=True)
class Command:
    """Tell *part* (`GLOBAL`: all of the engine) to be in *state*."""

    part: Scope
    state: State


def next_command(
    desired: Mapping[Scope, State],
    confirmed: Mapping[Scope, State],
    told: Mapping[Scope, State],
    waiting: Collection[Scope] = (),
    stopped: Collection[Scope] = (),
) -> Command | None:
    """The one command that is due first, or None; pure.

    *desired* is what must hold in each part and region (`webhook.killswitch.desired.states`), *confirmed* what the
    engine confirmed, *told* the strictest that it may have been told; *waiting* are parts that are not asked again yet.
    Stopping comes before starting, the strictest and the widest first.  No command makes anything freer than whatever
    overlaps it must be, so what was told more widely is only taken back when nothing in it is held any more.
    """
    floors = _Floors({**desired, **dict.fromkeys(stopped, State.HALTED)})
    for state in (State.HALTED, State.DEGRADED):
        tighten = [
            part
            for part, wanted in desired.items()
            if wanted is state and confirmed.get(part, State.NORMAL).rank < state.rank and part not in waiting
        ]
        if tighten:
            everywhere = len(tighten) > 1 and all(wanted is state for wanted in desired.values())
            most = state is State.HALTED and len(tighten) > MOST_SINGLE and 2 * len(tighten) >= len(desired)
            part = GLOBAL if everywhere or most else min(tighten, key=_width)
            return Command(part, floors.of(part, state))
    for part in sorted((part for part in told if part not in waiting), key=_width):
        least = floors.of(part)
        if told[part].rank > least.rank:
            return Command(part, least)
    return None


class _Floors:
    """The freest state that a part may be told: the strictest of all that overlaps it; quick where there are many."""

    def __init__(self, desired: Mapping[Scope, State]) -> None:
        self._by_labels: dict[tuple[str, ...], dict[Scope, State]] = {}
        for scope, state in desired.items():
            self._by_labels.setdefault(scope.dimensions, {})[scope] = state

    def of(self, part: Scope, at_least: State = State.NORMAL) -> State:
        values, found = dict(part.constraints), at_least
        for labels, held in self._by_labels.items():
            states: Iterable[State]
            if all(label in values for label in labels):
                # Of those with the same labels only one overlaps: that of the same values.
                same = held.get(Scope(tuple((label, values[label]) for label in labels)))
                states = () if same is None else (same,)
            else:
                states = (state for other, state in held.items() if other.overlaps(part))
            for state in states:
                if state is State.HALTED:
                    return state
                found = max(found, state, key=lambda one: one.rank)
        return found


def _width(part: Scope) -> tuple[int, Scope]:
    return len(part.constraints), part


@dataclass(slots=True, eq=False)
class _Part:
    """``told``: the strictest it may have been told since it was last free.  ``confirmed``: what it confirmed."""

    told: State = State.NORMAL
    confirmed: State = State.NORMAL
    stopped_before: bool = False
    observed: EngineState | None = None
    asked_at: float | None = None
    retry_at: float = 0.0
    tries: int = 0
    error: str = ""
    runs: bool = False
    wanted: State = State.NORMAL

    @property
    def is_stopped_by_others(self) -> bool:
        """Whether it does not trade, and not because of us."""
        return self.stopped_before or (self.told is State.NORMAL and self.observed is EngineState.BLOCKED)

    def ask(self, tighten_to: State | None, now: float) -> None:
        """Note that it is being asked; *tighten_to* is the state, when that is stricter than what it confirmed."""
        self.asked_at, self.tries = self.asked_at or now, self.tries + 1
        if tighten_to is None or self.told.rank >= tighten_to.rank:
            return
        if self.told is State.NORMAL:
            self.stopped_before = self.observed is not None and self.observed.rank >= _ASKED[tighten_to].rank
        self.told = tighten_to


class EngineReconciler:
    """Looks after one engine; thread-safe."""

    def __init__(
        self,
        engine: Engine,
        target: EngineTarget,
        clock: Clock,
        observer: Observer,
        *,
        standing: Callable[[], Standing],
        same_symbol: SameSymbol,
        stored: Callable[[str], Progress | None],
        report: Callable[[Sequence[Progress]], None],
        remember: Callable[[Sequence[Commanded]], None],
        tell: Callable[[Scope, str], None],
        timeout: float,
        check_seconds: float,
    ) -> None:
        """*remember* has what was commanded written; *tell* tells people about a part.  ``timeout``: seconds for one
        request, and what a silent engine is waited for.  ``check_seconds``: how often it is looked at.
        """
        self.engine, self.target = engine, target
        self._clock, self._observer = clock, observer
        self._standing, self._same_symbol, self._stored = standing, same_symbol, stored
        self._report, self._remember, self._tell = report, remember, tell
        self._timeout, self.check_seconds = timeout, check_seconds
        self._parts = {part.scope: _Part() for part in target.parts}
        self._rows: dict[str, Progress] = {}
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False
        self._reached: dict[Scope, tuple[Scope, ...]] = {}
        self._epoch: int | None = None
        self._until = 0.0
        self._handed: tuple[int | None, Sequence[Commanded] | None] | None = None
        self._loaded = False
        self._revision = 0
        self._look_at = 0.0
        self._silent = False
        self._thread = threading.Thread(target=self._run, name=f"engine-{target.name}", daemon=True)

    # -- what the service calls -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop; a request under way may still finish."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=self._timeout * 2)

    def hold(self, epoch: int | None, until: float, commanded: Sequence[Commanded] | None = None) -> None:
        """Look after the engine under this epoch of its lease (None: another process does).

        It is made freer until the monotonic moment *until*: a process that was stopped for longer finds out first
        whether another one looks after it by now.  *commanded* is what the store has; None while it cannot be read:
        then the engine may be stopped, not started.
        """
        with self._wake:
            self._until = until
            before = self._handed
            if commanded is None and before is not None and before[0] == epoch:
                commanded = before[1]
            self._handed = (epoch, commanded)
            self._woken = True
            self._wake.notify_all()

    @property
    def loaded(self) -> bool:
        """Whether it knows what the engine was told before."""
        return self._loaded

    def wake(self) -> None:
        """Look at the switches again."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and not self._woken:
                    wait = self._seconds_to_wait()
                    if wait is not None and wait <= 0:
                        break
                    self._wake.wait(wait)
                if self._stopping:
                    return
                self._woken = False
            try:
                self._round()
            except Exception:  # one of the named borders: the loop must outlive any fault of an adapter
                log.exception("engine.fault", engine=self.target.name)
                self._observer.fault("engine")
                with self._wake:
                    self._wake.wait(1.0)

    def _take_over(self) -> None:
        """Take the lease as it was handed last. Lock held, and between rounds: no command is under way."""
        if self._handed is None:
            return
        epoch, commanded = self._handed
        self._handed = None
        if epoch != self._epoch:
            if self._epoch != 0:
                # Whatever was known of the engine is old: another process may have told it anything.
                self._parts = {part.scope: _Part() for part in self.target.parts}
                self._loaded = False
            self._epoch, self._revision = epoch, 0
            self._rows.clear()
        if commanded is not None and not self._loaded:
            self._loaded = True
            for row in commanded:
                part = self._part(row.part)
                if part.told is State.NORMAL:
                    part.told, part.stopped_before = row.state, row.stopped_before

    def _seconds_to_wait(self) -> float | None:
        """Until something is due by itself. Lock held."""
        if self._epoch is None:
            return None
        times = [part.retry_at for part in self._parts.values() if part.retry_at]
        times += [part.asked_at + self._timeout for part in self._parts.values() if part.asked_at is not None]
        now = self._clock.monotonic()
        return min([*(at for at in times if at > now), self._look_at]) - now

    def _round(self) -> None:
        """Send what is due, one command at a time; then look at the engine, if it is time for that."""
        with self._wake:
            self._take_over()
        while not self._stopping and self._epoch is not None:
            standing = self._standing()
            desired = self._desired(standing)
            self._tell_progress(standing)
            if self.target.shadow:
                self._look_at = self._clock.monotonic() + self.check_seconds
                return
            for scope in desired:
                self._part(scope)
            now = self._clock.monotonic()
            self._leave_what_others_stopped(desired)
            told = {scope: part.told for scope, part in self._parts.items() if self._loaded and not part.stopped_before}
            confirmed = {scope: part.confirmed for scope, part in self._parts.items()}
            waiting = {scope for scope, part in self._parts.items() if part.retry_at > now}
            stopped = [one.scope for one in self.target.parts if self._parts[one.scope].is_stopped_by_others]
            command = next_command(desired, confirmed, told, waiting, stopped)
            if command is None:
                self._tell_what_stays_stopped(desired)
                break
            loosens = self._part(command.part).confirmed.rank >= command.state.rank
            if loosens and self._clock.monotonic() >= self._until:
                break
            self._send(command, desired)
        if self._epoch is not None and self._clock.monotonic() >= self._look_at:
            self._look()
            self._woken = self._woken or self._something_runs()

    def _desired(self, standing: Standing) -> dict[Scope, State]:
        return worst(self.target, [(switch.state, self._parts_of(switch.scope)) for switch in standing.switches])

    def _parts_of(self, scope: Scope) -> tuple[Scope, ...]:
        """As `parts_of`; remembered, unless it depends on which markets are known by now."""
        if scope.get("symbol") is not None:
            return parts_of(self.target, scope, self._same_symbol)
        found = self._reached.get(scope)
        if found is None:
            found = self._reached[scope] = parts_of(self.target, scope, self._same_symbol)
        return found

    def _part(self, scope: Scope) -> _Part:
        return self._parts.setdefault(scope, _Part())

    def _inside(self, scope: Scope) -> list[Scope]:
        """*scope* and every part that a command for it reaches as a whole."""
        return [scope, *(part for part in self._parts if part != scope and scope.contains(part))]

    def _leave_what_others_stopped(self, desired: Mapping[Scope, State]) -> None:
        """A part that somebody else stopped is neither started, nor made freer by a milder or a wider command."""
        floors = _Floors(desired)
        for scope in sorted(self._parts, key=_width):
            part = self._parts[scope]
            if part.told is State.NORMAL and part.observed is not EngineState.BLOCKED:
                continue
            wanted = floors.of(scope)
            if part.told is State.NORMAL:
                if wanted is State.DEGRADED and part.observed is EngineState.BLOCKED:
                    part.confirmed = wanted
                continue
            if wanted is not State.NORMAL or not self._loaded:
                continue
            configured = (one.scope for one in self.target.parts)
            others = [one for one in configured if one.overlaps(scope) and self._parts[one].is_stopped_by_others]
            if part.stopped_before or (others and scope not in others):
                part.told, part.confirmed, part.stopped_before = State.NORMAL, State.NORMAL, False
                self._write(scope)
                self._tell(scope, "it stays stopped: somebody else had stopped it, or a part of it, before")

    def _tell_what_stays_stopped(self, desired: Mapping[Scope, State]) -> None:
        """A region that no switch names any more is not freed while something in it is held: people must know."""
        configured = {one.scope for one in self.target.parts}
        for scope, part in self._parts.items():
            wanted = desired.get(scope, State.NORMAL)
            if (
                self._loaded
                and scope not in configured
                and wanted is State.NORMAL
                and State.NORMAL not in (part.wanted, part.told)
            ):
                self._tell(scope, "what nobody configured in it stays stopped until nothing in it is held any more")
            part.wanted = wanted

    def _send(self, command: Command, desired: Mapping[Scope, State]) -> None:
        now = self._clock.monotonic()
        self._part(command.part)
        meant = self._inside(command.part)
        tightens = self._parts[command.part].confirmed.rank < command.state.rank
        for scope in meant:
            self._parts[scope].ask(command.state if tightens else None, now)
        if tightens:
            # Noted before it is sent: after a crash in between, somebody must start it again.
            self._write(*meant)
        why = self._ask(command)
        if not why:
            for scope in meant:
                self._parts[scope] = _confirmed(self._parts[scope], command.state)
            self._write(*meant)
            return
        now = self._clock.monotonic()
        for scope in meant:
            part = self._parts[scope]
            part.error, part.retry_at = why, now + min(0.1 * 2 ** min(part.tries, 10), SLOWEST_RETRY_SECONDS)
        if self._silent:
            self._note_silence(desired, why, now)
        if not tightens and self._parts[command.part].tries == 1:
            self._tell(command.part, f"it is not trading again yet: {why}")

    def _note_silence(self, desired: Mapping[Scope, State], why: str, now: float) -> None:
        """An engine that does not answer is silent for all of its parts."""
        for scope, wanted in desired.items():
            part = self._parts[scope]
            if wanted.rank > part.confirmed.rank:
                part.asked_at, part.error = part.asked_at or now, why

    def _ask(self, command: Command) -> str:
        """Send one command; returns why it is not confirmed, or nothing."""
        self._silent = False
        try:
            state = self._call(command)
        except AndonError as error:
            self._silent = not isinstance(error, PermanentError)
            log.warning("engine.not_confirmed", engine=self.target.name, part=str(command.part), error=str(error))
            return str(error)
        self._observer.engine(self.target.name, up=True)
        if not self._confirms(state, command):
            log.warning("engine.not_confirmed", engine=self.target.name, part=str(command.part), state=state.value)
            return f"it answered {state.value}"
        log.info("engine.confirmed", engine=self.target.name, part=str(command.part), state=state.value)
        return ""

    def _call(self, command: Command) -> EngineState:
        standing = self._standing()
        held = [one.trip_id for one in standing.switches if one.state is command.state]
        match command.state:
            case State.HALTED:
                return self.engine.block(command.part, f"trip {held[0] if held else ''}", self._timeout)
            case State.DEGRADED:
                return self.engine.reduce_only(command.part, f"trip {held[0] if held else ''}", self._timeout)
            case State.NORMAL:
                return self.engine.resume(command.part, "resumed", self._timeout)

    @staticmethod
    def _confirms(state: EngineState, command: Command) -> bool:
        if command.state is State.NORMAL:
            return state is EngineState.RUNNING
        # Blocked is more than was asked for by `reduce`, and good.
        return state.rank >= _ASKED[command.state].rank

    def _look(self) -> None:
        """See what the engine does: one that was stopped and trades again is stopped again, and people are told."""
        self._look_at = self._clock.monotonic() + self.check_seconds
        if not self.engine.capabilities.status:
            return
        desired = self._desired(self._standing())
        try:
            seen = self.engine.status(tuple(self._parts), self._timeout)
        except AndonError as error:
            # A dead engine sends no orders, and the sweep would see them.
            self._observer.engine(self.target.name, up=False)
            log.info("engine.status_unknown", engine=self.target.name, reason=error.reason)
            return
        self._observer.engine(self.target.name, up=True)
        for scope, state in seen.items():
            part, wanted = self._part(scope), desired.get(scope, State.NORMAL)
            part.observed = state
            part.runs = (
                wanted is not State.NORMAL
                and part.confirmed.rank >= wanted.rank
                and state is not EngineState.UNKNOWN
                and state.rank < _ASKED[wanted].rank
            )
            if part.runs:
                part.confirmed, part.retry_at, part.asked_at = State.NORMAL, 0.0, None

    def _something_runs(self) -> bool:
        return any(part.runs for part in self._parts.values())

    # -- telling ----------------------------------------------------------------------------------------------------

    def _tell_progress(self, standing: Standing) -> None:
        rows = []
        here = set()
        for switch in standing.switches:
            trip = standing.trips.get(switch.trip_id or "")
            parts = self._parts_of(switch.scope) if trip is not None else ()
            if trip is None or not parts:
                continue
            here.add(trip.id)
            row = self._row(trip, switch.state, parts, standing.received.get(trip.id, 0.0))
            if row is not None:
                rows.append(row)
        self._rows = {trip_id: row for trip_id, row in self._rows.items() if trip_id in here}
        if rows:
            self._report(rows)

    def _row(self, trip: Trip, state: State, parts: Sequence[Scope], received: float) -> Progress | None:
        """The row of one trip, or None when nothing changed."""
        now = self._clock.monotonic()
        mine = [self._part(scope) for scope in parts]
        waiting = [part for part in mine if part.confirmed.rank < state.rank]
        why = next((part.error for part in waiting if part.error), "")
        if self.target.shadow:
            stage, why = Stage.SHADOW, ""
        elif not waiting:
            stage, why = Stage.STOPPED, ""
        elif any(part.runs for part in waiting):
            stage, why = Stage.LEFT, "it trades again"
        elif all(part.asked_at is not None and now - part.asked_at >= self._timeout for part in waiting):
            stage = Stage.UNKNOWN
        else:
            stage = Stage.WAITING
        before = self._rows.get(trip.id) or self._stored(trip.id)
        # What an earlier epoch confirmed stands while this one has asked and was not answered yet.
        resting = before is not None and trip.id not in self._rows and before.stage is Stage.STOPPED
        if before is not None and resting and stage is Stage.WAITING:
            return None
        if before is not None and before.stage is stage and before.detail.get("why", "") == why:
            self._rows[trip.id] = before
            return None
        before = before or Progress(trip.id, self.target.name, TargetKind.ENGINE)
        self._revision += 1
        row = replace(
            before,
            stage=stage,
            since=self._clock.now(),
            late=stage is Stage.UNKNOWN,
            detail={"why": why} if why else {},
            epoch=self._epoch or 0,
            revision=self._revision,
        )
        if stage is Stage.STOPPED:
            row = row.reached("stopped", now - received)
        self._rows[trip.id] = row
        return row

    def _write(self, *scopes: Scope) -> None:
        self._revision += 1
        now = self._clock.now()
        self._remember(
            [
                Commanded(
                    self.target.name,
                    scope,
                    self._parts[scope].told,
                    self._parts[scope].stopped_before,
                    now,
                    self._epoch or 0,
                    self._revision,
                )
                for scope in scopes
            ]
        )


def _confirmed(part: _Part, state: State) -> _Part:
    """The part after it confirmed *state*."""
    ours = part.told.rank <= state.rank
    return _Part(
        wanted=part.wanted,
        told=state,
        confirmed=state,
        stopped_before=part.stopped_before and ours and state is not State.NORMAL,
        observed=_ASKED[state],
    )
