"""The states of all scopes."""

from typing import Any

from flask import Blueprint

from webhook.killswitch.scope import GLOBAL
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.web import shapes
from webhook.web.context import Context


def blueprint(context: Context) -> Blueprint:
    """``GET /api/v1/switches``."""
    switches = Blueprint("switches", __name__)

    @switches.get("/api/v1/switches")
    def list_switches() -> dict[str, Any]:
        context.authenticator.operator()
        found = context.queries.switches()
        if not any(one.scope == GLOBAL for one in found):
            found = (Switch(GLOBAL, State.NORMAL), *found)
        worst = max((one.state for one in found), key=lambda state: state.rank)
        return {
            "mode": context.settings.mode,
            "worst": worst.value,
            "switches": [shapes.switch(one) for one in found],
        }

    return switches
