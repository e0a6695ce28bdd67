"""The Flask app: blueprints, the error table, headers and measurement; nothing else."""

import secrets
import time

from flask import Flask, Response, g, request

from webhook.clock import Clock, SystemClock
from webhook.service.queries import Queries
from webhook.service.resume import Resumes
from webhook.service.service import Service
from webhook.settings import Settings
from webhook.telemetry.metrics import Telemetry
from webhook.web import alerts, audit, configuration, description, errors, health, metrics, page, switches, trips
from webhook.web import resumes as resume_routes
from webhook.web.auth import Authenticator
from webhook.web.bodies import SMALL
from webhook.web.context import Context

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def create_app(
    service: Service,
    resumes: Resumes,
    queries: Queries,
    settings: Settings,
    telemetry: Telemetry,
    clock: Clock | None = None,
) -> Flask:
    """Make the app over a built service; reads the token files, and raises when one cannot be used."""
    app = Flask("webhook.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = SMALL
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    clock = clock or SystemClock()
    context = Context(service, resumes, queries, settings, telemetry, Authenticator.of(settings, clock), clock)
    for noun in (alerts, switches, trips, resume_routes, audit, configuration, health, metrics, page):
        app.register_blueprint(noun.blueprint(context))
    app.register_blueprint(description.blueprint())
    errors.install(app, telemetry)

    @app.before_request
    def begin() -> None:
        g.started = time.monotonic()
        g.request_id = secrets.token_hex(8)

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = g.get("request_id", "")
        seconds = time.monotonic() - g.get("started", time.monotonic())
        telemetry.requests(request.endpoint or "unknown", response.status_code, seconds)
        return response

    return app
