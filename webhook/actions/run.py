"""From a stored trip to work under way: every engine and venue account in its scope gets a demand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from webhook.actions.account_line import AccountLine
from webhook.actions.demand import BlockDemand, Demand, Gate
from webhook.actions.engine_line import EngineLine
from webhook.clock import Clock
from webhook.killswitch.plan import Deadlines
from webhook.killswitch.port import Step, StepKind, StepStatus, Trip, TripStatus


@dataclass(frozen=True, slots=True)
class Planned:
    """A trip and its steps, as they are in the store; ``received_at`` is the monotonic time of the request."""

    trip: Trip
    steps: tuple[Step, ...]
    received_at: float


class Lines:
    """All lines of this process."""

    def __init__(
        self,
        accounts: Mapping[str, AccountLine],
        engines: Mapping[str, EngineLine],
        deadlines: Deadlines,
        clock: Clock,
    ) -> None:
        self.accounts = accounts
        self.engines = engines
        self._deadlines = deadlines
        self._clock = clock

    def start(self) -> None:
        """Start every line's thread."""
        for line in self._all():
            line.start()

    def stop(self) -> None:
        """Stop every line."""
        for line in self._all():
            line.stop()

    def launch(self, plans: Sequence[Planned]) -> None:
        """Begin (or go on with) all of *plans*; returns at once, with the first requests on their way."""
        demands: dict[str, list[Demand]] = {}
        blocks: dict[str, list[BlockDemand]] = {}
        for plan in plans:
            self._demands_of(plan, demands, blocks)
        for name, waiting in demands.items():
            self.accounts[name].add(waiting)
        for name, asked in blocks.items():
            self.engines[name].add(asked)

    def drop(self, trip_id: str) -> None:
        """Stop working for a trip: it was resumed, superseded, or another process has it."""
        for line in self._all():
            line.drop(trip_id)

    def busy_with(self) -> set[str]:
        """The trips that some line of this process works for."""
        return {trip for line in self._all() for trip in line.trips()}

    def _all(self) -> Iterator[AccountLine | EngineLine]:
        yield from self.accounts.values()
        yield from self.engines.values()

    def _demands_of(
        self, plan: Planned, demands: dict[str, list[Demand]], blocks: dict[str, list[BlockDemand]]
    ) -> None:
        trip, now = plan.trip, self._clock.monotonic()
        block_by = plan.received_at + self._deadlines.block.total_seconds()
        to_block = [step for step in plan.steps if step.kind is StepKind.BLOCK and step.target in self.engines]
        waiting = [step.target for step in to_block if not step.status.final]
        gate = Gate(waiting, max(block_by, now), self._clock.monotonic)
        for step in to_block:
            done = step.status is StepStatus.DONE
            blocks.setdefault(step.target, []).append(
                BlockDemand(trip.id, trip.scope, trip.action, trip.reason, gate, block_by, confirmed=done)
            )
        for target, steps in _by_account(plan.steps):
            if target not in self.accounts:
                continue
            kinds = {step.kind: step for step in steps}
            verified = kinds[StepKind.VERIFY].status.final
            flat = all(step.status.final for step in steps)
            demands.setdefault(target, []).append(
                Demand(
                    trip.id,
                    trip.scope,
                    trip.action,
                    gate,
                    empty_by=plan.received_at + self._deadlines.verify.total_seconds(),
                    flat_by=plan.received_at + self._deadlines.flat.total_seconds(),
                    kept=flat,
                    empty=verified,
                    late=trip.status is TripStatus.UNVERIFIED,
                    attempt=max(step.tries for step in steps),
                )
            )


def claimed(steps: Iterable[Step], owner: str, lease_until: datetime) -> tuple[Step, ...]:
    """The steps as their planner stores them: its own already, so that no claim delays the first cancel."""
    return tuple(
        step
        if step.status.final
        else replace(step, status=StepStatus.RUNNING, owner=owner, lease_until=lease_until, tries=1)
        for step in steps
    )


def _by_account(steps: Iterable[Step]) -> list[tuple[str, list[Step]]]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        if step.kind is not StepKind.BLOCK:
            found.setdefault(step.target, []).append(step)
    return [(target, mine) for target, mine in found.items() if any(step.kind is StepKind.VERIFY for step in mine)]
