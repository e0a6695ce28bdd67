"""The states of a switch and what may change them, as data.

::

              reduce                halt, flatten
    NORMAL ----------> DEGRADED ------------------> HALTED
       ^                  |  |                        |
       |   timer, resume  |  |                        |
       +------------------+  +--- (never by itself) --+
       +-------- resume: two different people --------+

A trip only ever makes the state worse.  DEGRADED may carry an end and ends by itself; HALTED never does.
"""

from enum import StrEnum


class State(StrEnum):
    """The state of one scope, from best to worst."""

    NORMAL = "normal"
    DEGRADED = "degraded"
    """Reduce-only: nothing that adds exposure."""
    HALTED = "halted"
    """No orders at all."""

    @property
    def rank(self) -> int:
        """0 for NORMAL, 1 for DEGRADED, 2 for HALTED."""
        return _RANK[self]


_RANK = {State.NORMAL: 0, State.DEGRADED: 1, State.HALTED: 2}


class Action(StrEnum):
    """What a rule asks for in ``kill_action``, or an operator in a trip; from mildest to strongest."""

    PAGE = "page"
    REDUCE = "reduce"
    HALT = "halt"
    FLATTEN = "flatten"

    @property
    def rank(self) -> int:
        """0 for page up to 3 for flatten."""
        return _STRENGTH[self]

    @property
    def target(self) -> State:
        """The state the action leads to; NORMAL for `PAGE`, which changes nothing."""
        return _TARGET[self]


_STRENGTH = {Action.PAGE: 0, Action.REDUCE: 1, Action.HALT: 2, Action.FLATTEN: 3}
_TARGET = {
    Action.PAGE: State.NORMAL,
    Action.REDUCE: State.DEGRADED,
    Action.HALT: State.HALTED,
    Action.FLATTEN: State.HALTED,
}
