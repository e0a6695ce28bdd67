"""The admin API's paths and what each does."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sandbox.venue.faults.spec import FaultError
from sandbox.venue.http.admin.place import place_orders
from sandbox.venue.http.admin.refused import AdminError, Answer
from sandbox.venue.http.admin.state import state
from sandbox.venue.venue import Venue


def answer(venue: Venue, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
    """Answer one admin request: (content, status).  Raises AdminError."""
    name = path.removeprefix("/admin/").rstrip("/")
    found = _HANDLERS.get((method, name))
    if found is not None:
        return found(venue, query, body)
    if method == "DELETE" and name.startswith("faults/"):
        number = name.removeprefix("faults/")
        if not number.isdigit() or not venue.faults.remove(int(number)):
            raise AdminError(f"no fault {number}", 404)
        return {"removed": int(number)}, 200
    raise AdminError(f"no {method} {path}", 404)


def add_fault(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST faults."""
    try:
        fault = venue.faults.add(body)
    except FaultError as error:
        raise AdminError(str(error)) from error
    return fault.shown(), 201


def list_faults(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """GET faults."""
    return {"faults": [one.shown() for one in venue.faults.active()], "applied": venue.faults.applied}, 200


def clear_faults(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """DELETE faults."""
    venue.faults.clear()
    return {"faults": []}, 200


def show_state(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """GET state."""
    return state(venue), 200


def set_limits(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST limits: any of the limiter's numbers; every count starts anew."""
    limits = venue.rate_limiter.limits
    for name, value in body.items():
        if name not in limits.__slots__ or not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise AdminError(f"{name}: one of {', '.join(limits.__slots__)}, a whole number")
    for name, value in body.items():
        setattr(limits, name, value)
    venue.rate_limiter.reset()
    return asdict(limits), 200


def set_latency(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST latency: `milliseconds` of round trip added to every signed request."""
    milliseconds = body.get("milliseconds")
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool) or milliseconds < 0:
        raise AdminError("milliseconds: a number, 0 or more")
    venue.latency = milliseconds / 1000
    return {"latency_ms": milliseconds}, 200


def set_time(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST time: `offset_seconds` between the machine's clock and the venue's, for good."""
    offset = body.get("offset_seconds")
    if not isinstance(offset, int | float) or isinstance(offset, bool):
        raise AdminError("offset_seconds: a number")
    venue.clock.offset = float(offset)
    return {"now": venue.clock.milliseconds(), "offset_seconds": offset}, 200


def reset(venue: Venue, _: dict[str, str], __: dict[str, Any]) -> Answer:
    """POST reset."""
    venue.reset()
    return {"reset": True}, 200


def requests(venue: Venue, query: dict[str, str], _: dict[str, Any]) -> Answer:
    """GET requests: the log after number `since`, oldest first; filters: account, path (prefix), method; `limit`."""
    since, limit = _whole(query, "since", 0), _whole(query, "limit", 10_000)
    found: list[dict[str, Any]] = []
    for one in venue.request_log:
        if one.number <= since or len(found) >= limit:
            continue
        if query.get("account") not in {None, one.account} or query.get("method") not in {None, one.method}:
            continue
        if not one.path.startswith(query.get("path", "")):
            continue
        found.append({name: getattr(one, name) for name in one.__slots__})
    return {"requests": found, "last": venue.request_log.last}, 200


def _whole(query: dict[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise AdminError(f"{name}: a whole number") from None


_HANDLERS: dict[tuple[str, str], Callable[[Venue, dict[str, str], dict[str, Any]], Answer]] = {
    ("POST", "faults"): add_fault,
    ("GET", "faults"): list_faults,
    ("DELETE", "faults"): clear_faults,
    ("GET", "state"): show_state,
    ("GET", "requests"): requests,
    ("POST", "limits"): set_limits,
    ("POST", "latency"): set_latency,
    ("POST", "time"): set_time,
    ("POST", "orders"): place_orders,
    ("POST", "reset"): reset,
}
