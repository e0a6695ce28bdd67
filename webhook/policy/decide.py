"""From one alert to one `Decision`: what is done, where, and why, in words a person can check.

The labels of an alert are a request.  ``kill_action`` names the action, ``kill_scope`` the labels that make the scope,
``kill_duration`` (label or annotation) when a reduce ends, ``kill_keep`` what is left standing.  The policy answers.
Whatever cannot be granted as asked is either done in a weaker form or refused loudly: a person is paged, and nothing is
guessed.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from webhook.intake.alert import Alert, AlertStatus, Batch
from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope, ScopeError
from webhook.killswitch.states import Action
from webhook.policy.rule import Policy, ScopeShape, scope_shape, shape_text

_LONGEST_LABEL = 128
"""Of a label that makes a scope: a scope is a key in the store."""


class Outcome(StrEnum):
    """What becomes of an alert."""

    TRIP = "trip"
    PAGE = "page"
    """It asked only for a person."""
    RECORD = "record"
    """It is journalled and changes nothing."""
    REFUSE = "refuse"
    """It asked for something it may not have, or did not say where: page and journal."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one alert.

    ``scope`` is set for every TRIP; otherwise only where it could be worked out.  ``action`` is what is done (PAGE for
    everything that trips nothing), ``requested`` what was asked for.  ``reason`` is a sentence; ``code`` a short token:
    ``granted``, ``weaker``, ``over_budget``, ``truncated``, ``page``, ``no_action``, ``resolved``, or for a refusal
    ``unknown_action``, ``missing_scope``, ``bad_scope``, ``missing_label``, ``not_allowed``.  ``duration`` is when a
    reduce ends by itself (None: it does not).  ``keep_protective``: stops that can only close are left standing.
    """

    outcome: Outcome
    action: Action
    requested: Action
    scope: Scope | None
    reason: str
    code: str
    duration: timedelta | None = None
    keep_protective: bool = False


def decide(alert: Alert, policy: Policy) -> Decision:
    """Decide about one alert; total: every alert gets a decision."""
    text = alert.labels.get("kill_action", "").strip()
    if alert.status is AlertStatus.RESOLVED:
        return _record("resolved", "the alert resolved; that is journalled and releases nothing")
    if not text:
        return _record("no_action", "the alert has no label kill_action")
    try:
        requested = Action(text.lower())
    except ValueError:
        known = ", ".join(Action)
        return _refuse("unknown_action", Action.PAGE, f"kill_action {text[:40]!r} is not one of {known}")
    scope = _scope_of(alert, policy)
    if requested is Action.PAGE:
        where = scope.scope if isinstance(scope, _Where) else None
        return Decision(Outcome.PAGE, Action.PAGE, Action.PAGE, where, "the rule asks for a person", "page")
    if isinstance(scope, _NoScope):
        return _refuse(scope.code, requested, scope.reason)
    return _grant(alert, policy, requested, scope)


def apply_budget(decision: Decision, recent_trips: int, policy: Policy) -> Decision:
    """Let flatten fall back to halt when more than the budget of trips was spent in its window.

    ``recent_trips`` is how many there were in the last ``policy.budget.window``.  Orders are always cancelled; only
    trading positions away is withheld, because a flood of trips says that the alerts may be wrong.
    """
    spent = recent_trips >= policy.budget.trips
    if decision.outcome is not Outcome.TRIP or decision.action is not Action.FLATTEN or not spent:
        return decision
    minutes = policy.budget.window.total_seconds() / 60
    why = (
        f"{recent_trips} trips in {minutes:g} minutes spend the budget of {policy.budget.trips}: halted, not flattened"
    )
    return replace(decision, action=Action.HALT, code="over_budget", reason=f"{decision.reason}; {why}")


def decide_truncated(batch: Batch, policy: Policy) -> Decision | None:
    """Decide about the alerts that Alertmanager left out of *batch*; None when it left none out.

    Nobody knows what they were, so ``halt`` can only mean everything.
    """
    if batch.truncated == 0:
        return None
    reason = (
        f"Alertmanager left {batch.truncated} alerts out of this delivery; any of them may have been a kill. "
        "Set max_alerts: 0 on the receiver"
    )
    if policy.truncated == "halt":
        return Decision(Outcome.TRIP, Action.HALT, Action.HALT, GLOBAL, reason, "truncated")
    return Decision(Outcome.PAGE, Action.PAGE, Action.PAGE, None, reason, "truncated")


def _grant(alert: Alert, policy: Policy, requested: Action, where: "_Where") -> Decision:
    shape = frozenset(where.scope.dimensions)
    granted = policy.granted(alert.name, shape)
    usable = [action for action in granted if Action.PAGE.rank < action.rank <= requested.rank]
    if not usable:
        place = shape_text(shape)
        allowed = ", ".join(action for action in Action if action in granted) or "nothing"
        return _refuse(
            "not_allowed",
            requested,
            f"the policy does not let {alert.name} {requested} a scope of {place}; it allows {allowed} there",
            where.scope,
        )
    action = max(usable, key=lambda one: one.rank)
    reasons = [f"{alert.name} asked to {requested} {where.scope}"]
    if action is not requested:
        reasons.append(f"the policy does not allow {requested} there, so {action} is done")
    if where.note:
        reasons.append(where.note)
    duration = None
    if action is Action.REDUCE:
        duration, note = _duration(alert, policy.longest_reduce(alert.name, shape))
        reasons += [note] if note else []
    keep, note = _keep(alert, policy, shape, action)
    reasons += [note] if note else []
    code = "granted" if action is requested else "weaker"
    return Decision(Outcome.TRIP, action, requested, where.scope, "; ".join(reasons), code, duration, keep)


def _keep(alert: Alert, policy: Policy, shape: ScopeShape, action: Action) -> tuple[bool, str]:
    """Whether protective stops are left standing, and what to say where they are not although it was asked for."""
    text = alert.labels.get("kill_keep", "").strip()
    if not text:
        return False, ""
    if text != "protective":
        return False, f"kill_keep {text[:40]!r} is not 'protective', so nothing is kept"
    if action is Action.FLATTEN:
        return False, "a flatten keeps no stops: they go with the position"
    if not policy.may_keep(alert.name, shape):
        return False, "the policy does not let it keep protective stops, so nothing is kept"
    return True, "protective stops are kept"


@dataclass(frozen=True, slots=True)
class _Where:
    scope: Scope
    note: str = ""


@dataclass(frozen=True, slots=True)
class _NoScope:
    code: str
    reason: str


def _scope_of(alert: Alert, policy: Policy) -> _Where | _NoScope:
    text = alert.labels.get("kill_scope", "").strip()
    if not text:
        return _NoScope("missing_scope", f"{alert.name} asks for an action and has no label kill_scope to say where")
    names = [part.strip() for part in text.split(",")]
    shape = scope_shape(text)
    if shape and (len(names) != len(shape) or not shape <= set(DIMENSIONS)):
        allowed = ", ".join(DIMENSIONS)
        return _NoScope(
            "bad_scope", f"kill_scope {text[:80]!r} must be 'global' or name each of {allowed} at most once"
        )
    long = [name for name in DIMENSIONS if name in shape and len(alert.labels.get(name, "")) > _LONGEST_LABEL]
    if long:
        return _NoScope("bad_scope", f"the label {', '.join(long)} is longer than {_LONGEST_LABEL} characters")
    missing = [name for name in DIMENSIONS if name in shape and not alert.labels.get(name, "").strip()]
    try:
        scope = Scope.of({name: alert.labels[name] for name in shape if name not in missing})
    except ScopeError as error:
        return _NoScope("bad_scope", str(error))
    if not missing:
        return _Where(scope)
    return _widened(alert, policy, scope, missing, text)


def _widened(alert: Alert, policy: Policy, scope: Scope, missing: list[str], asked: str) -> _Where | _NoScope:
    lost = ", ".join(missing)
    if policy.missing_label != "widen":
        return _NoScope(
            "missing_label",
            f"{alert.name} has no label {lost}, which its kill_scope {asked!r} names: where is not known",
        )
    if scope == GLOBAL and frozenset() not in policy.shapes(alert.name):
        return _NoScope(
            "missing_label",
            f"{alert.name} has no label {lost}: widening would stop everything, which the policy does not allow it",
        )
    return _Where(scope, f"the label {lost} is missing, so the scope was widened to {scope}")


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d{1,9}(?:ms|[smhdw]))+", re.ASCII)
_PART = re.compile(r"(\d+)(ms|[smhdw])", re.ASCII)
_LONGEST = timedelta(days=366)


def parse_duration(text: str) -> timedelta | None:
    """Read Prometheus' form (``5m``, ``1h30m``, ``90s``); None when it is not one, zero, or longer than a year."""
    if _DURATION.fullmatch(text.strip()) is None:
        return None
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    return timedelta(seconds=seconds) if 0 < seconds <= _LONGEST.total_seconds() else None


def _duration(alert: Alert, longest: timedelta | None) -> tuple[timedelta | None, str]:
    text = alert.labels.get("kill_duration") or alert.annotations.get("kill_duration") or ""
    if not text.strip():
        return None, ""
    asked = parse_duration(text)
    if asked is None:
        return None, f"kill_duration {text[:40]!r} is not a duration like 5m, so it ends only by a resume"
    if longest is not None and asked > longest:
        return longest, f"kill_duration {text} is cut to the {longest.total_seconds():g} s that the policy allows"
    return asked, ""


def _record(code: str, reason: str) -> Decision:
    return Decision(Outcome.RECORD, Action.PAGE, Action.PAGE, None, reason, code)


def _refuse(code: str, requested: Action, reason: str, scope: Scope | None = None) -> Decision:
    return Decision(Outcome.REFUSE, Action.PAGE, requested, scope, reason, code)
