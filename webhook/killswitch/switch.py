"""The latch: what a trip, a resume and the passing of time do to a switch.  Pure; the store makes it durable.

Invariants, held by `trip` alone: a trip never makes the state better, never weakens the action, never brings the end
of DEGRADED nearer, and only `resume` leads out of HALTED.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from webhook.killswitch.port import Switch
from webhook.killswitch.states import Action, State

_AUTHORITY = {"viewer": 0, "trader": 1}
"""Whose trip weighs less; an alert, risk and admin (and whoever is unknown) weigh most."""


def trip(
    switch: Switch, action: Action, *, trip_id: str, by: str, now: datetime, until: datetime | None = None
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
    if not worse and not stronger and not _later(end, switch.until):
        return None
    return Switch(
        scope=switch.scope,
        state=action.target,
        action=action if stronger else switch.action,
        trip_id=trip_id if worse or stronger else switch.trip_id,
        tripped_by=_weightier(switch.tripped_by, by),
        since=now if worse else switch.since,
        until=end,
        version=switch.version + 1,
    )


def prolongs(before: Switch, after: Switch) -> bool:
    """Whether the change only moved the end of a DEGRADED that stood already."""
    return before.state is State.DEGRADED and after.state is State.DEGRADED


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


def covering(switches: Iterable[Switch], labels: Mapping[str, str | None]) -> tuple[Switch, ...]:
    """The switches out of NORMAL that hold for a thing with these *labels*, the worst first."""
    hold = [switch for switch in switches if switch.state is not State.NORMAL and switch.scope.covers(labels)]
    return tuple(
        sorted(hold, key=lambda switch: (-switch.state.rank, len(switch.scope.constraints), str(switch.scope)))
    )


def worst(switches: Iterable[Switch], labels: Mapping[str, str | None]) -> State:
    """What holds for a thing with these *labels*: the worst state of all switches that cover it."""
    return max(
        (switch.state for switch in covering(switches, labels)), key=lambda state: state.rank, default=State.NORMAL
    )


def _later(end: datetime | None, than: datetime | None) -> bool:
    return than is not None and (end is None or end > than)


def _weightier(before: str | None, by: str) -> str:
    if before is None or _AUTHORITY.get(by, 2) >= _AUTHORITY.get(before, 2):
        return by
    return before
