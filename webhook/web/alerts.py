"""The intake: Alertmanager delivers alerts here, and is answered when what follows from them is on disk."""

from typing import Any

from flask import Blueprint

from webhook.intake.alert import Limits
from webhook.intake.alertmanager import parse
from webhook.web import shapes
from webhook.web.bodies import read_raw
from webhook.web.context import Context
from webhook.web.errors import Problem


def blueprint(context: Context) -> Blueprint:
    """``POST /api/v1/alerts``."""
    alerts = Blueprint("alerts", __name__)
    intake = context.settings.intake
    limits = Limits(max_alerts=intake.max_alerts)

    @alerts.post("/api/v1/alerts")
    def receive() -> dict[str, Any]:
        received_at = context.clock.now()
        context.authenticator.intake()
        receipt = context.service.receive(parse(_body(intake.max_body_bytes), limits=limits), received_at)
        return {
            "status": "stored",
            "accepted": receipt.accepted,
            "outcomes": [shapes.outcome(one) for one in receipt.outcomes],
        }

    return alerts


def _body(limit: int) -> bytes:
    try:
        return read_raw(limit)
    except Problem as problem:
        if problem.code != "too_large":
            raise
        # 413 would be final until the next group_interval; a body this large may hold a kill, so it is kept coming
        # while andon_requests_rejected_total{reason="too_large"} pages.
        detail = (
            f"{problem.detail} (intake.max_body_bytes); group the kill route by ['...'] so that alerts come one by one"
        )
        raise Problem(503, "too_large", detail) from None
