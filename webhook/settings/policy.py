"""The sections about policy and strategies, in the words of `webhook.policy`, and what is wrong with them there."""

from collections.abc import Mapping
from datetime import timedelta

from webhook.policy.attribution import Attribution, StrategyOwnership
from webhook.policy.faults import faults
from webhook.policy.rule import Policy, PolicyRule, TripBudget, scope_shape
from webhook.settings.faults import ConfigFault
from webhook.settings.models import PolicySettings, StrategySettings


def policy_of(section: PolicySettings) -> Policy:
    """What alerts may do."""
    return Policy(
        rules=tuple(
            PolicyRule(
                rule.alerts,
                frozenset(rule.actions),
                frozenset(scope_shape(scope) for scope in rule.scopes),
                None if rule.max_reduce_minutes is None else timedelta(minutes=rule.max_reduce_minutes),
                may_keep_protective=rule.keep == "protective",
            )
            for rule in section.rules
        ),
        budget=TripBudget(section.budget.trips, timedelta(minutes=section.budget.window_minutes)),
        missing_label=section.missing_label,
        truncated=section.truncated,
    )


def attribution_of(strategies: Mapping[str, StrategySettings]) -> Attribution:
    """Whose orders and positions are whose."""
    return Attribution(
        tuple(
            StrategyOwnership(name, one.venue, one.account, one.client_order_id_prefixes, one.exclusive, one.symbols)
            for name, one in strategies.items()
        )
    )


def policy_faults(settings: Mapping[str, object]) -> list[ConfigFault]:
    """What is wrong with the sections that *settings* holds; what is wrong by itself is missing there."""
    policy, strategies, venues = settings.get("policy"), settings.get("strategies"), settings.get("venues")
    found = faults(
        policy_of(policy) if isinstance(policy, PolicySettings) else None,
        attribution_of(strategies) if isinstance(strategies, dict) else None,
        [(one.venue, one.account) for one in venues] if isinstance(venues, tuple) else None,
    )
    return [ConfigFault(one.path, one.message) for one in found]
