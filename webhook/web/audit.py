"""The journal, page by page, so that anybody with a token can verify the chain elsewhere."""

from typing import Any

from flask import Blueprint

from webhook.web import shapes
from webhook.web.bodies import whole_number
from webhook.web.context import Context

_MOST = 1000


def blueprint(context: Context) -> Blueprint:
    """``GET /api/v1/audit?after=SEQUENCE&limit=N``."""
    audit = Blueprint("audit", __name__)

    @audit.get("/api/v1/audit")
    def records() -> dict[str, Any]:
        context.authenticator.operator()
        after = whole_number("after", 0, 0, 10**15)
        found = context.queries.records(after, whole_number("limit", _MOST, 1, _MOST))
        return {
            "records": [shapes.record(one) for one in found],
            "next_after": found[-1].sequence if found else after,
        }

    return audit
