"""What this service is joined to: names, labels and modes, so that a person (and a drill) can see what is armed."""

from typing import Any

from flask import Blueprint

from webhook.web.context import Context


def blueprint(context: Context) -> Blueprint:
    """``GET /api/v1/configuration``: no secret and no path of one is in it."""
    configuration = Blueprint("configuration", __name__)
    settings = context.settings

    @configuration.get("/api/v1/configuration")
    def show() -> dict[str, Any]:
        context.authenticator.operator()
        return {
            "mode": settings.mode,
            "venues": [
                {
                    "name": one.name,
                    "venue": one.venue,
                    "account": one.account,
                    "adapter": one.adapter,
                    "mode": one.mode,
                    # Where it really goes: nothing here means the exchange's own address.
                    "base_url": _text(one.options.get("base_url")),
                }
                for one in settings.venues
            ],
            "engines": [
                {"name": one.name, "adapter": one.adapter, "mode": one.mode, "scope": one.scope}
                for one in settings.engines
            ],
            "strategies": {
                name: {"venue": one.venue, "account": one.account, "exclusive": one.exclusive}
                for name, one in settings.strategies.items()
            },
            "notifiers": [{"name": one.name, "adapter": one.adapter} for one in settings.notifiers],
        }

    return configuration


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
