"""How far one trip is at one target, as data: the stages, and what each of them proves.

::

    account   waiting -> cancelled -> empty -> flat        what a live read showed
                             |          |        |
                             +--> left, stuck, uncovered, unknown   (from and to every one of these)
    engine    waiting -> stopped        unknown, left
    shadow    a target that nothing is sent to

A stage follows the newest observation, never a command: it may go back from FLAT to LEFT at any time.  What it may not
do is prove something that no read has shown; that is `PROVES`, and nothing else decides what is called verified.
"""

from enum import StrEnum

from webhook.killswitch.states import Action


class Stage(StrEnum):
    """How far one trip is at one target."""

    WAITING = "waiting"
    """Nothing was answered yet."""
    CANCELLED = "cancelled"
    """The first cancel was answered; nothing is proved by that."""
    STOPPED = "stopped"
    """An engine confirmed, by its own success condition, what was asked of it."""
    EMPTY = "empty"
    """A covering read showed no order that must go."""
    FLAT = "flat"
    """It also showed no position that must go."""
    LEFT = "left"
    """Something is there that must not be: it is being removed; or an engine says that it trades."""
    STUCK = "stuck"
    """An order is there that the venue does not let us cancel."""
    UNCOVERED = "uncovered"
    """Nothing is seen, and not every book that could hold something was read: see the detail."""
    UNKNOWN = "unknown"
    """The target does not answer, or its answer cannot be used."""
    SHADOW = "shadow"
    """Nothing is sent to this target; the detail lists what would have been touched."""


PROVES: dict[Action, frozenset[Stage]] = {
    Action.PAGE: frozenset(),
    Action.REDUCE: frozenset({Stage.EMPTY, Stage.FLAT}),
    Action.HALT: frozenset({Stage.EMPTY, Stage.FLAT}),
    Action.FLATTEN: frozenset({Stage.FLAT}),
}
"""The stages of a venue account that prove an action there."""

STOPS = frozenset({Stage.STOPPED, Stage.UNKNOWN})
"""The stages of an engine after which a read may be a verdict: it confirmed, or it had its time and does not answer."""

ENDS = frozenset({Stage.UNCOVERED, Stage.STUCK, Stage.SHADOW})
"""The stages that time alone will not mend: a person has to."""
