"""What an engine was last told, durable: so that a command that a crash swallowed is sent, and no other one."""

from dataclasses import dataclass
from datetime import datetime

from webhook.killswitch.scope import Scope
from webhook.killswitch.states import State


@dataclass(frozen=True, slots=True)
class Commanded:
    """What one part of one engine was last told.

    ``part`` is a scope of configured values (`webhook.killswitch.desired.EngineTarget`).  ``state`` is NORMAL once it
    was told to trade again.  ``stopped_before``: somebody else had stopped it before we did, so it is not ours to
    start.  ``epoch`` and ``revision`` order rows as in `webhook.killswitch.trip.Progress`.
    """

    engine: str
    part: Scope
    state: State
    stopped_before: bool
    at: datetime
    epoch: int = 0
    revision: int = 0
