"""What is wrong with a policy and its owners, before any alert comes: all of it at once, for ``check-config``.

What a single value can tell (a number out of bounds, an unknown label) is told where the configuration is read; here is
what is wrong between values.
"""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations

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
    policy: Policy | None,
    attribution: Attribution | None,
    accounts: Collection[tuple[str, str]] | None = None,
) -> tuple[PolicyFault, ...]:
    """Everything wrong; *accounts* are the configured (venue, account) pairs.  None of each: it is not looked at."""
    return (
        *(_in_policy(policy) if policy is not None else ()),
        *(_in_owners(attribution, accounts) if attribution is not None else ()),
        *(_in_flatten(policy, attribution) if policy is not None and attribution is not None else ()),
    )


def _in_policy(policy: Policy) -> Iterator[PolicyFault]:
    if not policy.rules:
        yield PolicyFault("policy.rules", "there is no rule, so no alert could ever stop anything")
    for index, rule in enumerate(policy.rules):
        yield from _in_rule(f"policy.rules[{index}]", rule)


def _in_rule(path: str, rule: PolicyRule) -> Iterator[PolicyFault]:
    if any(not pattern.strip() for pattern in rule.alerts):
        yield PolicyFault(f"{path}.alerts", "an empty pattern matches no alert; '*' matches every one")
    if Action.FLATTEN in rule.actions and Action.HALT not in rule.actions:
        yield PolicyFault(
            f"{path}.actions",
            "allows flatten without halt: beyond the budget flatten falls back to halt, so allow both",
        )
    if rule.max_duration is not None and Action.REDUCE not in rule.actions:
        yield PolicyFault(f"{path}.max_reduce_minutes", "means nothing without the action reduce")
    if rule.may_keep_protective and not rule.actions & {Action.REDUCE, Action.HALT}:
        yield PolicyFault(f"{path}.keep", "means nothing without the action reduce or halt")


def _in_owners(attribution: Attribution, accounts: Collection[tuple[str, str]] | None) -> Iterator[PolicyFault]:
    for owner in attribution.owners:
        path = f"strategies.{owner.strategy}"
        if accounts is not None:
            yield from _nowhere(path, owner, accounts)
        if not owner.prefixes and not owner.exclusive:
            yield PolicyFault(
                path,
                "owns nothing: give it client_order_id_prefixes, or an account of its own (exclusive: true); else none "
                "of its orders can be recognised",
            )
        for prefix in owner.prefixes:
            if not prefix.strip():
                yield PolicyFault(f"{path}.client_order_id_prefixes", "an empty prefix would own every order")
            elif len(prefix) >= LONGEST_CLIENT_ORDER_ID:
                yield PolicyFault(
                    f"{path}.client_order_id_prefixes",
                    f"{prefix!r} leaves no room in a client order id of {LONGEST_CLIENT_ORDER_ID} characters",
                )
    for one, other in combinations(attribution.owners, 2):
        if (one.venue, one.account) == (other.venue, other.account):
            yield from _between(one, other)


def _nowhere(path: str, owner: StrategyOwnership, accounts: Collection[tuple[str, str]]) -> Iterator[PolicyFault]:
    venues = sorted({venue for venue, _ in accounts})
    here = sorted(account for venue, account in accounts if venue == owner.venue)
    if owner.venue not in venues:
        yield PolicyFault(f"{path}.venue", f"no venue is labelled {owner.venue!r}{_near(owner.venue, venues)}")
    elif owner.account not in here:
        yield PolicyFault(
            f"{path}.account", f"venue {owner.venue!r} has no account {owner.account!r}{_near(owner.account, here)}"
        )


def _near(value: str, names: list[str]) -> str:
    near = difflib.get_close_matches(value, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there {'is' if len(names) == 1 else 'are'}: {', '.join(names)}" if names else "; none is configured"


def _between(one: StrategyOwnership, other: StrategyOwnership) -> Iterator[PolicyFault]:
    """What two strategies in one account fight about."""
    path, place = f"strategies.{other.strategy}", f"{one.venue}/{one.account}"
    for mine in one.prefixes:
        for theirs in other.prefixes:
            if mine.strip() and theirs.strip() and (mine.startswith(theirs) or theirs.startswith(mine)):
                yield PolicyFault(
                    f"{path}.client_order_id_prefixes",
                    f"{theirs!r} overlaps {mine!r} of {one.strategy} in {place}: one order would have two owners",
                )
    for owner, neighbour in ((one, other), (other, one)):
        if not owner.exclusive:
            continue
        if owner.symbols is None:
            yield PolicyFault(
                f"strategies.{owner.strategy}.exclusive",
                f"{place} cannot be its own: {neighbour.strategy} trades there too; "
                "name its symbols, or use another account",
            )
        elif neighbour.symbols is None and not neighbour.exclusive:
            yield PolicyFault(
                f"strategies.{owner.strategy}.symbols",
                f"they cannot be its own in {place}: {neighbour.strategy} may trade any symbol there; "
                "name its symbols, too",
            )
        elif shared := sorted(set(owner.symbols) & set(neighbour.symbols or ())):
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
