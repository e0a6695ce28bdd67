"""``/healthz``: the process answers.  ``/readyz``: it could store, act and reach its venues, each named."""

from typing import Any

from flask import Blueprint

from webhook.service.queries import Health
from webhook.web.context import Context

_LOOK_SECONDS = 0.5


def blueprint(context: Context) -> Blueprint:
    """Both are open: they hold no secret, and whoever watches the service has no token."""
    health = Blueprint("health", __name__)
    seen: list[tuple[float, Health]] = []

    def look() -> Health:
        """Looking writes to the store, and anybody may ask: once in a while is enough."""
        now = context.clock.monotonic()
        if not seen or now - seen[0][0] > _LOOK_SECONDS:
            seen[:] = [(now, context.queries.health())]
        return seen[0][1]

    @health.get("/healthz")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    @health.get("/readyz")
    def ready() -> tuple[dict[str, Any], int]:
        found = look()
        checks = {name: {"ok": check.ok, "detail": check.detail} for name, check in found.checks.items()}
        # A broken operators' file is shown and does not make the service unready: alerts must keep coming in.
        checks |= {name: {"ok": False, "detail": fault} for name, fault in context.authenticator.faults().items()}
        status = "ok" if all(check["ok"] for check in checks.values()) else "degraded" if found.ok else "unready"
        return {"status": status, "checks": checks}, 200 if found.ok else 503

    return health
