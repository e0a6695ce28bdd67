"""The way back: one person asks, another one approves."""

from typing import Any

from flask import Blueprint, request
from pydantic import Field

from webhook.access.refusal import Refusal
from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.web import shapes
from webhook.web.bodies import Asked, read, text
from webhook.web.context import Context
from webhook.web.errors import Problem, refused
from webhook.web.trips import read_scope


class ResumeAsked(Asked):
    """``scope`` as in a trip; it must be exactly the scope of a switch."""

    scope: str | dict[str, str]
    reason: str = Field(min_length=1, max_length=2000)


def blueprint(context: Context) -> Blueprint:
    """``/api/v1/resumes`` and ``/api/v1/approvals``."""
    resumes = Blueprint("resumes", __name__)

    @resumes.post("/api/v1/resumes")
    def ask() -> tuple[dict[str, Any], int]:
        principal = context.authenticator.operator()
        asked = read(ResumeAsked)
        return _shown(context.resumes.request(principal, read_scope(asked.scope), text(asked.reason))), 201

    @resumes.get("/api/v1/resumes")
    def list_requests() -> dict[str, Any]:
        context.authenticator.operator()
        given = request.args.get("status")
        if given is not None and given not in set(ResumeStatus):
            raise Problem(422, "invalid", f"status: one of {', '.join(ResumeStatus)}")
        status = None if given is None else ResumeStatus(given)
        return {"resumes": [shapes.resume_request(one) for one in context.queries.resume_requests(status)]}

    @resumes.post("/api/v1/approvals/<string(maxlength=100):request_id>")
    def approve(request_id: str) -> dict[str, Any]:
        return _shown(context.resumes.approve(context.authenticator.operator(), request_id))

    @resumes.delete("/api/v1/resumes/<string(maxlength=100):request_id>")
    def withdraw(request_id: str) -> dict[str, Any]:
        return _shown(context.resumes.withdraw(context.authenticator.operator(), request_id))

    return resumes


def _shown(answer: ResumeRequest | Refusal) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        raise refused(answer)
    return shapes.resume_request(answer)
