"""Things to test with: each builder gives a valid one, and takes what matters to the test as keywords."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from webhook.access.principal import Principal, Role
from webhook.access.resume import ResumeRequest
from webhook.actions.port import OpenOrder, Position, Side
from webhook.intake.alert import Alert, AlertStatus, fingerprint
from webhook.intake.episode import Episode
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, TargetKind, Trip
from webhook.policy.rule import Policy, PolicyRule, TripBudget, scope_shape

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
"""A moment that tests agree on."""

A_STRATEGY = Scope.of({"venue": "sandbox", "account": "mm", "strategy": "mm-btc"})

_numbers = itertools.count(1)


def some_labels(**labels: str) -> dict[str, str]:
    """Labels of a drawdown alert that asks to flatten one strategy; give a label "" to leave it out."""
    all_labels = {
        "alertname": "TradingDrawdownBreached",
        "severity": "critical",
        "venue": "sandbox",
        "account": "mm",
        "strategy": "mm-btc",
        "kill_action": "flatten",
        "kill_scope": "venue,account,strategy",
    } | labels
    return {name: value for name, value in all_labels.items() if value}


def an_alert(*, status: AlertStatus = AlertStatus.FIRING, starts_at: datetime = NOW, **labels: str) -> Alert:
    """A firing alert with `some_labels`."""
    chosen = some_labels(**labels)
    ends_at = starts_at + timedelta(minutes=5) if status is AlertStatus.RESOLVED else None
    return Alert(status, chosen, {"summary": "drawdown 12 %"}, starts_at, ends_at, fingerprint(chosen))


def an_alert_entry(**changes: Any) -> dict[str, Any]:
    """One entry of ``alerts`` as Alertmanager sends it; a change to None leaves the field out."""
    entry = {
        "status": "firing",
        "labels": some_labels(),
        "annotations": {"summary": "drawdown 12 %", "runbook_url": "https://example.org/runbook"},
        "startsAt": "2026-11-22T10:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "abcdef0123456789",
    } | changes
    return {name: value for name, value in entry.items() if value is not None}


def a_payload(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A version 4 body with these alerts (one firing alert when none is given); a change to None leaves a field out."""
    alerts = list(entries) or [an_alert_entry()]
    document = {
        "version": "4",
        "groupKey": '{}/{kill_action!=""}:{alertname="TradingDrawdownBreached"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "kill",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": alerts,
    } | changes
    return {name: value for name, value in document.items() if value is not None}


def a_body(*entries: dict[str, Any], **changes: Any) -> bytes:
    """The bytes of `a_payload`."""
    return json.dumps(a_payload(*entries, **changes)).encode()


def a_rule(
    *alerts: str,
    actions: tuple[Action, ...] = tuple(Action),
    scopes: tuple[str, ...] = ("venue,account,strategy",),
    max_duration: timedelta | None = None,
    may_keep_protective: bool = False,
) -> PolicyRule:
    """A rule that lets every alert do everything to one strategy."""
    shapes = frozenset(scope_shape(text) for text in scopes)
    return PolicyRule(alerts or ("*",), frozenset(actions), shapes, max_duration, may_keep_protective)


def a_policy(*rules: PolicyRule, **changes: Any) -> Policy:
    """A policy with these rules (`a_rule` when none is given)."""
    return Policy(rules or (a_rule(),), **({"budget": TripBudget(20, timedelta(minutes=10))} | changes))


def a_switch(state: State = State.HALTED, *, scope: Scope = A_STRATEGY, **changes: Any) -> Switch:
    """A switch in this state, as an alert left it."""
    defaults: dict[str, Any] = {"version": 1, "since": NOW}
    if state is not State.NORMAL:
        action = Action.HALT if state is State.HALTED else Action.REDUCE
        defaults |= {"action": action, "trip_id": "trip-0", "tripped_by": "alert"}
    return Switch(scope, state, **(defaults | changes))


def a_trip(trip_id: str = "", **changes: Any) -> Trip:
    """A running trip that an alert asked for."""
    defaults: dict[str, Any] = {
        "scope": A_STRATEGY,
        "action": Action.HALT,
        "requested": Action.HALT,
        "source": "alertmanager",
        "actor": "TradingDrawdownBreached",
        "reason": "TradingDrawdownBreached asked to halt venue=sandbox,account=mm,strategy=mm-btc",
        "received_at": NOW,
        "started_at": NOW - timedelta(seconds=1),
        "fingerprint": "0123456789abcdef",
        "labels": some_labels(),
        "annotations": {"summary": "drawdown 12 %"},
    }
    return Trip(trip_id or f"trip-{next(_numbers)}", **(defaults | changes))


def a_row(trip_id: str = "trip-1", target: str = "sandbox-mm", **changes: Any) -> Progress:
    """How far a trip is at one venue account: nothing was answered yet."""
    defaults: dict[str, Any] = {"kind": TargetKind.ACCOUNT, "epoch": 1, "revision": 1}
    return Progress(trip_id, target, **(defaults | changes))


def a_commanded(**changes: Any) -> Commanded:
    """The whole engine was told to halt."""
    defaults: dict[str, Any] = {
        "engine": "engine",
        "part": GLOBAL,
        "state": State.HALTED,
        "stopped_before": False,
        "at": NOW,
        "epoch": 1,
        "revision": 1,
    }
    return Commanded(**(defaults | changes))


def an_episode(**changes: Any) -> Episode:
    """An alert that tripped, heard once."""
    defaults: dict[str, Any] = {
        "fingerprint": "0123456789abcdef",
        "starts_at": NOW,
        "name": "TradingDrawdownBreached",
        "status": "firing",
        "outcome": "tripped",
        "first_seen": NOW,
        "last_seen": NOW,
        "trip_id": "trip-1",
    }
    return Episode(**(defaults | changes))


def a_resume_request(**changes: Any) -> ResumeRequest:
    """Alice asks to resume one strategy, within a quarter of an hour."""
    defaults: dict[str, Any] = {
        "id": f"resume-{next(_numbers)}",
        "scope": A_STRATEGY,
        "requested_by": "alice",
        "reason": "the feed is back",
        "requested_at": NOW,
        "expires_at": NOW + timedelta(minutes=15),
        "switch_version": 1,
    }
    return ResumeRequest(**(defaults | changes))


def a_principal(name: str = "alice", role: Role = Role.RISK) -> Principal:
    """Somebody of the risk function."""
    return Principal(name, role)


def an_order(**changes: Any) -> OpenOrder:
    """A resting buy order of ``mm-btc``."""
    defaults: dict[str, Any] = {
        "order_id": str(next(_numbers)),
        "client_order_id": "mm-btc_1",
        "symbol": "BTC/USDT:USDT",
        "side": Side.BUY,
        "quantity": Decimal(1),
        "filled": Decimal(0),
        "price": Decimal(60000),
        "reduce_only": False,
    }
    return OpenOrder(**(defaults | changes))


def a_position(**changes: Any) -> Position:
    """Long one bitcoin."""
    defaults: dict[str, Any] = {"symbol": "BTC/USDT:USDT", "quantity": Decimal(1), "mark_price": Decimal(60000)}
    return Position(**(defaults | changes))
