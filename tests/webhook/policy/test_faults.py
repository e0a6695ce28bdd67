"""What check-config says about a policy and its owners."""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import a_policy, a_rule
from webhook.killswitch.states import Action
from webhook.policy.attribution import Attribution, StrategyOwnership
from webhook.policy.faults import faults
from webhook.policy.rule import PolicyRule, TripBudget

ALONE = StrategyOwnership("mm-btc", "sandbox", "mm", ("mm-btc_",), exclusive=True)
HALT = a_policy(a_rule(actions=(Action.HALT,)))


def owned(*owners: StrategyOwnership) -> Attribution:
    return Attribution(owners)


def found(policy=HALT, attribution=owned(ALONE), accounts=None) -> list[str]:  # noqa: B008 - frozen
    return [f"{fault.path}: {fault.message}" for fault in faults(policy, attribution, accounts)]


def an_owner(strategy: str = "other", **changes: Any) -> StrategyOwnership:
    return StrategyOwnership(**({"strategy": strategy, "venue": "sandbox", "account": "mm"} | changes))


def test_a_sound_policy_has_none():
    assert found(a_policy(a_rule()), accounts={("sandbox", "mm")}) == []


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            a_policy(PolicyRule((), frozenset({Action.HALT}), frozenset({frozenset()}))),
            "policy.rules[0].alerts: needs one",
        ),
        (a_policy(a_rule("")), "policy.rules[0].alerts: needs one"),
        (a_policy(a_rule(actions=())), "policy.rules[0].actions: needs one"),
        (a_policy(a_rule(scopes=())), "policy.rules[0].scopes: needs one"),
        (a_policy(a_rule(scopes=("venue,planet",))), "policy.rules[0].scopes: 'planet' is no label of a scope"),
        (a_policy(a_rule(scopes=("venue,",))), "policy.rules[0].scopes: '' is no label of a scope"),
        (a_policy(a_rule(actions=(Action.FLATTEN,))), "policy.rules[0].actions: allows flatten without halt"),
        (a_policy(a_rule(max_duration=timedelta(0))), "policy.rules[0].max_duration: must be more than 0"),
        (
            a_policy(a_rule(actions=(Action.HALT,), max_duration=timedelta(1))),
            "policy.rules[0].max_duration: means nothing",
        ),
        (a_policy(budget=TripBudget(0)), "policy.budget.trips: must be 1 or more"),
        (a_policy(budget=TripBudget(1, timedelta(0))), "policy.budget.window_minutes: must be more than 0"),
    ],
)
def test_a_fault_of_the_policy_is_named_with_its_place(policy, message: str):
    (fault,) = found(policy)
    assert fault.startswith(message)


def test_a_policy_without_rules_can_stop_nothing():
    (fault,) = faults(a_policy().__class__(()), owned(ALONE))
    assert fault.path == "policy.rules"


@pytest.mark.parametrize(
    ("owners", "message"),
    [
        ((an_owner(),), "strategies.other: owns nothing"),
        ((an_owner(prefixes=("",)),), "strategies.other.client_order_id_prefixes: an empty prefix"),
        ((an_owner(prefixes=("x" * 36,)),), "strategies.other.client_order_id_prefixes: 'xxx"),
        ((an_owner(exclusive=True, symbols=()),), "strategies.other.symbols: is empty"),
        ((an_owner(prefixes=("a",)), an_owner(prefixes=("b",))), "strategies.other: is given twice for sandbox/mm"),
        (
            (an_owner("one", prefixes=("mm",)), an_owner(prefixes=("mm-btc_",))),
            "strategies.other.client_order_id_prefixes: 'mm-btc_' overlaps 'mm' of one in sandbox/mm",
        ),
        ((ALONE, an_owner(prefixes=("o_",))), "strategies.mm-btc.exclusive: sandbox/mm cannot be its own"),
        (
            (
                an_owner("one", prefixes=("a",), exclusive=True, symbols=("BTC", "ETH")),
                an_owner(prefixes=("b",), symbols=("ETH",)),
            ),
            "strategies.one.symbols: ETH cannot be its own in sandbox/mm: other trades it too",
        ),
    ],
)
def test_owners_that_fight_are_named(owners: tuple[StrategyOwnership, ...], message: str):
    (fault,) = found(attribution=owned(*owners))
    assert fault.startswith(message)


def test_the_same_prefix_in_another_account_is_no_fault():
    assert found(attribution=owned(an_owner(prefixes=("a",)), an_owner("one", account="b", prefixes=("a",)))) == []


def test_a_strategy_in_an_account_that_nobody_configured_is_named():
    (fault,) = found(accounts={("sandbox", "trend")})
    assert fault == "strategies.mm-btc.account: no venue is configured for sandbox/mm"


def test_flatten_is_refused_where_positions_cannot_be_attributed():
    sharing = owned(an_owner("one", prefixes=("a",)), ALONE.__class__("two", "sandbox", "other", exclusive=True))

    (fault,) = found(a_policy(a_rule()), sharing)

    assert fault.startswith("policy.rules[0].scopes: flatten on venue,account,strategy cannot be allowed: one shares")
    assert found(a_policy(a_rule(scopes=("venue,account", "global"))), sharing) == []


def test_flatten_of_a_strategy_needs_strategies():
    (fault,) = found(a_policy(a_rule()), owned())
    assert "needs strategies to be configured" in fault


def test_all_faults_are_found_at_once():
    policy = a_policy(a_rule("", scopes=("planet",)), a_rule(actions=()), budget=TripBudget(0))

    assert len(found(policy, owned(an_owner(), an_owner("one", prefixes=("",))), set())) >= 7
