"""What is wrong with a policy and its owners, before any alert comes: all of it at once, for ``check-config``."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from webhook.killswitch.scope import DIMENSIONS
from webhook.killswitch.states import Action
from webhook.policy.attribution import Attribution, StrategyOwnership
from webhook.policy.rule import Policy, PolicyRule, shape_text

LONGEST_CLIENT_ORDER_ID = 36


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """``path`` is where it stands in the settings (``policy.rules[0].scopes``); ``message`` what is wrong and why."""

    path: str
    message: str


def faults(
    policy: Policy, attribution: Attribution, accounts: Collection[tuple[str, str]] | None = None
) -> tuple[PolicyFault, ...]:
    """Everything wrong; *accounts* are the configured (venue, account) pairs, None when they are not to be compared."""
    return (*_in_policy(policy), *_in_owners(attribution, accounts), *_in_flatten(policy, attribution))


def _in_policy(policy: Policy) -> Iterator[PolicyFault]:
    if not policy.rules:
        yield PolicyFault("policy.rules", "there is no rule, so no alert could ever stop anything")
    if policy.budget.trips < 1:
        yield PolicyFault("policy.budget.trips", "must be 1 or more")
    if policy.budget.window <= timedelta(0):
        yield PolicyFault("policy.budget.window_minutes", "must be more than 0")
    for index, rule in enumerate(policy.rules):
        yield from _in_rule(f"policy.rules[{index}]", rule)


def _in_rule(path: str, rule: PolicyRule) -> Iterator[PolicyFault]:
    if not rule.alerts or any(not pattern.strip() for pattern in rule.alerts):
        yield PolicyFault(f"{path}.alerts", "needs one or more patterns, none of them empty; '*' is every alert")
    if not rule.actions:
        yield PolicyFault(f"{path}.actions", f"needs one or more of {', '.join(Action)}")
    if not rule.scopes:
        yield PolicyFault(f"{path}.scopes", "needs one or more scopes, e.g. 'venue,account' or 'global'")
    for shape in sorted(rule.scopes, key=shape_text):
        unknown = sorted(shape - set(DIMENSIONS))
        if unknown:
            named = ", ".join(repr(name) for name in unknown)
            yield PolicyFault(f"{path}.scopes", f"{named} is no label of a scope; it may name {', '.join(DIMENSIONS)}")
    if Action.FLATTEN in rule.actions and Action.HALT not in rule.actions:
        yield PolicyFault(
            f"{path}.actions",
            "allows flatten without halt: beyond the budget flatten falls back to halt, so allow both",
        )
    if rule.max_duration is not None and rule.max_duration <= timedelta(0):
        yield PolicyFault(f"{path}.max_duration", "must be more than 0")
    if rule.max_duration is not None and Action.REDUCE not in rule.actions:
        yield PolicyFault(f"{path}.max_duration", "means nothing without the action reduce")


def _in_owners(attribution: Attribution, accounts: Collection[tuple[str, str]] | None) -> Iterator[PolicyFault]:
    for owner in attribution.owners:
        path = f"strategies.{owner.strategy}"
        if accounts is not None and (owner.venue, owner.account) not in accounts:
            yield PolicyFault(f"{path}.account", f"no venue is configured for {owner.venue}/{owner.account}")
        if not owner.prefixes and not owner.exclusive:
            yield PolicyFault(
                path, "owns nothing: give it client_order_id_prefixes, or an account of its own (exclusive)"
            )
        for prefix in owner.prefixes:
            if not prefix.strip():
                yield PolicyFault(f"{path}.client_order_id_prefixes", "an empty prefix would own every order")
            elif len(prefix) >= LONGEST_CLIENT_ORDER_ID:
                yield PolicyFault(
                    f"{path}.client_order_id_prefixes",
                    f"{prefix!r} leaves no room in a client order id of {LONGEST_CLIENT_ORDER_ID} characters",
                )
        if owner.symbols is not None and not owner.symbols:
            yield PolicyFault(f"{path}.symbols", "is empty: leave it out for all symbols")
    for one, other in combinations(attribution.owners, 2):
        if (one.venue, one.account) == (other.venue, other.account):
            yield from _between(one, other)


def _between(one: StrategyOwnership, other: StrategyOwnership) -> Iterator[PolicyFault]:
    path, place = f"strategies.{other.strategy}", f"{one.venue}/{one.account}"
    if one.strategy == other.strategy:
        yield PolicyFault(path, f"is given twice for {place}")
        return
    for mine in one.prefixes:
        for theirs in other.prefixes:
            if mine and theirs and (mine.startswith(theirs) or theirs.startswith(mine)):
                yield PolicyFault(
                    f"{path}.client_order_id_prefixes",
                    f"{theirs!r} overlaps {mine!r} of {one.strategy} in {place}: one order would have two owners",
                )
    for owner, neighbour in ((one, other), (other, one)):
        if owner.exclusive and owner.symbols is None:
            yield PolicyFault(
                f"strategies.{owner.strategy}.exclusive",
                f"{place} cannot be its own: {neighbour.strategy} trades there too; "
                "name its symbols, or use another account",
            )
        elif owner.exclusive and owner.symbols and neighbour.symbols:
            shared = sorted(set(owner.symbols) & set(neighbour.symbols))
            if shared:
                yield PolicyFault(
                    f"strategies.{owner.strategy}.symbols",
                    f"{', '.join(shared)} cannot be its own in {place}: {neighbour.strategy} trades it too",
                )


def _in_flatten(policy: Policy, attribution: Attribution) -> Iterator[PolicyFault]:
    for index, rule in enumerate(policy.rules):
        if Action.FLATTEN not in rule.actions:
            continue
        for shape in sorted(rule.scopes, key=shape_text):
            if "strategy" in shape:
                yield from _unattributable(f"policy.rules[{index}].scopes", shape, attribution)


def _unattributable(path: str, shape: frozenset[str], attribution: Attribution) -> Iterator[PolicyFault]:
    where = shape_text(shape)
    if not attribution.owners:
        yield PolicyFault(path, f"flatten on {where} needs strategies to be configured, to know whose position it is")
    for owner in attribution.owners:
        if not attribution.positions_attributable(owner.strategy, None, owner.venue, owner.account):
            yield PolicyFault(
                path,
                f"flatten on {where} cannot be allowed: {owner.strategy} shares {owner.venue}/{owner.account}, "
                "so nobody knows which position is whose; give it an account or symbols of its own (exclusive: true), "
                "or take flatten out",
            )
