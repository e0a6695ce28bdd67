"""The commands of a person who acts: trip, resume, approve, withdraw."""

import argparse
import sys
import time

from webhook.cli import exits
from webhook.cli.client import Client
from webhook.cli.connect import client
from webhook.cli.status import residual, show, touched, unguarded

MILESTONES = ("stored", "first_cancel_sent", "stopped", "empty", "flat")
_POLL_SECONDS = 0.1


def status(options: argparse.Namespace) -> int:
    """Print what is."""
    return show(client(options))


def trip(options: argparse.Namespace) -> int:
    """Pull the cord by hand."""
    service = client(options)
    body: dict[str, object] = {"action": options.action, "scope": options.scope, "reason": options.reason}
    if options.minutes is not None:
        body["duration_seconds"] = options.minutes * 60
    if options.keep:
        body["keep"] = options.keep
    made = service.post("/api/v1/trips", body)
    sys.stdout.write(f"Tripped: {made['action']} {made['scope']} (trip {made['id']})\n")
    if not options.wait:
        sys.stdout.write("That it was asked is not that it is done: `andon status`, or --wait.\n")
        return exits.OK
    return follow(service, made["id"], options.timeout)


def follow(service: Client, trip_id: str, timeout: float) -> int:
    """Print each milestone as it is reached, until the trip is verified or *timeout* seconds are over."""
    deadline = time.monotonic() + timeout
    told: set[str] = set()
    left = ""
    while True:
        found = service.get(f"/api/v1/trips/{trip_id}")
        for milestone in MILESTONES:
            if milestone in found["milestones"] and milestone not in told:
                told.add(milestone)
                sys.stdout.write(f"  {milestone.replace('_', ' '):<18} {found['milestones'][milestone]:8.3f} s\n")
        if found["verified"]:
            kept = " but protective stops" if found["keep"] == "protective" else ""
            sys.stdout.write(f"Verified: the venue was read again and nothing{kept} is left in this scope.\n")
            sys.stdout.writelines(f"  {line}\n" for line in unguarded(found))
            return exits.OK
        if found["status"] == "shadow":
            sys.stdout.write("Shadow mode: nothing was sent.\n")
            sys.stdout.writelines(f"  {line}\n" for line in touched(found))
            return exits.OK
        if found["status"] == "closed":
            sys.stdout.write("This trip is over: resumed, or a stronger one took its place.\n")
            return exits.NOT_VERIFIED
        if residual(found) != left:
            left = residual(found)
            sys.stdout.write(f"  left: {left}\n")
        sys.stdout.flush()
        if time.monotonic() > deadline:
            sys.stdout.write(f"NOT verified within {timeout:g} s; the service goes on trying. Left: {left}\n")
            sys.stdout.writelines(f"  {why}\n" for why in found["why"])
            return exits.NOT_VERIFIED
        time.sleep(_POLL_SECONDS)


def resume(options: argparse.Namespace) -> int:
    """Ask to resume."""
    made = client(options).post("/api/v1/resumes", {"scope": options.scope, "reason": options.reason})
    if made["status"] == "approved":
        sys.stdout.write(f"Resumed: {made['scope']} is normal.\n")
    else:
        sys.stdout.write(
            f"Asked to resume {made['scope']} (request {made['id']}, until {made['expires_at']}).\n"
            f"Another person must approve it: andon approve {made['id']}\n"
        )
    return exits.OK


def approve(options: argparse.Namespace) -> int:
    """Approve what somebody else asked for."""
    made = client(options).post(f"/api/v1/approvals/{options.id}")
    sys.stdout.write(
        f"Resumed: {made['scope']} is normal (asked by {made['requested_by']}, approved by {made['approved_by']}).\n"
    )
    return exits.OK


def withdraw(options: argparse.Namespace) -> int:
    """Take a request back."""
    made = client(options).delete(f"/api/v1/resumes/{options.id}")
    sys.stdout.write(f"Withdrawn: {made['scope']} stays as it is.\n")
    return exits.OK
