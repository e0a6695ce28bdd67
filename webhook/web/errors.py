"""One table from what went wrong to what the caller is told: ``application/problem+json`` (RFC 9457), always.

The status codes of the intake follow from how Alertmanager sends again: 5xx at once and again, 4xx not before the next
``group_interval``.  So 4xx is only for what can never succeed, and 429 is never said.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, g, request
from pydantic import ValidationError
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from webhook.access.refusal import Refusal
from webhook.errors import PermanentError, StoreOutageError, TemporaryError
from webhook.intake.alert import IntakeError
from webhook.killswitch.scope import ScopeError
from webhook.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

INTAKE = "alerts.receive"
"""The endpoint whose failures may hide a kill: each is counted by reason."""

_KILLING = (INTAKE, "trips.create")

_OF_REFUSAL: Mapping[str, int] = {
    "forbidden": 403,
    "not_found": 404,
    "invalid": 422,
    # Everything else is a conflict with the state that is: same_person, still_firing, already, void, expired, ...
}

_NOT_FOUND_HINT = "the endpoints are listed at /api/v1/openapi.yaml"


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Told to the caller as it is: ``code`` is a short token, ``detail`` a sentence with what would be right."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.extra = dict(headers or {}), dict(extra or {})


def refused(refusal: Refusal) -> Problem:
    """The problem that tells of a refusal."""
    return Problem(_OF_REFUSAL.get(refusal.code, 409), refusal.code, refusal.message)


def install(app: Flask, telemetry: Telemetry) -> None:
    """Make every error of *app* a problem; the last border, where nothing may kill a thread or leak a value."""

    def answer(error: Exception) -> Response:
        problem = _translate(error)
        if request.endpoint == INTAKE:
            telemetry.rejected(problem.code)
            say = log.error if problem.status >= 500 or problem.code == "too_large" else log.warning
            say("intake.rejected", reason=problem.code, status=problem.status, detail=problem.detail)
        if problem.status == 500:
            log.error("request.fault", endpoint=request.endpoint, exc_info=error)
            telemetry.faults.labels("web").inc()
        return _response(problem)

    app.register_error_handler(Exception, answer)


def _translate(error: Exception) -> Problem:  # noqa: C901, PLR0911 - it is the table
    match error:
        case Problem():
            return error
        case IntakeError():
            return Problem(400, error.reason, str(error))
        case StoreOutageError():
            # Only a kill is done without the store; nobody is released from memory.
            killing = request.endpoint in _KILLING
            then = "it is being done from memory: send it again to have it kept" if killing else "nothing was changed"
            return Problem(503, "store", f"the store is out ({error}); {then}", headers={"Retry-After": "1"})
        case TemporaryError():
            return Problem(503, error.reason, str(error), headers={"Retry-After": "1"})
        case PermanentError():
            return Problem(502, error.reason, str(error))
        case ScopeError():
            return Problem(422, "invalid", str(error))
        case ValidationError():
            return _invalid(error)
        case RequestEntityTooLarge():
            return Problem(413, "too_large", "the body is larger than this endpoint takes")
        case ClientDisconnected():
            return Problem(400, "disconnected", "the body ended before its announced length")
        case HTTPException():
            return _http(error)
        case _:
            return Problem(500, "fault", "an error nobody expected; it is in the service's log under this instance")


def _http(error: HTTPException) -> Problem:
    status = error.code or 500
    headers = {}
    detail = error.description or HTTPStatus(status).phrase
    if status == 404:
        detail = _NOT_FOUND_HINT
    if status == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        headers["Allow"] = allowed
        detail = f"this address takes {allowed}"
    return Problem(status, HTTPStatus(status).phrase.lower().replace(" ", "_"), detail, headers=headers)


def _invalid(error: ValidationError) -> Problem:
    fields = [
        {"field": ".".join(map(str, item["loc"])) or "(body)", "message": item["msg"].removeprefix("Value error, ")}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    if any(item["type"] == "json_invalid" for item in error.errors(include_url=False, include_context=False)):
        return Problem(400, "not_json", "the body must be one JSON object")
    told = "; ".join(f"{field['field']}: {field['message']}" for field in fields)
    return Problem(422, "invalid", told, extra={"errors": fields})


def _response(problem: Problem) -> Response:
    body = {
        "type": f"urn:andon:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": f"urn:andon:request:{g.get('request_id', '')}",
        **problem.extra,
    }
    return Response(
        json.dumps(body), status=problem.status, headers=problem.headers, content_type="application/problem+json"
    )
