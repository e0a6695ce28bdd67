"""A plain page for eyes: what is stopped, what the last trips did.  No script, no token, nothing to press."""

import base64
import hashlib
from datetime import datetime

from flask import Blueprint, Response
from markupsafe import Markup

from webhook.errors import StoreOutageError
from webhook.killswitch.scope import GLOBAL
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.service.queries import TripView
from webhook.web.context import Context

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
.banner { padding: .8rem 1rem; border-radius: .4rem; font-weight: 600; color: #fff; background: #1f7a3d; }
.banner.degraded { background: #8a5a00; } .banner.halted { background: #b3261e; }
.state { font-weight: 600; } .state.halted { color: #d6453c; }
.state.degraded { color: #b97a00; } .state.normal { color: #2a9d54; }
.dim { opacity: .75; font-size: .9rem; }
""".strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_MOST_LINES = 20
_BANNER = {
    State.NORMAL: "Everything may trade",
    State.DEGRADED: "Reduce only in part: nothing there may add exposure",
    State.HALTED: "Halted in part: no orders there until two people resume it",
}


def blueprint(context: Context) -> Blueprint:
    """``GET /``."""
    page = Blueprint("page", __name__)

    @page.get("/")
    def status() -> Response:
        now = context.clock.now()
        try:
            switches, trips = context.queries.switches(), context.queries.trips(20)
        except StoreOutageError as error:
            body = Markup('<p class="banner halted">The store cannot be read: {}</p>').format(str(error))
            return _html(body, 503)
        if not any(one.scope == GLOBAL for one in switches):
            switches = (Switch(GLOBAL, State.NORMAL), *switches)
        worst = max((one.state for one in switches), key=lambda state: state.rank)
        shadow = context.settings.mode == "shadow"
        body = Markup("").join(
            [
                Markup('<p class="banner {}">{}</p>').format(worst.value, _BANNER[worst]),
                Markup("<p><strong>Shadow mode:</strong> decides, journals and pages; sends nothing.</p>")
                if shadow
                else "",
                Markup("<h2>Switches</h2>"),
                _switches(switches, now),
                Markup("<h2>Last trips</h2>"),
                _trips(trips, now) if trips else Markup("<p>None yet.</p>"),
                Markup(
                    '<p class="dim">As of {} UTC; loads itself again every 5 seconds · <code>andon --help</code>'
                ).format(f"{now:%Y-%m-%d %H:%M:%S}"),
                Markup(' · <a href="/readyz">health</a> · <a href="/api/v1/openapi.yaml">API</a></p>'),
            ]
        )
        return _html(body, 200)

    return page


def _switches(switches: tuple[Switch, ...], now: datetime) -> Markup:
    rows = Markup("").join(
        Markup('<tr><td>{}</td><td class="state {}">{}</td><td>{}</td><td>{}</td></tr>').format(
            str(one.scope),
            one.state.value,
            one.state.value.upper(),
            _ago(one.since, now) if one.state is not State.NORMAL else "",
            "ends by itself" if one.until and one.state is State.DEGRADED else "",
        )
        for one in switches
    )
    return Markup("<table><tr><th>Scope</th><th>State</th><th>Since</th><th></th></tr>{}</table>").format(rows)


def _trips(trips: tuple[TripView, ...], now: datetime) -> Markup:
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}{}</td><td>{}</td></tr>").format(
            _ago(one.trip.received_at, now),
            str(one.trip.scope),
            one.trip.action.value,
            one.trip.actor,
            one.verdict.status.value,
            _details(one),
            ", ".join(f"{name} {one.milestones[name]:.3f} s" for name in ("empty", "flat") if name in one.milestones),
        )
        for one in trips
    )
    return Markup(
        "<table><tr><th>When</th><th>Scope</th><th>Action</th><th>By</th><th>Status</th><th>Reached after</th></tr>"
        "{}</table>"
    ).format(rows)


def _details(one: TripView) -> Markup:
    """Why a trip is not verified, and in shadow mode which orders and positions it would have touched."""
    lines = [Markup("<br><span class=dim>{}</span>").format(why) for why in one.verdict.why]
    for row in one.rows:
        if row.stage is not Stage.SHADOW or one.trip.closed_at is not None:
            continue
        for order in row.detail.get("orders", ()):
            lines.append(
                Markup("<br><span class=dim>{}: would cancel {} {} {} {} of {}, worth {}</span>").format(
                    row.target,
                    order["client_order_id"] or order["order_id"],
                    order["side"],
                    order["quantity"],
                    order["symbol"],
                    order["owner"] or "nobody known",
                    order["notional"],
                )
            )
        for held in row.detail.get("positions", ()):
            lines.append(
                Markup("<br><span class=dim>{}: would close {} {}, worth {} {}</span>").format(
                    row.target, held["quantity"], held["symbol"], held["notional"], held["currency"]
                )
            )
    return Markup("").join(lines[:_MOST_LINES])


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    seconds = max(int((now - at).total_seconds()), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _html(body: Markup, status: int) -> Response:
    text = Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Andon</title>'
        "<style>{}</style></head><body><h1>Andon</h1>{}</body></html>"
    ).format(Markup(_STYLE), body)  # noqa: S704 - our own constant
    return Response(
        str(text),
        status=status,
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": _POLICY},
    )
