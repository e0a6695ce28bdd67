"""The policy document as data: which alerts may ask for which actions on which kinds of scope.

Rules are grants and add up: what any rule allows for an alert is allowed.  What no rule allows is never done.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Literal

from webhook.killswitch.scope import DIMENSIONS
from webhook.killswitch.states import Action

ScopeShape = frozenset[str]
"""Which labels a scope names; the empty set is ``global``."""


def scope_shape(text: str) -> ScopeShape:
    """Read ``global`` or ``venue,account`` as it stands in a policy; `faults` finds unknown names."""
    text = text.strip()
    return frozenset() if text == "global" else frozenset(part.strip() for part in text.split(","))


def shape_text(shape: Iterable[str]) -> str:
    """The text form of a shape, widest label first."""
    names = set(shape)
    known = [name for name in DIMENSIONS if name in names]
    return ",".join(known + sorted(names - set(DIMENSIONS))) or "global"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One grant.

    ``alerts`` are shell patterns on the alert's name (``*`` and ``?``; the case counts).  ``max_duration`` is the
    longest end that a ``reduce`` of this rule may carry (None: any).  ``may_keep_protective``: they may leave stops
    that can only close a position.
    """

    alerts: tuple[str, ...]
    actions: frozenset[Action]
    scopes: frozenset[ScopeShape]
    max_duration: timedelta | None = None
    may_keep_protective: bool = False

    def applies_to(self, name: str) -> bool:
        """Whether the rule speaks of an alert of this name."""
        return any(fnmatchcase(name, pattern) for pattern in self.alerts)


@dataclass(frozen=True, slots=True)
class TripBudget:
    """How many trips in ``window`` are believed; beyond that something is wrong with the alerts, not the market."""

    trips: int = 20
    window: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it.

    ``missing_label``: what becomes of an alert without a label that its scope names: refused, or the scope widened by
    leaving that label out.  ``truncated``: what becomes of a delivery from which Alertmanager left alerts out.
    """

    rules: tuple[PolicyRule, ...]
    budget: TripBudget = field(default_factory=TripBudget)
    missing_label: Literal["refuse", "widen"] = "refuse"
    truncated: Literal["page", "halt"] = "page"

    def granted(self, name: str, shape: ScopeShape) -> frozenset[Action]:
        """The actions that an alert of this name may have on scopes of this shape."""
        return frozenset(action for rule in self._grants(name, shape) for action in rule.actions)

    def longest_reduce(self, name: str, shape: ScopeShape) -> timedelta | None:
        """The longest duration that any grant of ``reduce`` gives; None when one of them gives any."""
        limits = [rule.max_duration for rule in self._grants(name, shape) if Action.REDUCE in rule.actions]
        bounded = [limit for limit in limits if limit is not None]
        return max(bounded) if bounded and len(bounded) == len(limits) else None

    def may_keep(self, name: str, shape: ScopeShape) -> bool:
        """Whether an alert of this name may leave protective stops standing in scopes of this shape."""
        return any(rule.may_keep_protective for rule in self._grants(name, shape))

    def shapes(self, name: str) -> frozenset[ScopeShape]:
        """The kinds of scope that an alert of this name may act on at all."""
        return frozenset(shape for rule in self.rules if rule.applies_to(name) for shape in rule.scopes)

    def _grants(self, name: str, shape: ScopeShape) -> list[PolicyRule]:
        return [rule for rule in self.rules if shape in rule.scopes and rule.applies_to(name)]
