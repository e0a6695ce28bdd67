"""The two-person rule: one asks to resume, another one approves, in time, and about the switch as it was asked about.

Pure: the service looks up the request and the switch in one transaction, and writes what these functions return.
Whether an alert still fires is not known here.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.access.roles import Verb, may, who_may
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch

LONGEST_REASON = 2_000


def request(
    principal: Principal,
    switch: Switch,
    *,
    reason: str,
    request_id: str,
    now: datetime,
    lifetime: timedelta,
    pending: Iterable[ResumeRequest] = (),
) -> ResumeRequest | Refusal:
    """Ask to resume the scope of *switch*; *pending* are the requests that wait, so that there is one for a scope."""
    if not may(principal.role, Verb.REQUEST_RESUME):
        return _forbidden(principal, "ask to resume", Verb.REQUEST_RESUME)
    if not reason.strip() or len(reason) > LONGEST_REASON:
        return Refusal(
            "invalid", f"A resume needs a reason of 1 to {LONGEST_REASON} characters: it goes into the journal."
        )
    if switch.state is State.NORMAL:
        return Refusal("already", f"{switch.scope} is not stopped: there is nothing to resume.")
    for other in pending:
        if other.scope == switch.scope and _is_live(other, switch, now):
            return Refusal(
                "already",
                f"{other.requested_by} has asked to resume {switch.scope} already: "
                f"approve or withdraw request {other.id} instead.",
            )
    return ResumeRequest(
        id=request_id,
        scope=switch.scope,
        requested_by=principal.name,
        reason=reason.strip(),
        requested_at=now,
        expires_at=now + lifetime,
        switch_version=switch.version,
    )


def approve(
    resume_request: ResumeRequest, principal: Principal, switch: Switch, now: datetime
) -> ResumeRequest | Refusal:
    """Approve a request; *switch* is that of its scope, as it is now."""
    if not may(principal.role, Verb.APPROVE_RESUME):
        return _forbidden(principal, "approve a resume", Verb.APPROVE_RESUME)
    closed = _closed(resume_request, now)
    if closed is not None:
        return closed
    if same_person(principal.name, resume_request.requested_by):
        return Refusal(
            "same_person",
            f"{resume_request.requested_by} asked for this resume, so somebody else has to approve it.",
        )
    if switch.scope != resume_request.scope or switch.version != resume_request.switch_version:
        return Refusal(
            "void",
            f"The switch of {resume_request.scope} has changed since this was asked: look at it again, and ask again.",
        )
    if switch.state is State.NORMAL:
        return Refusal("already", f"{switch.scope} is not stopped any more.")
    return replace(resume_request, status=ResumeStatus.APPROVED, approved_by=principal.name, decided_at=now)


def withdraw(resume_request: ResumeRequest, principal: Principal, now: datetime) -> ResumeRequest | Refusal:
    """Take a request back: one's own, or anybody's for who may approve."""
    own = same_person(principal.name, resume_request.requested_by)
    if not may(principal.role, Verb.REQUEST_RESUME if own else Verb.WITHDRAW_RESUME):
        return _forbidden(principal, "withdraw this request", Verb.WITHDRAW_RESUME)
    closed = _closed(resume_request, now)
    if closed is not None:
        return closed
    return replace(resume_request, status=ResumeStatus.WITHDRAWN, decided_at=now)


def expire(resume_request: ResumeRequest, now: datetime) -> ResumeRequest | None:
    """Close a request that nobody approved in time; None while it stands, or when it is closed already."""
    if resume_request.status is not ResumeStatus.PENDING or now < resume_request.expires_at:
        return None
    return replace(resume_request, status=ResumeStatus.EXPIRED, decided_at=now)


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written (case, width, blanks)."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _is_live(other: ResumeRequest, switch: Switch, now: datetime) -> bool:
    in_time = other.status is ResumeStatus.PENDING and now < other.expires_at
    return in_time and other.switch_version == switch.version


def _closed(resume_request: ResumeRequest, now: datetime) -> Refusal | None:
    if resume_request.status is ResumeStatus.APPROVED:
        return Refusal("already", f"{resume_request.approved_by} has approved this request already.")
    if resume_request.status is ResumeStatus.WITHDRAWN:
        return Refusal("void", "This request was withdrawn: ask again.")
    if resume_request.status is ResumeStatus.EXPIRED or now >= resume_request.expires_at:
        return Refusal("expired", "Nobody approved this request in time: ask again.")
    return None


def _forbidden(principal: Principal, what: str, verb: Verb) -> Refusal:
    return Refusal("forbidden", f"{principal.name} is {principal.role} and may not {what}; {who_may(verb)} may.")
