"""What an engine is told next: never less than its strictest switch, and in the end exactly what must hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import a_switch, a_trip
from tests.fakes import FrozenClock
from webhook.actions.account import Observer
from webhook.actions.engine import EngineReconciler, next_command
from webhook.actions.port import EngineCapabilities, EngineState
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.desired import EngineTarget, Standing, cut, parts_of, region, states
from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
KNOWN = {"venue": ("okx", "binance"), "account": ("main",), "strategy": ("mm", "trend"), "symbol": (BTC, ETH)}
TRADERS = tuple(
    Scope.of(dict(zip(DIMENSIONS, values, strict=True)))
    for values in product(KNOWN["venue"], KNOWN["account"], (*KNOWN["strategy"], "ghost"), KNOWN["symbol"])
)
"""Everything that trades in the engine; the strategy ``ghost`` is not configured."""
ASKED = {State.NORMAL: EngineState.RUNNING, State.DEGRADED: EngineState.REDUCE_ONLY, State.HALTED: EngineState.BLOCKED}
SCOPES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([*values, "strange"]) for name, values in KNOWN.items()}
).map(Scope.of)
PLACES = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from(KNOWN[name]) for name in ("venue", "account", "strategy")},
        optional={"symbol": st.sampled_from(KNOWN["symbol"])},
    ).map(Scope.of),
    max_size=4,
    unique=True,
)
STATES = st.sampled_from(State)


def same(place: Scope, symbol: str) -> bool:
    return place.get("symbol") == symbol


def an_engine(labels: Iterable[str], places: list[Scope]) -> EngineTarget:
    """As the composition root makes one."""
    known = frozenset(labels)
    values = frozenset(pair for place in places for pair in place.constraints)
    return EngineTarget("engine", GLOBAL, cut(GLOBAL, known, places), known, values)


ENGINES = st.builds(an_engine, st.sets(st.sampled_from(DIMENSIONS)), PLACES)


@given(
    st.dictionaries(SCOPES, STATES, min_size=1, max_size=12),
    st.dictionaries(SCOPES, STATES, max_size=8),
    st.dictionaries(SCOPES, STATES, max_size=8),
    st.sets(SCOPES, max_size=4),
)
def test_no_command_makes_anything_freer_than_it_must_be_and_none_is_idle(
    desired: dict[Scope, State], confirmed: dict[Scope, State], told: dict[Scope, State], waiting: set[Scope]
) -> None:
    command = next_command(desired, confirmed, told, waiting)

    short = {part for part, state in desired.items() if confirmed.get(part, State.NORMAL).rank < state.rank} - waiting
    if command is None:
        assert not short
        return
    assert all(command.state.rank >= state.rank for part, state in desired.items() if part.overlaps(command.part))
    if short:
        assert command.state is not State.NORMAL, "stopping comes first"
        strictest = max(desired[part].rank for part in short)
        assert command.state.rank >= strictest
        assert any(command.part.contains(part) for part in short)
    else:
        assert told[command.part].rank > command.state.rank, "and what is freed was held"


@dataclass
class Simulated:
    """An engine that keeps to the port: a command reaches exactly what the part names; each may go wrong once."""

    target: EngineTarget
    faults: list[str] = field(default_factory=list)
    traders: dict[Scope, EngineState] = field(default_factory=lambda: dict.fromkeys(TRADERS, EngineState.RUNNING))
    commands: list[tuple[Scope, State]] = field(default_factory=list)

    name, mode, scope = "engine", "live", GLOBAL
    capabilities = EngineCapabilities(DIMENSIONS)

    def block(self, part: Scope, _reason: str, _timeout: float) -> EngineState:
        return self._tell(part, State.HALTED)

    def reduce_only(self, part: Scope, _reason: str, _timeout: float) -> EngineState:
        return self._tell(part, State.DEGRADED)

    def resume(self, part: Scope, _reason: str, _timeout: float) -> EngineState:
        return self._tell(part, State.NORMAL)

    def status(self, parts: Sequence[Scope], _timeout: float) -> Mapping[Scope, EngineState]:
        return {part: min(self._in(part), key=lambda state: state.rank, default=EngineState.UNKNOWN) for part in parts}

    def ping(self, _timeout: float) -> float:
        return 0.0

    def close(self) -> None:
        pass

    def _in(self, part: Scope) -> list[EngineState]:
        return [state for trader, state in self.traders.items() if part.contains(trader)]

    def _tell(self, part: Scope, state: State) -> EngineState:
        self.commands.append((part, state))
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost":
            raise TemporaryError("nothing was sent")
        if fault == "refused":
            raise PermanentError("not now")
        for trader in self.traders:
            if part.contains(trader):
                self.traders[trader] = ASKED[state]
        if fault == "unanswered":
            raise UnknownOutcomeError("it was applied, and never answered")
        return ASKED[state]


class Desk:
    """One engine, its reconciler, and what is durable; the loop is turned by hand."""

    def __init__(self, target: EngineTarget) -> None:
        self.target, self.engine, self.clock = target, Simulated(target), FrozenClock()
        self.standing = Standing()
        self.commanded: dict[Scope, Commanded] = {}
        self.rows: dict[str, Progress] = {}
        self.epoch = 0
        self.crash()

    def crash(self) -> None:
        """Another process takes over, with what the store has."""
        self.epoch += 1
        self.reconciler = EngineReconciler(
            self.engine,
            self.target,
            self.clock,
            Observer(),
            standing=lambda: self.standing,
            same_symbol=same,
            stored=self.rows.get,
            report=lambda rows: self.rows.update({row.trip_id: row for row in rows}),
            remember=lambda rows: self.commanded.update({row.part: row for row in rows}),
            tell=lambda *_: None,
            timeout=1.0,
            check_seconds=1.0,
        )
        self.reconciler.hold(self.epoch, float("inf"), tuple(self.commanded.values()))

    def switch(self, switches: Sequence[Switch]) -> None:
        """These are the switches now."""
        out = tuple(
            replace(one, trip_id=f"trip-{one.scope}-{one.state}") for one in switches if one.state is not State.NORMAL
        )
        self.standing = Standing(out, {one.trip_id: a_trip(one.trip_id, scope=one.scope) for one in out if one.trip_id})

    def turn(self, seconds: float) -> None:
        """One round of the loop, some time later; no command of it may be milder than a switch that reaches it."""
        before = len(self.engine.commands)
        self.clock.advance(seconds)
        self.reconciler._round()
        for part, state in self.engine.commands[before:]:
            for one in self.standing.switches:
                if any(told.overlaps(part) for told in parts_of(self.target, one.scope, same)):
                    assert state.rank >= one.state.rank, f"{part} was told {state}, and {one.scope} is {one.state}"

    def settle(self) -> None:
        """Turn until nothing is said any more."""
        self.engine.faults.clear()
        quiet = 0
        for _ in range(100):
            before = len(self.engine.commands)
            self.turn(6.0)
            quiet = quiet + 1 if len(self.engine.commands) == before else 0
            if quiet == 3:
                return
        raise AssertionError(f"it never ends: {self.engine.commands[-6:]}")


SWITCHES = st.lists(
    st.builds(lambda scope, state: a_switch(state, scope=scope), SCOPES, STATES),
    max_size=5,
    unique_by=lambda switch: switch.scope,
)
STEPS = st.lists(
    st.tuples(st.just("switches"), SWITCHES)
    | st.tuples(st.just("faults"), st.lists(st.sampled_from(["lost", "refused", "unanswered", ""]), max_size=4))
    | st.tuples(st.just("crash"), st.none())
    | st.tuples(st.just("runs again"), st.sampled_from(TRADERS))
    | st.tuples(st.just("time"), st.sampled_from([0.0, 0.3, 3.0])),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(ENGINES, STEPS, SWITCHES)
def test_an_engine_ends_where_its_switches_ask_whatever_went_wrong_on_the_way(
    target: EngineTarget, steps: list[tuple], last: list[Switch]
) -> None:
    desk = Desk(target)
    for kind, what in [*steps, ("switches", last)]:
        match kind:
            case "switches":
                desk.switch(what)
            case "faults":
                desk.engine.faults += what
            case "crash":
                desk.crash()
            case "runs again":
                desk.engine.traders[what] = EngineState.RUNNING
            case "time":
                desk.turn(what)
        desk.turn(0.01)
    desk.settle()

    desired = states(target, desk.standing.switches, same)
    configured = [place for part in target.parts for place in part.places]
    for trader, state in desk.engine.traders.items():
        known = any(place.contains(trader) for place in configured)
        for one in desk.standing.switches:
            if one.scope.contains(trader) and (known or region(target, one.scope) is not None):
                assert state.rank >= ASKED[one.state].rank, f"{trader} is {state} under {one.scope}"
    if set(desired.values()) == {State.NORMAL}:
        assert set(desk.engine.traders.values()) == {EngineState.RUNNING}
    for part in target.parts:
        # Where nothing else overlaps a part in part, it is in exactly its state, and no stricter one.
        if all(other.contains(part.scope) for other in desired if other.overlaps(part.scope)):
            for trader, state in desk.engine.traders.items():
                if part.scope.contains(trader):
                    assert state is ASKED[desired[part.scope]], f"{trader} is {state}, not {desired[part.scope]}"
    stages = {desk.rows[one.trip_id].stage for one in desk.standing.switches if one.trip_id}
    assert stages <= {Stage.STOPPED}


def stopped_by_somebody(target: EngineTarget, part: Scope) -> Desk:
    """An engine of which one part was stopped by somebody else, who was seen doing it."""
    desk = Desk(target)
    for one in desk.engine.traders:
        if part.contains(one):
            desk.engine.traders[one] = EngineState.BLOCKED
    desk.turn(2.0)
    return desk


@settings(max_examples=60, deadline=None)
@given(ENGINES, SWITCHES, st.sampled_from(TRADERS))
def test_what_somebody_else_stopped_is_not_started_by_a_resume(
    target: EngineTarget, switches: list[Switch], trader: Scope
) -> None:
    part = next((part.scope for part in target.parts if part.scope.contains(trader)), None)
    assume(part is not None)
    desk = stopped_by_somebody(target, part)
    desk.switch(switches)
    desk.settle()
    assert desk.engine.traders[trader] is EngineState.BLOCKED
    desk.switch([])
    desk.settle()

    assert desk.engine.traders[trader] is EngineState.BLOCKED


SANDBOX = an_engine(
    DIMENSIONS,
    [Scope.parse("venue=okx,account=main,strategy=mm"), Scope.parse("venue=okx,account=main,strategy=trend")],
)
MM = Scope.parse("venue=okx,account=main,strategy=mm")


def states_of(desk: Desk, part: Scope) -> set[EngineState]:
    return {state for trader, state in desk.engine.traders.items() if part.contains(trader)}


def test_a_wide_reduce_does_not_free_what_somebody_else_stopped() -> None:
    desk = stopped_by_somebody(SANDBOX, MM)

    desk.switch([a_switch(State.DEGRADED, scope=GLOBAL)])
    desk.settle()

    assert states_of(desk, MM) == {EngineState.BLOCKED}


def test_the_resume_of_a_symbol_does_not_start_a_strategy_that_somebody_else_stopped() -> None:
    target = replace(SANDBOX, values=SANDBOX.values | {("symbol", BTC)})
    desk = stopped_by_somebody(target, MM)
    desk.switch([a_switch(State.HALTED, scope=Scope.parse(f"venue=okx,symbol={BTC}"))])
    desk.settle()

    desk.switch([])
    desk.settle()

    assert states_of(desk, MM) == {EngineState.BLOCKED}
