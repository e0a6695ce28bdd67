"""What a person is told: from the facts of a trip to a notice, the most important first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from webhook.access.resume import ResumeRequest
from webhook.killswitch.scope import Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, TargetKind, Trip
from webhook.notify.port import Notice, NoticeKind
from webhook.notify.touched import touched

_DONE_SO_FAR = {
    Action.PAGE: "nothing was done by itself",
    Action.REDUCE: "engines are set to reduce-only and orders that add exposure are being cancelled",
    Action.HALT: "engines are being blocked and all orders cancelled",
    Action.FLATTEN: "engines are being blocked, all orders cancelled, positions closed",
}


class Composer:
    """Writes notices; ``link`` is the address of the service's page, if people can reach it."""

    def __init__(self, link: str | None = None) -> None:
        self._link = link

    def tripped(self, trip: Trip, *, uncovered: bool) -> Notice:
        """A trip begins; ``uncovered``: no venue account is in its scope, so nothing can be proved empty."""
        what = _DONE_SO_FAR[trip.action]
        headline = f"{trip.action.value.upper()} {trip.scope}: {trip.actor} - {what}"
        if uncovered:
            headline = f"{trip.action.value.upper()} {trip.scope}: NO configured venue account is in it; cancel by hand"
        severity = "critical" if trip.action.rank >= Action.HALT.rank or uncovered else "warning"
        return self._of_trip(NoticeKind.TRIP, trip, severity, headline, {})

    def paged(
        self,
        scope: Scope | None,
        name: str,
        reason: str,
        at: datetime,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> Notice:
        """A rule asked only for a person."""
        return Notice(
            key=f"andon/page/{name}/{scope or ''}",
            kind=NoticeKind.PAGE,
            severity=_severity(labels),
            headline=f"{name}: {annotations.get('summary', reason)}",
            at=at.isoformat(),
            facts={"reason": reason, **_shown(labels), **_told(annotations)},
            runbook_url=annotations.get("runbook_url"),
            link=self._link,
        )

    def refused(
        self, name: str, code: str, reason: str, at: datetime, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> Notice:
        """A kill alert fired and was not carried out: somebody must look at once."""
        return Notice(
            key=f"andon/refused/{name}/{code}",
            kind=NoticeKind.REFUSED,
            severity="critical",
            headline=f"NOT DONE: alert {name} asked for an action that was refused ({code})",
            at=at.isoformat(),
            facts={"why": reason, **_shown(labels), **_told(annotations)},
            runbook_url=annotations.get("runbook_url"),
            link=self._link,
        )

    def verified(self, trip: Trip, milestones: Mapping[str, float]) -> Notice:
        """Every target in reach was read and shows nothing."""
        proof = {
            Action.REDUCE: "no order that adds exposure is left",
            Action.HALT: "read again at the venue: no open order",
            Action.FLATTEN: "read again at the venue: no open order and no position",
        }[trip.action if trip.action is not Action.PAGE else Action.HALT]
        if trip.keep_protective:
            proof += " but protective stops"
        seconds = milestones.get("flat" if trip.action is Action.FLATTEN else "empty")
        after = "" if seconds is None else f" after {seconds:.2f} s"
        return self._of_trip(NoticeKind.VERIFIED, trip, "info", f"VERIFIED {trip.scope}: {proof}{after}", milestones)

    def not_verified(self, trip: Trip, row: Progress, milestones: Mapping[str, float]) -> Notice:
        """It takes too long, or cannot be proved; the service goes on trying."""
        why = row.detail.get("why", "")
        if row.kind is TargetKind.ENGINE:
            left = f"engine {row.target} did not confirm that it stopped"
        elif row.stage is Stage.UNKNOWN:
            left = f"{row.target} does not answer"
        elif row.stage is Stage.UNCOVERED:
            left = f"{row.target} was cancelled, and cannot be proved empty"
        elif row.stage is Stage.STUCK:
            left = f"{row.orders} orders at {row.target} cannot be cancelled: cancel them by hand"
        else:
            left = f"{row.orders} orders and {row.positions} positions left at {row.target}"
        text = f"NOT VERIFIED {trip.scope}: {left}" + (f" ({why})" if why else "") + "; still trying"
        notice = self._of_trip(NoticeKind.NOT_VERIFIED, trip, "critical", text, milestones)
        return _with(notice, {"left_notional": str(row.notional), "target": row.target, "stage": row.stage.value})

    def halt_broken(self, trip: Trip, row: Progress, milestones: Mapping[str, float]) -> Notice:
        """Something trades through the halt."""
        if row.kind is TargetKind.ENGINE:
            text = f"engine {row.target} trades again; it is being stopped again"
        else:
            text = (
                f"{row.orders} orders and {row.positions} positions appeared at {row.target} after it was verified; "
                f"they are being removed"
            )
        return self._of_trip(NoticeKind.HALT_BROKEN, trip, "critical", f"HALT BROKEN {trip.scope}: {text}", milestones)

    def unguarded(self, trip: Trip, row: Progress, milestones: Mapping[str, float]) -> Notice:
        """The kill left a position that no stop guards: a person has to look after it."""
        naked: Mapping[str, str] = row.detail.get("naked", {})
        named = ", ".join(f"{symbol} {value}" for symbol, value in naked.items())
        text = f"LEFT UNGUARDED {trip.scope}: positions of {row.naked_notional} at {row.target} have no stop: {named}"
        notice = self._of_trip(NoticeKind.UNGUARDED, trip, "warning", text, milestones)
        return _with(notice, {"left_unguarded": dict(naked), "target": row.target})

    def shadow(self, trip: Trip, rows: Sequence[Progress]) -> Notice:
        """Shadow mode: what would have been done."""
        orders = sum(row.orders for row in rows)
        positions = sum(row.positions for row in rows)
        notice = self._of_trip(
            NoticeKind.VERIFIED,
            trip,
            "info",
            f"SHADOW {trip.scope}: NOTHING was sent; would have cancelled {orders} orders, closed {positions}",
            {},
        )
        named = [f"{row.target}: {line}" for row in rows for line in touched(row.orders, row.positions, row.detail)]
        return _with(notice, {"would_have_touched": named[:20]} if named else {})

    def resume_requested(self, request: ResumeRequest) -> Notice:
        """A second person is needed."""
        return Notice(
            key=f"andon/{request.scope}",
            kind=NoticeKind.RESUME_REQUESTED,
            severity="warning",
            headline=f"{request.requested_by} asks to resume {request.scope}; a second person must approve",
            at=request.requested_at.isoformat(),
            facts={"reason": request.reason, "request": request.id, "expires_at": request.expires_at.isoformat()},
            link=self._link,
        )

    def already_void(self, request: ResumeRequest, at: datetime, why: str) -> Notice:
        """A request to resume is void, because something happened after it was made."""
        return Notice(
            key=f"andon/{request.scope}",
            kind=NoticeKind.RESUME_REQUESTED,
            severity="warning",
            headline=f"The request of {request.requested_by} to resume {request.scope} is void: {why}",
            at=at.isoformat(),
            facts={"request": request.id},
            link=self._link,
        )

    def resumed(self, switch: Switch, at: datetime, by: str) -> Notice:
        """The scope trades again; the incident ends."""
        was = "reduce-only" if switch.state is State.DEGRADED else "halted"
        return Notice(
            key=f"andon/{switch.scope}",
            kind=NoticeKind.RESUMED,
            severity="info",
            headline=f"RESUMED {switch.scope} (was {was}) by {by}",
            at=at.isoformat(),
            facts={"trip": switch.trip_id},
            resolves=True,
            link=self._link,
        )

    def fault(
        self, key: str, headline: str, at: datetime, facts: Mapping[str, Any] | None = None, *, resolves: bool = False
    ) -> Notice:
        """The service itself is in trouble (or no longer is, with *resolves*)."""
        return Notice(
            key=f"andon/fault/{key}",
            kind=NoticeKind.FAULT,
            severity="critical",
            headline=headline,
            at=at.isoformat(),
            facts=dict(facts or {}),
            resolves=resolves,
            link=self._link,
        )

    def _of_trip(
        self, kind: NoticeKind, trip: Trip, severity: str, headline: str, milestones: Mapping[str, float]
    ) -> Notice:
        return Notice(
            key=f"andon/{trip.scope}",
            kind=kind,
            severity=severity,
            headline=headline,
            at=trip.received_at.isoformat(),
            facts={
                "action": trip.action.value,
                "scope": str(trip.scope),
                "asked_by": f"{trip.actor} ({trip.source})",
                "why": trip.reason,
                "trip": trip.id,
                **{f"seconds_to_{name}": round(seconds, 3) for name, seconds in milestones.items()},
                **_told(trip.annotations),
            },
            runbook_url=trip.annotations.get("runbook_url"),
            link=self._link,
        )


def _severity(labels: Mapping[str, str]) -> str:
    return {"critical": "critical", "warning": "warning"}.get(labels.get("severity", ""), "info")


def _shown(labels: Mapping[str, str]) -> dict[str, str]:
    return {f"label_{name}": value[:200] for name, value in sorted(labels.items()) if name != "alertname"}


def _told(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: annotations[name][:500] for name in ("summary", "description") if name in annotations}


def _with(notice: Notice, facts: Mapping[str, Any]) -> Notice:
    return Notice(
        notice.key,
        notice.kind,
        notice.severity,
        notice.headline,
        notice.at,
        {**notice.facts, **facts},
        notice.resolves,
        notice.runbook_url,
        notice.link,
    )
