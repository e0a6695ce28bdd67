"""A plain page for eyes: what is stopped, what the last trips did.  No script, no token, nothing to press."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from flask import Blueprint, Response
from markupsafe import Markup

from webhook.errors import StoreOutageError
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, TargetKind, TripStatus
from webhook.notify.touched import touched
from webhook.service.queries import TripView
from webhook.web.context import Context

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p, ul { margin: .3rem 0; } ul { padding-left: 1.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
th { font-weight: 600; font-size: .85rem; opacity: .75; }
.banner { padding: .8rem 1rem; border-radius: .4rem; font-weight: 600; color: #fff; background: #1f7a3d; margin: 0; }
.banner.degraded { background: #8a5a00; } .banner.halted { background: #b3261e; }
.banner.shadow { background: #4a5568; }
article { border: 1px solid #8884; border-radius: .4rem; padding: .7rem 1rem; margin: .7rem 0; }
article.over { opacity: .65; }
header { display: flex; flex-wrap: wrap; gap: .2rem .7rem; align-items: baseline; }
.dim { opacity: .75; font-size: .9rem; } .scope { font-weight: 600; } .since { white-space: nowrap; }
.chip { font-size: .8rem; font-weight: 600; padding: .05rem .5rem; border-radius: 1rem; border: 1px solid; }
.chip { white-space: nowrap; }
.bad { color: #d6453c; } .warn { color: #b97a00; } .good { color: #2a9d54; }
ul.targets { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
@media (max-width: 30rem) {
  thead { display: none; } tr { display: block; padding: .4rem 0; border-bottom: 1px solid #8884; }
  td { display: inline; border: 0; padding: 0 .6rem 0 0; } td:first-child { display: block; }
}
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
_IN_SHADOW = {
    State.NORMAL: "Shadow mode: nothing is tripped, and nothing would be sent",
    State.DEGRADED: "Shadow mode: reduce only in part, and nothing is sent; one person clears it",
    State.HALTED: "Shadow mode: halted in part, and nothing is sent; one person clears it",
}
_COLOUR = {
    State.NORMAL: "good",
    State.DEGRADED: "warn",
    State.HALTED: "bad",
    TripStatus.RUNNING: "warn",
    TripStatus.VERIFIED: "good",
    TripStatus.UNVERIFIED: "bad",
    TripStatus.SHADOW: "dim",
    TripStatus.CLOSED: "dim",
}


def blueprint(context: Context) -> Blueprint:
    """``GET /``."""
    page = Blueprint("page", __name__)

    @page.get("/")
    def status() -> Response:
        now = context.clock.now()
        try:
            switches, trips = context.queries.switches(), context.queries.trips(20)
            standing = {one.trip_id: view for one in switches if (view := _behind(one, context)) is not None}
        except StoreOutageError as error:
            body = Markup('<p class="banner halted">The store cannot be read: {}</p>').format(str(error))
            return _html(body, 503)
        if not any(one.scope == GLOBAL for one in switches):
            switches = (Switch(GLOBAL, State.NORMAL), *switches)
        body = Markup("").join(
            [
                _banner(switches, standing, shadow=context.settings.mode == "shadow"),
                Markup("<h2>Switches</h2>"),
                _switches(switches, standing, now),
                Markup("<h2>Last trips</h2>"),
                _joined(_trip(one, now) for one in trips) if trips else Markup("<p>None yet.</p>"),
                Markup(
                    '<p class="dim">As of {} UTC; loads itself again every 5 seconds · <code>andon --help</code>'
                ).format(f"{now:%Y-%m-%d %H:%M:%S}"),
                Markup(' · <a href="/readyz">health</a> · <a href="/api/v1/openapi.yaml">API</a></p>'),
            ]
        )
        return _html(body, 200)

    return page


def _behind(switch: Switch, context: Context) -> TripView | None:
    """The trip that brought a switch where it is; None when it is NORMAL."""
    return None if switch.state is State.NORMAL or switch.trip_id is None else context.queries.trip(switch.trip_id)


def _banner(switches: Iterable[Switch], trips: Mapping[str | None, TripView], *, shadow: bool) -> Markup:
    worst = max((one.state for one in switches), key=lambda state: state.rank)
    if shadow:
        colour, text = "shadow", _IN_SHADOW[worst]
    elif trips and all(one.verdict.status is TripStatus.SHADOW for one in trips.values()):
        colour, text = "shadow", "Tripped in part, where every venue account is in shadow mode: nothing was sent there"
    else:
        colour, text = worst.value, _BANNER[worst]
    return Markup('<p class="banner {}">{}</p>').format(colour, text)


def _switches(switches: Iterable[Switch], trips: Mapping[str | None, TripView], now: datetime) -> Markup:
    rows = _joined(
        Markup('<tr><td class="scope">{}</td><td>{}</td><td>{}</td><td class="since">{}</td><td>{}</td></tr>').format(
            _scope(one.scope),
            _chip(one.state),
            _chip(trips[one.trip_id].verdict.status) if one.trip_id in trips else "",
            _ago(one.since, now) if one.state is not State.NORMAL else "",
            ", ".join(_terms(one)),
        )
        for one in switches
    )
    return Markup(
        "<table><thead><tr><th>Scope</th><th>State</th><th>Proved</th><th>Since</th><th></th></tr></thead>"
        "<tbody>{}</tbody></table>"
    ).format(rows)


def _terms(one: Switch) -> Iterable[str]:
    if one.until is not None and one.state is State.DEGRADED:
        yield f"ends by itself at {one.until:%H:%M:%S} UTC"
    if one.keep_protective:
        yield "protective stops are kept"


def _trip(one: TripView, now: datetime) -> Markup:
    trip, status = one.trip, one.verdict.status
    reached = ", ".join(f"{name} {one.milestones[name]:.3f} s" for name in ("empty", "flat") if name in one.milestones)
    lines = [Markup('<li class="bad">{}</li>').format(why) for why in one.verdict.why]
    if trip.closed_at is None:
        lines += [line for row in one.rows for line in _of_row(row)]
    hidden = len(lines) - _MOST_LINES
    if hidden > 0:
        lines = [*lines[:_MOST_LINES], Markup("<li>and {} more: /api/v1/trips/{}</li>").format(hidden, trip.id)]
    return Markup(
        '<article{}><header><span class="scope">{} {}</span>{}<span class="dim">{} by {}{}</span></header>'
        '<p class="dim">{}</p>{}{}</article>'
    ).format(
        Markup(' class="over"') if trip.closed_at is not None else "",
        trip.action.value,
        _scope(trip.scope),
        _chip(status),
        _ago(trip.received_at, now),
        trip.actor,
        f" · {reached}" if reached else "",
        trip.reason,
        _targets(one.rows) if trip.closed_at is None else "",
        Markup("<ul>{}</ul>").format(_joined(lines)) if lines else "",
    )


def _targets(rows: Iterable[Progress]) -> Markup:
    """Each engine and venue account with how far it is there, and what it still has."""
    return Markup('<ul class="targets dim">{}</ul>').format(
        _joined(
            Markup("<li>{} <strong>{}</strong>{}</li>").format(row.target, row.stage.value, _left(row)) for row in rows
        )
    )


def _left(row: Progress) -> str:
    if row.kind is TargetKind.ENGINE or not (row.orders or row.positions):
        return ""
    found = ((row.orders, "order"), (row.positions, "position"))
    counted = ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in found if count)
    return f": {counted}, worth {row.notional}"


def _of_row(row: Progress) -> list[Markup]:
    """What nothing guards there; in shadow mode, which orders and positions it would have touched."""
    lines = [
        Markup('<li class="warn">{}: {} of {} is not guarded by a stop</li>').format(row.target, value, symbol)
        for symbol, value in row.detail.get("naked", {}).items()
    ]
    if row.stage is Stage.SHADOW:
        lines += [
            Markup("<li>{}: {}</li>").format(row.target, line)
            for line in touched(row.orders, row.positions, row.detail)
        ]
    return lines


def _scope(scope: Scope) -> Markup:
    """Its text, which may be broken between two labels."""
    return Markup(",<wbr>").join(str(scope).split(","))


def _chip(word: State | TripStatus) -> Markup:
    text = word.value.upper() if isinstance(word, State) else word.value
    return Markup('<span class="chip {}">{}</span>').format(_COLOUR[word], text)


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


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
