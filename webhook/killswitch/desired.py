"""What must hold, computed from all switches: pure functions, and the configured targets that they speak of.

Nothing here is remembered.  A reconciler asks again whenever anything changed, and whatever the order of trips, resumes
and expiries was, the answer is that of the switches as they are: the strictest one that covers a thing decides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Trip


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """A venue account as configured; ``shadow``: nothing is sent to it."""

    name: str
    venue: str
    account: str
    shadow: bool = False

    @property
    def scope(self) -> Scope:
        """Everything in this account."""
        return _account_scope(self.venue, self.account)


@cache
def _account_scope(venue: str, account: str) -> Scope:
    return Scope.of({"venue": venue, "account": account})


@dataclass(frozen=True, slots=True)
class EnginePart:
    """One configured part of an engine that it can be told about.

    ``scope`` names it, in configured values of the labels that the engine knows (`GLOBAL`: the whole engine).
    ``places`` is what trades in it: scopes with every label that the configuration gives.
    """

    scope: Scope
    places: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class EngineTarget:
    """An engine as configured.

    ``parts``: what it can be told about one by one; there is at least one.  ``labels`` are those that it can be told
    by, ``values`` the (label, value) pairs that are configured: nothing else is ever said to it.
    """

    name: str
    scope: Scope
    parts: tuple[EnginePart, ...]
    labels: frozenset[str] = frozenset()
    values: frozenset[tuple[str, str]] = frozenset()
    shadow: bool = False


SameSymbol = Callable[[Scope, str], bool]
"""Whether the symbol of a place may be the one that a label names; True where that is not known."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything that is configured; ``traders`` are the (strategy, venue, account) that somebody trades as."""

    engines: tuple[EngineTarget, ...] = ()
    accounts: tuple[AccountTarget, ...] = ()
    traders: frozenset[tuple[str, str, str]] = frozenset()

    def accounts_of(self, scope: Scope) -> tuple[AccountTarget, ...]:
        """The venue accounts that *scope* reaches; none for a strategy that trades nowhere we know of."""
        return tuple(one for one in self.accounts if self.reaches(one, scope))

    def reaches(self, account: AccountTarget, scope: Scope) -> bool:
        """Whether *scope* reaches *account*."""
        strategy = scope.get("strategy")
        trades = strategy is None or (strategy, account.venue, account.account) in self.traders
        return trades and account.scope.overlaps(scope)

    def engines_of(self, scope: Scope) -> tuple[EngineTarget, ...]:
        """The engines that *scope* reaches."""
        return tuple(one for one in self.engines if one.scope.overlaps(scope))


@dataclass(frozen=True, slots=True)
class Standing:
    """The switches that are not NORMAL, at one moment, with the trips that brought them where they are.

    ``received`` is, for each trip, the monotonic time in this process that stands for its receipt.
    """

    switches: tuple[Switch, ...] = ()
    trips: Mapping[str, Trip] = field(default_factory=dict)
    received: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Goal:
    """What one switch asks of one venue account: nothing in ``scope`` that ``action`` does not allow."""

    trip: Trip
    scope: Scope
    action: Action
    keep_protective: bool
    received: float


def goals(account: AccountTarget, targets: Targets, standing: Standing) -> tuple[Goal, ...]:
    """What must hold in *account*: one goal for each switch that reaches it."""
    return tuple(
        Goal(trip, switch.scope, switch.action, switch.keep_protective, standing.received.get(trip.id, 0.0))
        for switch in standing.switches
        if switch.action is not None
        and (trip := standing.trips.get(switch.trip_id or "")) is not None
        and targets.reaches(account, switch.scope)
    )


def states(engine: EngineTarget, switches: Iterable[Switch], same_symbol: SameSymbol) -> dict[Scope, State]:
    """What must hold in each part of *engine*, and in each region of it that a switch names: the worst state there is.

    A region is a wider scope by which the engine can be told of a switch exactly; it holds parts that nobody
    configured, too.
    """
    return worst(engine, [(switch.state, parts_of(engine, switch.scope, same_symbol)) for switch in switches])


def worst(engine: EngineTarget, reached: Iterable[tuple[State, tuple[Scope, ...]]]) -> dict[Scope, State]:
    """See `states`; *reached* has for each switch its state, and the `parts_of` its scope."""
    reached = [(state, parts) for state, parts in reached if parts]
    found = dict.fromkeys((part.scope for part in engine.parts), State.NORMAL)
    configured = frozenset(found)
    found |= {part: State.NORMAL for _, parts in reached for part in parts}
    regions = [part for part in found if part not in configured]
    for state, parts in reached:
        # What is told to a region is told to every part and region inside it; no configured part is inside another one.
        inside = regions if parts[0] in configured else found
        for part in (*parts, *(one for one in inside if parts[0].contains(one))):
            if state.rank > found[part].rank:
                found[part] = state
    return found


def region(engine: EngineTarget, scope: Scope) -> Scope | None:
    """The scope by which the engine is told of all of *scope*, exactly and in configured values; None: there is none.

    A scope that names a strategy has none: its parts are configured, or it is nobody's.
    """
    if not engine.scope.overlaps(scope) or scope.get("strategy") is not None:
        return None
    if scope.contains(engine.scope):
        return GLOBAL
    if set(scope.dimensions) <= engine.labels and set(scope.constraints) <= engine.values:
        return scope
    return None


def parts_of(engine: EngineTarget, scope: Scope, same_symbol: SameSymbol) -> tuple[Scope, ...]:
    """The parts of *engine* that have to be told of *scope*: its region with all in it, or each part that it may reach.

    The region comes first.  A scope that overlaps the engine and none of its parts (a strategy that nobody configured)
    means the whole engine: where it cannot be told precisely it is stopped more widely, never less.
    """
    if not engine.scope.overlaps(scope):
        return ()
    named = region(engine, scope)
    if named is None:
        reached = tuple(
            part.scope for part in engine.parts if any(_may_meet(place, scope, same_symbol) for place in part.places)
        )
        if reached:
            return reached
        named = GLOBAL
    return (named, *(part.scope for part in engine.parts if named.contains(part.scope) and part.scope != named))


def cut(engine: Scope, labels: Iterable[str], places: Iterable[Scope]) -> tuple[EnginePart, ...]:
    """The parts of an engine that can be told about *labels* and in which *places* are traded.

    Where one of the places leaves such a label free, only the whole engine is left to be told.
    """
    known = set(labels)
    inside = [place for place in places if place.overlaps(engine)]
    parts: dict[Scope, list[Scope]] = {}
    for place in inside:
        named = Scope(tuple((name, value) for name, value in place.constraints if name in known))
        parts.setdefault(named, []).append(place)
    if not parts or GLOBAL in parts or len({len(part.constraints) for part in parts}) > 1:
        return (EnginePart(GLOBAL, tuple(inside) or (engine,)),)
    return tuple(EnginePart(scope, tuple(found)) for scope, found in sorted(parts.items()))


def _may_meet(place: Scope, scope: Scope, same_symbol: SameSymbol) -> bool:
    symbol = scope.get("symbol")
    if symbol is None or place.get("symbol") is None:
        return place.overlaps(scope)
    rest = Scope(tuple((name, value) for name, value in scope.constraints if name != "symbol"))
    return place.overlaps(rest) and same_symbol(place, symbol)
