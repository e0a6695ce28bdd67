"""Who looks after a target: a lease by the database's clock, with an epoch that fences off whoever held it before."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """One target (or duty) in one process's hands until ``until``.

    ``epoch`` grows by one with each change of hands, and never repeats: what an earlier holder writes carries a smaller
    one and is refused.
    """

    name: str
    holder: str
    epoch: int
    until: datetime
