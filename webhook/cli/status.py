"""``andon status``: what is stopped, what is being done, who is waited for."""

import re
import sys
import time
from typing import Any

from webhook.cli import exits
from webhook.cli.client import AnswerError, Client, UnreachableError
from webhook.cli.tables import ago, span, table
from webhook.notify import touched as words

_OPEN = {"running", "unverified", "verified", "shadow"}


def show(client: Client) -> int:
    """Print the state; returns the exit code."""
    switches = client.get("/api/v1/switches")
    trips = [one for one in client.get("/api/v1/trips", limit=100)["trips"] if one["status"] in _OPEN]
    waiting = client.get("/api/v1/resumes", status="pending")["resumes"]
    out = sys.stdout.write
    tripped = [one for one in switches["switches"] if one["state"] != "normal"]
    out(f"Andon at {client.url}: {_sentence(tripped)}")
    out(" (shadow mode: nothing is sent)\n" if switches["mode"] == "shadow" else "\n")
    out(
        "\nSwitches\n"
        + table(("SCOPE", "STATE", "ACTION", "SINCE", "TRIP"), [_switch(one) for one in switches["switches"]])
        + "\n"
    )
    if trips:
        out(
            "\nTrips\n"
            + table(("TRIP", "SCOPE", "ACTION", "STATUS", "BY", "LEFT AT THE VENUE"), [_trip(one) for one in trips])
            + "\n"
        )
    for one in trips:
        notes = [*one["why"], *unguarded(one), *touched(one)]
        out("".join(f"  {one['id']}: {note}\n" for note in notes))
    if waiting:
        rows = [(one["id"], one["scope"], one["requested_by"], one["expires_at"], one["reason"]) for one in waiting]
        out("\nWaiting for a second person (`andon approve ID`)\n")
        out(table(("ID", "SCOPE", "ASKED BY", "EXPIRES", "REASON"), rows) + "\n")
    out("\n" + _health(client) + "\n")
    return exits.TRIPPED if tripped else exits.OK


def _sentence(tripped: list[dict[str, Any]]) -> str:
    if not tripped:
        return "everything is NORMAL"
    halted = sum(one["state"] == "halted" for one in tripped)
    parts = [f"{halted} HALTED"] * bool(halted) + [f"{len(tripped) - halted} DEGRADED"] * (len(tripped) > halted)
    return ", ".join(parts)


def _switch(one: dict[str, Any]) -> tuple[str, ...]:
    if one["state"] == "normal":
        return one["scope"], "normal", "", "", ""
    since = ago(one["since"]) + (f", until {one['until']}" if one["until"] else "")
    action = f"{one['action']}, keeps protective stops" if one["keep"] == "protective" else one["action"] or ""
    return one["scope"], one["state"].upper(), action, since, one["trip_id"] or ""


def _trip(one: dict[str, Any]) -> tuple[str, ...]:
    return one["id"], one["scope"], one["action"], one["status"], one["actor"], residual(one)


def residual(trip: dict[str, Any]) -> str:
    """What is left, or why it is not verified, in words."""
    if trip["status"] == "shadow":
        would = [
            f"{one['name']}: would cancel {one['orders']} orders and close {one['positions']} positions"
            for one in trip["targets"]
            if one["stage"] == "shadow" and one["kind"] == "account"
        ]
        return "; ".join(would) or "nothing"
    left = [
        f"{one['name']}: {one['orders']} orders, {one['positions']} positions"
        for one in trip["targets"]
        if one["orders"] or one["positions"]
    ]
    if left:
        return "; ".join(left)
    return "nothing" if trip["verified"] else "; ".join(trip["why"]) or "not known yet"


def unguarded(trip: dict[str, Any]) -> list[str]:
    """The positions in scope that no stop guards."""
    return [
        f"{one['name']}: {value} of {symbol} is not guarded by a stop"
        for one in trip["targets"]
        for symbol, value in one["detail"].get("naked", {}).items()
    ]


def touched(trip: dict[str, Any]) -> list[str]:
    """In shadow mode: each order and position that would have been touched."""
    return [
        f"{one['name']}: {line}"
        for one in trip["targets"]
        if one["stage"] == "shadow"
        for line in words.touched(one["orders"], one["positions"], one["detail"])
    ]


def _health(client: Client) -> str:
    """One line for each part that is not well, and the age of the Watchdog."""
    lines = []
    try:
        ready = client.get("/readyz")
    except AnswerError as error:
        ready = {"checks": {"service": {"ok": False, "detail": f"not ready: {error}"}}}
    bad = {name: check["detail"] for name, check in ready["checks"].items() if not check["ok"]}
    lines.append(f"Health: {len(ready['checks']) - len(bad)} of {len(ready['checks'])} parts are well")
    lines += [f"  ! {name}: {detail}" for name, detail in bad.items()]
    lines.append("Watchdog: " + _watchdog(client))
    return "\n".join(lines)


def _watchdog(client: Client) -> str:
    try:
        found = re.search(r"^andon_watchdog_last_timestamp_seconds (\S+)$", client.text("/metrics"), re.MULTILINE)
    except (AnswerError, UnreachableError) as error:
        return f"not known ({error})"
    if found is None or float(found[1]) == 0:
        return "never heard: no alert may be able to get here"
    return span(time.time() - float(found[1]))
