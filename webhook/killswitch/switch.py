"""The latch: what a trip, a resume and the passing of time do to a switch.  Pure; the store makes it durable.

Invariants, held by `trip` alone: a trip never makes the state better, never weakens the action, never spares an order
that an earlier trip did not spare, never brings the end of DEGRADED nearer, and only `resume` leads out of HALTED.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action, State

_AUTHORITY = {"viewer": 0, "trader": 1}
"""Whose trip weighs less; an alert, risk and admin (and whoever is unknown) weigh most."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The state of one scope.

    ``action`` is the strongest action since it left NORMAL (None in NORMAL); ``trip_id`` the trip that brought it where
    it is; ``tripped_by`` the role class of who did (``alert``, or an operator's role): a trader may not clear what risk
    set.  ``until`` ends DEGRADED by itself (None: it does not end).  ``keep_protective``: stops that can only close a
    position are left standing.  ``version`` grows by one with each change.
    """

    scope: Scope
    state: State
    action: Action | None = None
    trip_id: str | None = None
    tripped_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    keep_protective: bool = False
    version: int = 0


def trip(
    switch: Switch,
    action: Action,
    *,
    trip_id: str,
    by: str,
    now: datetime,
    until: datetime | None = None,
    keep_protective: bool = False,
) -> Switch | None:
    """Return *switch* after the trip, or None when the latch holds as strong or stronger: nothing to do.

    ``by`` is the role class of who did it (``alert`` or a role); *until* ends DEGRADED and means nothing for HALTED.
    A reduce that ends later than the one that stands only moves the end: the switch keeps its ``trip_id``, and
    `prolongs` tells such a change from others.
    """
    if action is Action.PAGE or action.target.rank < switch.state.rank:
        return None
    end = until if action.target is State.DEGRADED else None
    worse = action.target.rank > switch.state.rank
    stronger = switch.action is None or action.rank > switch.action.rank
    # Nothing spares what an earlier trip to this state did not spare; a reduce takes no protective stop anyway.
    keep = keep_protective and (worse or switch.keep_protective)
    spares_less = switch.keep_protective and not keep
    if not worse and not stronger and not spares_less and not _later(end, switch.until):
        return None
    return Switch(
        scope=switch.scope,
        state=action.target,
        action=action if stronger else switch.action,
        trip_id=trip_id if worse or stronger or spares_less else switch.trip_id,
        tripped_by=_weightier(switch.tripped_by, by),
        since=now if worse else switch.since,
        until=end if worse or _later(end, switch.until) else switch.until,
        keep_protective=keep,
        version=switch.version + 1,
    )


def prolongs(before: Switch, after: Switch) -> bool:
    """Whether the change only moved the end of a DEGRADED that stood already."""
    return before.trip_id is not None and before.trip_id == after.trip_id


def touch(switch: Switch) -> Switch:
    """Return *switch* with a new version: the facts behind it changed, so what was asked about it is void."""
    return replace(switch, version=switch.version + 1)


def resume(switch: Switch, now: datetime) -> Switch:
    """Return *switch* in NORMAL; the same switch when it is there already.  Who may do this is not asked here."""
    if switch.state is State.NORMAL:
        return switch
    return Switch(scope=switch.scope, state=State.NORMAL, since=now, version=switch.version + 1)


def expire(switch: Switch, now: datetime) -> Switch | None:
    """Return *switch* in NORMAL when it is DEGRADED and its end has come, else None.  HALTED never expires."""
    if switch.state is not State.DEGRADED or switch.until is None or now < switch.until:
        return None
    return resume(switch, now)


def _later(end: datetime | None, than: datetime | None) -> bool:
    return than is not None and (end is None or end > than)


def _weightier(before: str | None, by: str) -> str:
    if before is None or _AUTHORITY.get(by, 2) >= _AUTHORITY.get(before, 2):
        return by
    return before
