"""Say every statement of a kill once, and take it back.

The first run of a statement compiles it, which takes several times as long as running it: the first kill after a start
must not be the slow one.
"""

from datetime import UTC, datetime, timedelta

from webhook.access.resume import ResumeRequest
from webhook.intake.episode import Episode
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, TargetKind, Trip
from webhook.notify.parcel import Parcel
from webhook.storage.transaction import SqlTransaction

_THEN = datetime(2000, 1, 1, tzinfo=UTC)
_NAME = "rehearsal"


def rehearse(transaction: SqlTransaction) -> None:
    """Read and write one of everything; the caller rolls it back."""
    scope = Scope.of({"venue": _NAME})
    trip = Trip(_NAME, scope, Action.HALT, Action.HALT, _NAME, _NAME, _NAME, _THEN)
    row = Progress(trip.id, _NAME, TargetKind.ACCOUNT)
    transaction.now()
    transaction.switches()
    transaction.switch(scope)
    transaction.count_trips(_THEN)
    transaction.episode(_NAME, _THEN)
    transaction.firing_episodes(_THEN)
    transaction.put_switch(Switch(scope, State.HALTED))
    transaction.put_trip(trip)
    transaction.put_progress((row,))
    transaction.put_progress((row, row))
    transaction.put_commanded((Commanded(_NAME, scope, State.HALTED, stopped_before=False, at=_THEN),))
    transaction.put_episode(Episode(_NAME, _THEN, _NAME, _NAME, _NAME, _THEN, _THEN))
    transaction.append(_NAME, _NAME, {}, _THEN)
    transaction.enqueue(_NAME, _NAME, {}, _THEN)
    transaction.trip(trip.id)
    transaction.trips()
    transaction.trips(open_only=True)
    transaction.progress((trip.id,))
    transaction.commanded(_NAME)
    transaction.resume_requests()
    transaction.claim_parcels(_NAME, _THEN, _THEN, 1)
    transaction.put_parcels([Parcel(0, _NAME, _NAME, {}, _THEN, _THEN)])
    transaction.put_resume_request(ResumeRequest(_NAME, scope, _NAME, _NAME, _THEN, _THEN, 0))
    transaction.acquire_lease(_NAME, _NAME, timedelta(seconds=1))
