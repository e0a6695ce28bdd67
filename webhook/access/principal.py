"""Who is acting: a person with a role, or a machine that may only deliver alerts."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What kind of actor this is; `webhook.access.roles` says what each may do."""

    INTAKE = "intake"
    """Alertmanager: may deliver alerts and nothing else."""
    VIEWER = "viewer"
    TRADER = "trader"
    RISK = "risk"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated actor; ``name`` is unique and goes into the journal."""

    name: str
    role: Role
