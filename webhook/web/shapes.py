"""How our words look in JSON; ``openapi.yaml`` describes exactly these."""

from datetime import UTC, datetime
from typing import Any

from webhook.killswitch.port import Record, ResumeRequest, Step, Switch, Trip, TripStatus
from webhook.ruling import AlertOutcome


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC with microseconds and ``Z``."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def switch(one: Switch) -> dict[str, Any]:
    """One switch."""
    return {
        "scope": str(one.scope),
        "constraints": dict(one.scope.constraints),
        "state": one.state.value,
        "action": None if one.action is None else one.action.value,
        "trip_id": one.trip_id,
        "tripped_by": one.tripped_by,
        "since": moment(one.since),
        "until": moment(one.until),
        "version": one.version,
    }


def trip(one: Trip) -> dict[str, Any]:
    """One trip; ``verified`` is the only word for "it is really empty (and flat, if asked)"."""
    return {
        "id": one.id,
        "scope": str(one.scope),
        "action": one.action.value,
        "requested": one.requested.value,
        "status": one.status.value,
        "verified": one.status is TripStatus.VERIFIED,
        "source": one.source,
        "actor": one.actor,
        "reason": one.reason,
        "received_at": moment(one.received_at),
        "started_at": moment(one.started_at),
        "closed_at": moment(one.closed_at),
        "fingerprint": one.fingerprint,
        "labels": one.labels,
        "annotations": one.annotations,
        "stages": one.stages,
        "residual": one.residual,
    }


def step(one: Step) -> dict[str, Any]:
    """One step of a trip."""
    took = (one.ended_at - one.started_at).total_seconds() if one.started_at and one.ended_at else None
    return {
        "id": one.id,
        "kind": one.kind.value,
        "target": one.target,
        "order": one.order,
        "status": one.status.value,
        "tries": one.tries,
        "deadline": moment(one.deadline),
        "started_at": moment(one.started_at),
        "ended_at": moment(one.ended_at),
        "seconds": took,
        "result": one.result,
    }


def resume_request(one: ResumeRequest) -> dict[str, Any]:
    """One request to resume."""
    return {
        "id": one.id,
        "scope": str(one.scope),
        "status": one.status.value,
        "requested_by": one.requested_by,
        "reason": one.reason,
        "requested_at": moment(one.requested_at),
        "expires_at": moment(one.expires_at),
        "switch_version": one.switch_version,
        "approved_by": one.approved_by,
        "decided_at": moment(one.decided_at),
    }


def record(one: Record) -> dict[str, Any]:
    """One entry of the journal, with everything its hash is made over."""
    return {
        "sequence": one.sequence,
        "at": moment(one.at),
        "kind": one.kind,
        "version": one.version,
        "actor": one.actor,
        "body": one.body,
        "previous": one.previous,
        "hash": one.hash,
    }


def outcome(one: AlertOutcome) -> dict[str, Any]:
    """What became of one alert of a delivery."""
    return {
        "alert": one.name,
        "outcome": one.outcome,
        "scope": one.scope,
        "action": one.action,
        "trip_id": one.trip_id,
        "reason": one.reason,
    }
