"""What check-config says about a policy and its owners."""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import a_policy, a_rule
from webhook.killswitch.states import Action
from webhook.policy.attribution import Attribution, StrategyOwnership
from webhook.policy.faults import faults

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
        (a_policy(a_rule("")), "policy.rules[0].alerts: an empty pattern"),
        (a_policy(a_rule("Trading*", " ")), "policy.rules[0].alerts: an empty pattern"),
        (a_policy(a_rule(actions=(Action.FLATTEN,))), "policy.rules[0].actions: allows flatten without halt"),
        (
            a_policy(a_rule(actions=(Action.HALT,), max_duration=timedelta(1))),
            "policy.rules[0].max_reduce_minutes: means nothing",
        ),
        (
            a_policy(a_rule(actions=(Action.PAGE,), may_keep_protective=True)),
            "policy.rules[0].keep: means nothing",
        ),
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
        (
            (an_owner("one", prefixes=("a",), exclusive=True, symbols=("BTC",)), an_owner(prefixes=("b",))),
            "strategies.one.symbols: they cannot be its own in sandbox/mm: other may trade any symbol there",
        ),
    ],
)
def test_owners_that_fight_are_named(owners: tuple[StrategyOwnership, ...], message: str):
    (fault,) = found(attribution=owned(*owners))
    assert fault.startswith(message)


def test_what_two_strategies_share_is_no_fault_where_neither_claims_it_for_itself():
    shares = {"exclusive": True, "symbols": ("BTC",)}

    assert found(attribution=owned(an_owner("one", prefixes=("a",)), an_owner(prefixes=("b",)))) == []
    assert found(attribution=owned(an_owner("one", **shares), an_owner(prefixes=("b",), symbols=("ETH",)))) == []


def test_the_same_prefix_in_another_account_is_no_fault():
    assert found(attribution=owned(an_owner(prefixes=("a",)), an_owner("one", account="b", prefixes=("a",)))) == []


@pytest.mark.parametrize(
    ("accounts", "message"),
    [
        ({("sandbox", "trend")}, "strategies.mm-btc.account: venue 'sandbox' has no account 'mm'; there is: trend"),
        ({("sandbox", "m")}, "strategies.mm-btc.account: venue 'sandbox' has no account 'mm'; did you mean 'm'?"),
        ({("sandbx", "mm")}, "strategies.mm-btc.venue: no venue is labelled 'sandbox'; did you mean 'sandbx'?"),
        (set(), "strategies.mm-btc.venue: no venue is labelled 'sandbox'; none is configured"),
    ],
)
def test_a_strategy_in_an_account_that_nobody_configured_is_named(accounts: set[tuple[str, str]], message: str):
    assert found(accounts=accounts) == [message]


def test_flatten_is_refused_where_positions_cannot_be_attributed():
    sharing = owned(an_owner("one", prefixes=("a",)), ALONE.__class__("two", "sandbox", "other", exclusive=True))

    (fault,) = found(a_policy(a_rule()), sharing)

    assert fault.startswith("policy.rules[0].scopes: flatten on venue,account,strategy cannot be allowed: one shares")
    assert found(a_policy(a_rule(scopes=("venue,account", "global"))), sharing) == []


def test_flatten_of_a_strategy_needs_strategies():
    (fault,) = found(a_policy(a_rule()), owned())
    assert "needs strategies to be configured" in fault


def test_all_faults_are_found_at_once_and_each_once():
    policy = a_policy(a_rule("", scopes=("venue",)), a_rule(actions=(Action.FLATTEN,)))

    told = found(policy, owned(an_owner(), an_owner("one", prefixes=("",)), an_owner("two", exclusive=True)), set())

    assert len(told) == len(set(told)) >= 9


def test_what_is_not_given_is_not_looked_at():
    broken = owned(an_owner())

    assert {fault.path for fault in faults(a_policy(a_rule("")), None)} == {"policy.rules[0].alerts"}
    assert {fault.path for fault in faults(None, broken)} == {"strategies.other"}
