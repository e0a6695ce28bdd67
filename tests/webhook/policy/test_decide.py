"""From an alert to a decision: what is granted, weakened, widened and refused."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import A_STRATEGY, a_policy, a_rule, an_alert
from webhook.intake.alert import AlertStatus, Batch
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.states import Action
from webhook.policy.decide import Decision, Outcome, apply_budget, decide, decide_truncated, parse_duration
from webhook.policy.rule import Policy

HALT_ONLY = (Action.PAGE, Action.REDUCE, Action.HALT)

SANDBOX = a_policy(
    a_rule("TradingDrawdown*", "TradingDailyLoss*"),
    a_rule("*", actions=HALT_ONLY, scopes=("venue,account,strategy", "venue,account", "venue,symbol", "venue")),
)


def what(decision: Decision) -> tuple[str, str, str]:
    return decision.outcome.value, decision.action.value, decision.code


class TestAnAlertThatAsksForNothing:
    def test_is_recorded_when_it_has_no_kill_action(self):
        assert what(decide(an_alert(kill_action=""), SANDBOX)) == ("record", "page", "no_action")

    @pytest.mark.parametrize("action", ["flatten", "page", "nonsense"])
    def test_is_recorded_when_it_resolved_whatever_it_asks(self, action: str):
        alert = an_alert(status=AlertStatus.RESOLVED, kill_action=action)

        assert what(decide(alert, SANDBOX)) == ("record", "page", "resolved")

    def test_pages_when_it_asks_for_a_page_and_says_where_if_it_can(self):
        placed, placeless = an_alert(kill_action="page"), an_alert(kill_action="page", kill_scope="")

        assert what(decide(placed, SANDBOX)) == ("page", "page", "page")
        assert decide(placed, SANDBOX).scope == A_STRATEGY
        assert decide(placeless, SANDBOX).scope is None

    def test_pages_though_no_rule_speaks_of_it(self):
        assert decide(an_alert(kill_action="page"), a_policy(a_rule("Other"))).outcome is Outcome.PAGE


class TestAnAlertThatMayHaveWhatItAsks:
    @pytest.mark.parametrize("action", [Action.REDUCE, Action.HALT, Action.FLATTEN])
    def test_trips(self, action: Action):
        decision = decide(an_alert(kill_action=action), SANDBOX)

        assert decision == Decision(
            Outcome.TRIP,
            action,
            action,
            A_STRATEGY,
            f"TradingDrawdownBreached asked to {action} venue=sandbox,account=mm,strategy=mm-btc",
            "granted",
        )

    @pytest.mark.parametrize("text", ["halt", " halt ", "HALT", "Halt"])
    def test_may_write_the_action_as_it_likes(self, text: str):
        assert decide(an_alert(kill_action=text), SANDBOX).action is Action.HALT

    @pytest.mark.parametrize(
        ("kill_scope", "expected"),
        [
            ("venue,account,strategy", "venue=sandbox,account=mm,strategy=mm-btc"),
            (" strategy , venue,account", "venue=sandbox,account=mm,strategy=mm-btc"),
            ("venue,account", "venue=sandbox,account=mm"),
            ("venue,symbol", "venue=sandbox,symbol=BTC/USDT:USDT"),
            ("venue", "venue=sandbox"),
        ],
    )
    def test_says_where_by_the_labels_that_its_scope_names(self, kill_scope: str, expected: str):
        alert = an_alert(kill_action="halt", kill_scope=kill_scope, symbol="BTC/USDT:USDT")

        assert str(decide(alert, SANDBOX).scope) == expected

    def test_may_stop_everything_where_a_rule_says_so(self):
        alert = an_alert(kill_action="halt", kill_scope="global")

        assert what(decide(alert, SANDBOX)) == ("refuse", "page", "not_allowed")
        assert decide(alert, a_policy(a_rule(scopes=("global",)))).scope == GLOBAL

    def test_grants_add_up(self):
        policy = a_policy(a_rule("Trading*", actions=(Action.HALT,)), a_rule("*Drawdown*", actions=(Action.FLATTEN,)))

        assert decide(an_alert(), policy).action is Action.FLATTEN


class TestAnAlertThatAsksForTooMuch:
    def test_gets_the_strongest_weaker_action_and_is_told_so(self):
        decision = decide(an_alert(alertname="TradingOrderRateRunaway"), SANDBOX)

        assert what(decision) == ("trip", "halt", "weaker")
        assert decision.requested is Action.FLATTEN
        assert "does not allow flatten there, so halt is done" in decision.reason

    def test_is_refused_where_only_a_page_is_allowed(self):
        decision = decide(an_alert(kill_action="halt"), a_policy(a_rule(actions=(Action.PAGE,))))

        assert what(decision) == ("refuse", "page", "not_allowed")
        assert (decision.requested, decision.scope) == (Action.HALT, A_STRATEGY)
        assert "it allows page there" in decision.reason

    def test_never_gets_more_than_it_asked_for(self):
        policy = a_policy(a_rule(actions=(Action.HALT, Action.FLATTEN)))

        assert what(decide(an_alert(kill_action="reduce"), policy)) == ("refuse", "page", "not_allowed")

    @pytest.mark.parametrize("name", ["tradingdrawdownbreached", "Other", "XTradingDrawdownBreached"])
    def test_is_refused_when_no_rule_has_its_name(self, name: str):
        assert decide(an_alert(alertname=name), a_policy(a_rule("TradingDrawdown*"))).code == "not_allowed"


class TestAnAlertThatIsNotClear:
    @pytest.mark.parametrize(
        ("labels", "code"),
        [
            ({"kill_action": "explode"}, "unknown_action"),
            ({"kill_action": "halt,flatten"}, "unknown_action"),
            ({"kill_scope": ""}, "missing_scope"),
            ({"kill_scope": "planet"}, "bad_scope"),
            ({"kill_scope": "venue,,account"}, "bad_scope"),
            ({"kill_scope": "venue,venue"}, "bad_scope"),
            ({"kill_scope": "venue,global"}, "bad_scope"),
            ({"kill_scope": ","}, "bad_scope"),
            ({"venue": "a,b"}, "bad_scope"),
            ({"venue": "a=b"}, "bad_scope"),
            ({"venue": "x" * 129}, "bad_scope"),
            ({"strategy": ""}, "missing_label"),
            ({"strategy": "  "}, "missing_label"),
        ],
    )
    def test_is_refused_and_nothing_is_guessed(self, labels: dict[str, str], code: str):
        for policy in (SANDBOX, a_policy(a_rule(scopes=("global", "venue", "venue,account,strategy")))):
            decision = decide(an_alert(**labels), policy)

            assert what(decision) == ("refuse", "page", code)
            assert decision.scope is None


class TestAMissingLabel:
    def test_is_named_in_the_refusal(self):
        reason = decide(an_alert(strategy="", account=""), SANDBOX).reason

        assert "no label account, strategy" in reason

    def test_widens_the_scope_where_the_policy_says_so(self):
        policy = a_policy(a_rule(scopes=("venue,account",)), missing_label="widen")

        decision = decide(an_alert(kill_action="halt", strategy=""), policy)

        assert what(decision) == ("trip", "halt", "granted")
        assert decision.scope == Scope.parse("venue=sandbox,account=mm")
        assert "strategy is missing, so the scope was widened to venue=sandbox,account=mm" in decision.reason

    def test_does_not_widen_to_a_scope_the_alert_may_not_have(self):
        policy = a_policy(a_rule(scopes=("venue,account,strategy",)), missing_label="widen")

        assert decide(an_alert(strategy=""), policy).code == "not_allowed"

    def test_widens_to_everything_only_where_that_is_allowed(self):
        nameless = an_alert(venue="", account="", strategy="")
        modest = a_policy(a_rule(), missing_label="widen")
        bold = a_policy(a_rule(scopes=("venue,account,strategy", "global")), missing_label="widen")

        assert what(decide(nameless, modest)) == ("refuse", "page", "missing_label")
        assert decide(nameless, bold).scope == GLOBAL


class TestTheEndOfAReduce:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("5m", 300), ("90s", 90), ("1h30m", 5400), ("1d", 86400), ("1w", 604800), ("1500ms", 1.5), (" 5m ", 300)],
    )
    def test_is_read_as_prometheus_writes_it(self, text: str, seconds: float):
        assert parse_duration(text) == timedelta(seconds=seconds)
        assert decide(an_alert(kill_action="reduce", kill_duration=text), SANDBOX).duration == timedelta(
            seconds=seconds
        )

    @pytest.mark.parametrize("text", ["5", "m", "5 m", "-5m", "0s", "1.5h", "5y", "999999999w", "", "\u0665m"])
    def test_that_cannot_be_read_is_no_end(self, text: str):
        assert parse_duration(text) is None
        decision = decide(an_alert(kill_action="reduce", kill_duration=text), SANDBOX)
        assert decision.outcome is Outcome.TRIP
        assert decision.duration is None
        assert not text.strip() or "ends only by a resume" in decision.reason

    def test_may_stand_in_an_annotation(self):
        alert = an_alert(kill_action="reduce")
        alert.annotations["kill_duration"] = "5m"

        assert decide(alert, SANDBOX).duration == timedelta(minutes=5)

    def test_is_cut_to_what_the_rule_allows(self):
        policy = a_policy(a_rule(max_duration=timedelta(minutes=1)))

        decision = decide(an_alert(kill_action="reduce", kill_duration="5m"), policy)

        assert decision.duration == timedelta(minutes=1)
        assert "is cut to the 60 s" in decision.reason

    @pytest.mark.parametrize("action", ["halt", "flatten"])
    def test_means_nothing_for_what_never_ends(self, action: str):
        assert decide(an_alert(kill_action=action, kill_duration="5m"), SANDBOX).duration is None


class TestWhatIsKept:
    KEEPING = a_policy(a_rule("Trading*", may_keep_protective=True), a_rule("Other"))

    @pytest.mark.parametrize("action", ["reduce", "halt"])
    def test_is_protective_stops_where_the_rule_asks_and_the_policy_allows(self, action: str):
        decision = decide(an_alert(kill_action=action, kill_keep="protective"), self.KEEPING)

        assert decision.keep_protective
        assert "protective stops are kept" in decision.reason

    def test_is_nothing_unless_it_is_asked_for(self):
        assert not decide(an_alert(kill_action="halt"), self.KEEPING).keep_protective

    @pytest.mark.parametrize(
        ("labels", "word"),
        [
            ({"kill_action": "flatten"}, "a flatten keeps no stops"),
            ({"kill_action": "halt", "alertname": "Other"}, "the policy does not let it keep"),
            ({"kill_action": "halt", "kill_keep": "all"}, "'all' is not 'protective'"),
            ({"kill_action": "halt", "kill_keep": "Protective"}, "is not 'protective'"),
        ],
    )
    def test_is_nothing_and_said_where_it_cannot_be_granted(self, labels: dict[str, str], word: str):
        decision = decide(an_alert(**({"kill_keep": "protective"} | labels)), self.KEEPING)

        assert (decision.outcome, decision.keep_protective) == (Outcome.TRIP, False)
        assert word in decision.reason

    def test_counts_by_what_is_done_and_not_by_what_was_asked(self):
        policy = a_policy(a_rule(actions=HALT_ONLY, may_keep_protective=True))

        decision = decide(an_alert(kill_action="flatten", kill_keep="protective"), policy)

        assert (decision.action, decision.keep_protective) == (Action.HALT, True)


class TestTheBudget:
    def test_lets_flatten_fall_back_to_halt_when_it_is_spent(self):
        granted = decide(an_alert(), SANDBOX)

        within, beyond = apply_budget(granted, 19, SANDBOX), apply_budget(granted, 20, SANDBOX)

        assert within == granted
        assert what(beyond) == ("trip", "halt", "over_budget")
        assert beyond.requested is Action.FLATTEN
        assert "20 trips in 10 minutes spend the budget of 20: halted, not flattened" in beyond.reason

    @pytest.mark.parametrize("action", ["reduce", "halt", "page", "nonsense"])
    def test_holds_nothing_else_back(self, action: str):
        decision = decide(an_alert(kill_action=action), SANDBOX)

        assert apply_budget(decision, 1_000, SANDBOX) == decision


class TestATruncatedDelivery:
    def test_pages_or_stops_everything_as_the_policy_says(self):
        batch = Batch((), "kill", "", 7, "alertmanager")

        page = decide_truncated(batch, SANDBOX)
        halt = decide_truncated(batch, a_policy(truncated="halt"))

        assert what(page) == ("page", "page", "truncated")
        assert (what(halt), halt.scope) == (("trip", "halt", "truncated"), GLOBAL)
        assert "left 7 alerts out" in page.reason

    def test_that_is_whole_needs_no_decision(self):
        assert decide_truncated(Batch((), "kill", "", 0, "alertmanager"), SANDBOX) is None


LABELS = st.fixed_dictionaries(
    {},
    optional={
        "kill_action": st.sampled_from([*Action, "", "x"]),
        "kill_scope": st.sampled_from(
            ["global", "venue", "venue,account,strategy", "venue,symbol", "x", "", "strategy"]
        ),
        "kill_duration": st.sampled_from(["5m", "x", ""]),
        "kill_keep": st.sampled_from(["protective", "x", ""]),
        "strategy": st.sampled_from(["", "mm-btc", "a,b"]),
        "venue": st.sampled_from(["", "sandbox"]),
        "symbol": st.sampled_from(["", "BTC/USDT:USDT"]),
    },
)
POLICIES = st.builds(
    lambda actions, scopes, missing, keeps: a_policy(
        a_rule(actions=tuple(actions), scopes=tuple(scopes), may_keep_protective=keeps), missing_label=missing
    ),
    st.sets(st.sampled_from(Action)),
    st.sets(st.sampled_from(["global", "venue", "venue,account,strategy", "venue,symbol", "strategy"])),
    st.sampled_from(["refuse", "widen"]),
    st.booleans(),
)


@given(LABELS, POLICIES)
def test_whatever_an_alert_says_it_gets_no_more_than_it_asked_for_and_is_allowed(
    labels: dict[str, str], policy: Policy
):
    alert = an_alert(**labels)

    decision = decide(alert, policy)

    assert decision.reason
    assert decision.action.rank <= decision.requested.rank
    if decision.outcome is Outcome.TRIP:
        shape = frozenset(decision.scope.dimensions)
        assert decision.action in policy.granted(alert.name, shape)
        assert all(alert.labels.get(name) == value for name, value in decision.scope.constraints)
        assert decision.duration is None or decision.action is Action.REDUCE
        kept = policy.may_keep(alert.name, shape) and decision.action is not Action.FLATTEN
        assert decision.keep_protective == (kept and alert.labels.get("kill_keep") == "protective")
    else:
        assert decision.action is Action.PAGE
