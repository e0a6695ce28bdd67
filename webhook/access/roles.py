"""What each role may do, as one table.  What is not in it is not allowed."""

from enum import StrEnum

from webhook.access.principal import Role


class Verb(StrEnum):
    """Something that can be asked of the service."""

    DELIVER_ALERTS = "deliver_alerts"
    READ = "read"
    """Switches, trips, requests to resume, the journal, the configuration."""
    TRIP = "trip"
    REQUEST_RESUME = "request_resume"
    APPROVE_RESUME = "approve_resume"
    WITHDRAW_RESUME = "withdraw_resume"
    """Of somebody else; anybody may withdraw what they asked for themselves."""


_TRADE = frozenset({Verb.READ, Verb.TRIP, Verb.REQUEST_RESUME})
_RISK = _TRADE | {Verb.APPROVE_RESUME, Verb.WITHDRAW_RESUME}

MAY: dict[Role, frozenset[Verb]] = {
    Role.INTAKE: frozenset({Verb.DELIVER_ALERTS}),
    Role.VIEWER: frozenset({Verb.READ}),
    Role.TRADER: _TRADE,
    Role.RISK: _RISK,
    Role.ADMIN: frozenset(Verb),
}


def may(role: Role, verb: Verb) -> bool:
    """Whether *role* may do *verb*; False for a role that the table does not know."""
    return verb in MAY.get(role, frozenset())


def who_may(verb: Verb) -> str:
    """The roles that may do *verb*, for a sentence of refusal."""
    return " or ".join(role for role in Role if may(role, verb))
