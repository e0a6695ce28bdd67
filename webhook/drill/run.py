"""The drill itself: refuse, break, follow, ask the venue, tell."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook.cli import exits
from webhook.cli.client import AnswerError, Client
from webhook.cli.connect import read_token
from webhook.cli.tables import table
from webhook.drill.faults import BREAKS, Break
from webhook.drill.options import world_of
from webhook.drill.watch import Watch
from webhook.drill.world import Books, World, books, firing, mend, refund, refuse_what_is_real, start
from webhook.errors import PermanentError
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action

_POLL_SECONDS = 0.05
_STAY_SECONDS = 1.0
_CALM_SECONDS = 180.0
_FIRST_SCRAPE_SECONDS = 20.0


@dataclass(slots=True)
class Outcome:
    """What the service and the venue said at the end."""

    trips: list[dict[str, Any]]
    verified: dict[str, Any] | None = None
    venue_clear_at: float | None = None
    venue: Books | None = None


def drill(options: argparse.Namespace) -> int:
    """Run one drill; returns the exit code."""
    world = world_of(options)
    broken = BREAKS[options.fault]
    configuration = refuse_what_is_real(world)
    scope, accounts = _target(configuration, options.strategy, broken)
    _say(f"Drill: {broken.summary}.")
    held = _held(world.service, scope)
    if held:
        _say(f"{held} BEFORE the drill, so there is nothing to measure and nothing was broken.")
        _say(
            "Resume it first: `andon drill --resume --approver-token-file FILE`, or `andon resume` and `andon approve`."
        )
        return exits.FAILED if not options.resume else _back(options, world)
    watch = Watch(world, broken, options.strategy, scope)
    already = watch.prepare()
    scraped_by = time.monotonic() + _FIRST_SCRAPE_SECONDS
    while not watch.limits and time.monotonic() < scraped_by:
        # A stack that was started a moment ago has scraped nothing yet.
        time.sleep(_POLL_SECONDS)
        already = watch.prepare()
    if already:
        _say(
            f"Above its limit BEFORE the drill: {', '.join(sorted(set(already)))}. Nothing was broken; "
            "see `andon status`."
        )
        return exits.FAILED
    if not watch.limits:
        raise PermanentError(
            "Prometheus knows no limit for this strategy: are its rules loaded and the exporters scraped?"
        )
    before = books(world, accounts)
    began = time.time()
    watch.start(began)
    try:
        start(world, broken, options.strategy)
        _say(
            f"Broken at {datetime.fromtimestamp(began).astimezone():%H:%M:%S}; before: {_words(before)}. "
            "Waiting for the kill ..."
        )
        outcome = _follow(world, watch, broken, accounts, began, options.timeout)
    finally:
        watch.stop()
    _report(watch, broken, outcome, began)
    code = _verdict(broken, outcome, options.timeout)
    if options.resume:
        return max(code, _back(options, world))
    _say("\nThe scope stays stopped, and the fault may go on. To restore the sandbox and resume, as two people:")
    _say("  andon drill --resume --token-file ONE --approver-token-file OTHER")
    return code


def _target(configuration: dict[str, Any], strategy: str, broken: Break) -> tuple[Scope, tuple[str, ...]]:
    known = configuration["strategies"]
    if strategy not in known:
        raise PermanentError(f"the service knows no strategy {strategy!r}; it knows {', '.join(known)}")
    place = known[strategy]
    if broken.venue:
        # The market itself is broken: everybody who trades there is stopped.
        accounts = tuple(one["account"] for one in configuration["venues"] if one["venue"] == place["venue"])
        return Scope.of({"venue": place["venue"]}), accounts
    return Scope.of({"venue": place["venue"], "account": place["account"], "strategy": strategy}), (place["account"],)


def _held(service: Client, scope: Scope) -> str:
    for one in service.get("/api/v1/switches")["switches"]:
        if one["state"] != "normal" and Scope.of(one["constraints"]).overlaps(scope):
            return f"{one['scope']} is {one['state'].upper()}"
    return ""


def _follow(
    world: World, watch: Watch, broken: Break, accounts: tuple[str, ...], began: float, timeout: float
) -> Outcome:
    outcome = Outcome([])
    deadline = time.monotonic() + timeout
    wanted = Action(broken.expects)
    while time.monotonic() < deadline:
        outcome.trips = _trips(world.service, watch.scope, began)
        if outcome.trips:
            outcome.venue = books(world, accounts)
            clear = outcome.venue.empty and (wanted is not Action.FLATTEN or not outcome.venue.positions)
            outcome.venue_clear_at = (outcome.venue_clear_at or time.time()) if clear else None
            strong = [one for one in outcome.trips if Action(one["action"]).rank >= wanted.rank]
            outcome.verified = next((one for one in strong if one["verified"]), None)
            if outcome.verified and outcome.venue_clear_at and time.time() - outcome.venue_clear_at > _STAY_SECONDS:
                return outcome
        time.sleep(_POLL_SECONDS)
    return outcome


def _trips(service: Client, scope: Scope, began: float) -> list[dict[str, Any]]:
    """The trips that began in the drill and reach its scope, the oldest first."""
    found = [
        one
        for one in service.get("/api/v1/trips", limit=20)["trips"]
        if _unix(one["received_at"]) >= began and Scope.parse(one["scope"]).overlaps(scope)
    ]
    return sorted(found, key=lambda one: str(one["received_at"]))


def _report(watch: Watch, broken: Break, outcome: Outcome, began: float) -> None:
    events = sorted(_events(watch, broken, outcome))
    if not events:
        _say("\nNothing happened: no breach, no alert, no trip.")
        if broken.restarts:
            _say("If something restarted the engine before its heartbeat was missed, that is as it should be.")
    # The exporters are asked every 10 ms: Prometheus may have read the breach a moment before us.
    zero = min((at for at, _ in events), default=began) if watch.breach is not None else began
    rows, before = [], zero
    for at, words in events:
        rows.append((f"{at - zero:+.3f}", f"{max(at - before, 0.0):.3f}", words))
        before = at
    if rows:
        _say("\n" + table(("SECONDS", "STEP", "WHAT"), rows))
    for name, trouble in watch.trouble.items():
        _say(f"  ! {name} could not be read at the end: {trouble}")
    if not outcome.trips and watch.alerts:
        _say("The alert fires and the service was not told: look at Alertmanager and its token.")


def _events(watch: Watch, broken: Break, outcome: Outcome) -> Iterator[tuple[float, str]]:
    breach = watch.breach
    if breach is not None:
        yield breach.at, f"breach in the exporter: {breach.metric} {breach.value:.4g} > {breach.limit:.4g}"
    for name, at in watch.alerts.items():
        yield at, f"alert {name} fires in Prometheus"
    for one in outcome.trips:
        received = _unix(one["received_at"])
        yield received, f"{one['action']} {one['scope']} received from {one['source']} ({one['actor']})"
        for milestone, words in _MILESTONES.items():
            if milestone in one["milestones"]:
                yield received + one["milestones"][milestone], words
    if outcome.venue_clear_at is not None:
        what = "empty and flat" if broken.expects == "flatten" else "empty"
        yield outcome.venue_clear_at, f"the venue itself says: {what} (asked past the service, every 50 ms)"


_MILESTONES = {
    "stored": "stored: on disk, Alertmanager answered",
    "stopped": "the engine confirmed that it stopped",
    "first_cancel_sent": "first cancel on the wire",
    "empty": "read again: no open order in scope",
    "flat": "read again: no position in scope",
}


def _verdict(broken: Break, outcome: Outcome, timeout: float) -> int:
    if outcome.verified is not None and outcome.venue_clear_at is not None:
        done = outcome.verified
        _say(f"\nVERIFIED: {done['action']} {done['scope']}; the venue agrees: {_words(outcome.venue)}.")
        return exits.OK
    _say(f"\nNOT VERIFIED within {timeout:g} s (expected: {broken.expects}).")
    if outcome.venue is not None:
        _say(f"The venue says: {_words(outcome.venue)}.")
    for one in outcome.trips:
        why = "; ".join(one["why"]) or "nothing left"
        _say(f"Trip {one['id']}: {one['action']} {one['scope']}, {one['status']}: {why}")
    return exits.NOT_VERIFIED


def _back(options: argparse.Namespace, world: World) -> int:
    """Restore the sandbox and resume, as two people, every scope that an alert stopped."""
    if options.approver_token_file is None:
        raise PermanentError("--resume needs --approver-token-file: a second person's token")
    approver = Client(options.url, token=read_token(options.approver_token_file), ca_file=options.ca_file)
    mend(world)
    _say("\nThe faults are taken out. Waiting until every trip is verified ...")
    _until(lambda: not _unverified(world.service))
    refund(world)
    _say("The sandbox accounts have their deposits back. Waiting until no kill alert fires ...")
    for scope in _stopped_by_alerts(world.service):
        _until(lambda scope=scope: not firing(world, Scope.parse(scope), 0.0))  # type: ignore[misc]
        _resume(world.service, approver, scope)
        _say(f"Resumed: {scope}")
    return exits.OK


def _resume(service: Client, approver: Client, scope: str) -> None:
    """Ask and approve, until Alertmanager, too, has said that the alerts ended: seconds after Prometheus did."""
    deadline = time.monotonic() + _CALM_SECONDS
    while True:
        try:
            asked = service.post("/api/v1/resumes", {"scope": scope, "reason": "end of the drill"})
            if asked["status"] == "pending":
                approver.post(f"/api/v1/approvals/{asked['id']}")
        except AnswerError as error:
            if error.code not in ("still_firing", "already") or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _unverified(service: Client) -> list[str]:
    trips = service.get("/api/v1/trips", limit=50)["trips"]
    return [one["scope"] for one in trips if one["status"] in ("running", "unverified")]


def _stopped_by_alerts(service: Client) -> list[str]:
    """What a person stopped stays stopped."""
    switches = service.get("/api/v1/switches")["switches"]
    return [one["scope"] for one in switches if one["state"] != "normal" and one["tripped_by"] == "alert"]


def _until(condition: Callable[[], bool]) -> None:
    """Wait for it, within reason; what comes next says what is wrong when it does not come."""
    deadline = time.monotonic() + _CALM_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)


def _words(found: Books | None) -> str:
    return "not known" if found is None else f"{found.orders} open orders, {found.positions} positions"


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
