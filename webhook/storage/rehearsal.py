"""Say every statement of a kill once, and take it back.

The first run of a statement compiles it, which takes several times as long as running it: the first kill after a start
must not be the slow one.
"""

from datetime import UTC, datetime

from webhook.killswitch.port import Episode, Parcel, ResumeRequest, Step, StepKind, Switch, Trip, TripStatus
from webhook.killswitch.states import Action, State
from webhook.killswitch.scope import Scope
from webhook.storage.transaction import SqlTransaction

_THEN = datetime(2000, 1, 1, tzinfo=UTC)
_NAME = "rehearsal"


def rehearse(transaction: SqlTransaction) -> None:
    """Read and write one of everything; the caller rolls it back."""
    scope = Scope.of({"venue": _NAME})
    trip = Trip(_NAME, scope, Action.HALT, Action.HALT, _NAME, _NAME, _NAME, _THEN)
    step = Step(_NAME, trip.id, StepKind.CANCEL, _NAME, 0, _THEN)
    transaction.switches()
    transaction.switch(scope)
    transaction.count_trips(_THEN)
    transaction.episode(_NAME, _THEN)
    transaction.put_switch(Switch(scope, State.HALTED))
    transaction.put_trip(trip)
    transaction.put_steps((step,))
    transaction.put_steps((step, step))
    transaction.put_episode(Episode(_NAME, _THEN, _NAME, _NAME, _THEN, _THEN))
    transaction.append(_NAME, _NAME, {}, _THEN)
    transaction.enqueue(_NAME, _NAME, {}, _THEN)
    transaction.trip(trip.id)
    transaction.trips(statuses=tuple(TripStatus))
    transaction.steps(trip.id)
    transaction.claim_steps(trip.id, _NAME, _THEN, _THEN)
    transaction.claim_parcels(_NAME, _THEN, _THEN, 1)
    transaction.put_parcel(Parcel(0, _NAME, _NAME, {}, _THEN, _THEN))
    transaction.put_resume_request(ResumeRequest(_NAME, scope, _NAME, _NAME, _THEN, _THEN, 0))
    transaction.acquire_lease(_NAME, _NAME, _THEN, _THEN)
