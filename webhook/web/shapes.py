"""How our words look in JSON; ``openapi.yaml`` describes exactly these."""

from datetime import UTC, datetime
from typing import Any

from webhook.access.resume import ResumeRequest
from webhook.audit.record import Record
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, TripStatus
from webhook.service.decisions import AlertOutcome
from webhook.service.queries import TripView


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
        "keep": "protective" if one.keep_protective else "nothing",
        "version": one.version,
    }


def trip(view: TripView) -> dict[str, Any]:
    """One trip; ``verified`` is the only word for "it is really empty (and flat, if asked)"."""
    one = view.trip
    return {
        "id": one.id,
        "scope": str(one.scope),
        "action": one.action.value,
        "requested": one.requested.value,
        "status": view.verdict.status.value,
        "verified": view.verdict.status is TripStatus.VERIFIED,
        "why": list(view.verdict.why),
        "source": one.source,
        "actor": one.actor,
        "reason": one.reason,
        "received_at": moment(one.received_at),
        "started_at": moment(one.started_at),
        "closed_at": moment(one.closed_at),
        "fingerprint": one.fingerprint,
        "labels": one.labels,
        "annotations": one.annotations,
        "keep": "protective" if one.keep_protective else "nothing",
        "milestones": view.milestones,
        "targets": [_target(row) for row in view.rows],
    }


def _target(row: Progress) -> dict[str, Any]:
    """How far a trip is at one engine or venue account."""
    return {
        "name": row.target,
        "kind": row.kind.value,
        "stage": row.stage.value,
        "since": moment(row.since),
        "read_at": moment(row.read_at),
        "orders": row.orders,
        "positions": row.positions,
        "notional": str(row.notional),
        "naked_notional": str(row.naked_notional),
        "late": row.late,
        "milestones": row.times,
        "detail": row.detail,
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
