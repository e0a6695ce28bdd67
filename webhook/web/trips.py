"""Pull the cord by hand, and follow what it does."""

from datetime import timedelta
from typing import Any, Literal

from flask import Blueprint, url_for
from pydantic import Field

from webhook.access.refusal import Refusal
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action
from webhook.web import shapes
from webhook.web.bodies import Asked, read, text, whole_number
from webhook.web.context import Context
from webhook.web.errors import Problem, refused


class TripAsked(Asked):
    """``scope`` is its text (``global``, ``venue=binance,symbol=...``) or an object of labels; ``{}`` is global.

    ``keep: protective`` leaves stops standing that can only close a position.
    """

    action: Action
    scope: str | dict[str, str]
    reason: str = Field(min_length=1, max_length=2000)
    duration_seconds: float | None = Field(None, gt=0, le=7 * 86_400)
    keep: Literal["nothing", "protective"] = "nothing"


def read_scope(given: str | dict[str, str]) -> Scope:
    """The scope that a body names; raises `webhook.killswitch.scope.ScopeError`."""
    if isinstance(given, str):
        return Scope.parse(text(given))
    return Scope.of({text(name): text(value) for name, value in given.items()})


def blueprint(context: Context) -> Blueprint:
    """``/api/v1/trips``."""
    trips = Blueprint("trips", __name__)

    @trips.post("/api/v1/trips")
    def create() -> tuple[dict[str, Any], int, dict[str, str]]:
        principal = context.authenticator.operator()
        asked = read(TripAsked)
        duration = None if asked.duration_seconds is None else timedelta(seconds=asked.duration_seconds)
        answer = context.service.trip(
            principal,
            asked.action,
            read_scope(asked.scope),
            text(asked.reason),
            duration,
            keep_protective=asked.keep == "protective",
        )
        if isinstance(answer, Refusal):
            raise refused(answer)
        found = context.queries.trip(answer.id)
        assert found is not None  # noqa: S101 - it was written a moment ago
        return shapes.trip(found), 201, {"Location": url_for("trips.show", trip_id=answer.id)}

    @trips.get("/api/v1/trips")
    def list_trips() -> dict[str, Any]:
        context.authenticator.operator()
        return {"trips": [shapes.trip(one) for one in context.queries.trips(whole_number("limit", 50, 1, 1000))]}

    @trips.get("/api/v1/trips/<string(maxlength=100):trip_id>")
    def show(trip_id: str) -> dict[str, Any]:
        context.authenticator.operator()
        found = context.queries.trip(trip_id)
        if found is None:
            raise Problem(404, "not_found", f"there is no trip {trip_id!r}; GET /api/v1/trips lists them")
        return shapes.trip(found)

    return trips
