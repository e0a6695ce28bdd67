"""From a trip to its steps: what is told to which engine, and done at which venue account, in which order.

Blocks and first cancels share order 0 and run at once, so that an engine that hangs never delays a cancel; the
verdict comes after both.  Only targets that the scope overlaps get a step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from webhook.killswitch.port import Step, StepKind, StepStatus, Trip
from webhook.killswitch.states import Action
from webhook.killswitch.scope import Scope

ORDER = {
    StepKind.BLOCK: 0,
    StepKind.CANCEL: 0,
    StepKind.VERIFY: 1,
    StepKind.FLATTEN: 2,
    StepKind.VERIFY_FLAT: 3,
}


@dataclass(frozen=True, slots=True)
class EngineTarget:
    """An engine and what it trades."""

    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """A venue account; ``positions`` says whether there can be any (spot has none)."""

    name: str
    venue: str
    account: str
    positions: bool = True

    @property
    def scope(self) -> Scope:
        """Everything in this account."""
        return Scope.of({"venue": self.venue, "account": self.account})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long after the trip was received a person must be told that a step is late."""

    block: timedelta = timedelta(seconds=2)
    verify: timedelta = timedelta(seconds=10)
    flat: timedelta = timedelta(seconds=60)


def plan(
    trip: Trip,
    engines: Sequence[EngineTarget],
    accounts: Sequence[AccountTarget],
    deadlines: Deadlines,
    ids: Callable[[], str],
) -> tuple[Step, ...]:
    """The steps of *trip*, by order; *ids* gives a new id at each call.

    ``reduce`` cancels nothing unread: its VERIFY finds, and takes away, what could add exposure.  A flatten of an
    account that has no positions is planned as SKIPPED, so that the trip shows it was thought of.
    """
    return tuple(sorted(_steps(trip, engines, accounts, deadlines, ids), key=lambda step: step.order))


def _steps(
    trip: Trip,
    engines: Sequence[EngineTarget],
    accounts: Sequence[AccountTarget],
    deadlines: Deadlines,
    ids: Callable[[], str],
) -> Iterator[Step]:
    def step(kind: StepKind, target: str, within: timedelta) -> Step:
        return Step(ids(), trip.id, kind, target, ORDER[kind], trip.received_at + within)

    if trip.action is Action.PAGE:
        return
    for engine in engines:
        if engine.scope.overlaps(trip.scope):
            yield step(StepKind.BLOCK, engine.name, deadlines.block)
    for account in accounts:
        if not account.scope.overlaps(trip.scope):
            continue
        if trip.action is not Action.REDUCE:
            yield step(StepKind.CANCEL, account.name, deadlines.verify)
        yield step(StepKind.VERIFY, account.name, deadlines.verify)
        if trip.action is Action.FLATTEN:
            for kind in (StepKind.FLATTEN, StepKind.VERIFY_FLAT):
                planned = step(kind, account.name, deadlines.flat)
                yield planned if account.positions else _skipped(planned, trip)


def _skipped(step: Step, trip: Trip) -> Step:
    return Step(
        step.id,
        step.trip_id,
        step.kind,
        step.target,
        step.order,
        step.deadline,
        status=StepStatus.SKIPPED,
        result={"why": "this venue account has no positions"},
        ended_at=trip.received_at,
    )
