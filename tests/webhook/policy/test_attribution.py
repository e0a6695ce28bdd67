"""Whose order and whose position it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import an_order
from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope
from webhook.policy.attribution import Attribution, StrategyOwnership

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"

ATTRIBUTION = Attribution(
    (
        StrategyOwnership("alone", "sandbox", "one", ("alone_",), exclusive=True),
        StrategyOwnership("short", "sandbox", "shared", ("mm",)),
        StrategyOwnership("long", "sandbox", "shared", ("mm-btc_", "old_")),
        StrategyOwnership("by-symbol", "sandbox", "split", ("s_",), exclusive=True, symbols=(BTC,)),
        StrategyOwnership("rest", "sandbox", "split", ("r_",)),
        StrategyOwnership("alone", "binance", "main", ("alone_",)),
    )
)


class TestAnOrder:
    @pytest.mark.parametrize(
        ("account", "client_order_id", "symbol", "owner"),
        [
            ("shared", "mm-btc_17", BTC, "long"),
            ("shared", "mm-eth_17", BTC, "short"),
            ("shared", "old_1", ETH, "long"),
            ("shared", "manual", BTC, None),
            ("shared", "", BTC, None),
            ("shared", None, BTC, None),
            ("one", None, BTC, "alone"),
            ("one", "mm-btc_17", BTC, "alone"),
            ("split", "s_1", ETH, "by-symbol"),
            ("split", None, BTC, "by-symbol"),
            ("split", None, ETH, None),
            ("split", "r_1", ETH, "rest"),
            ("nowhere", "mm-btc_17", BTC, None),
        ],
    )
    def test_belongs_to_the_longest_prefix_or_to_whoever_is_alone(
        self, account: str, client_order_id: str | None, symbol: str, owner: str | None
    ):
        assert ATTRIBUTION.owner_of("sandbox", account, client_order_id, symbol) == owner

    @pytest.mark.parametrize(
        ("scope", "inside"),
        [
            ("global", True),
            ("venue=sandbox", True),
            ("venue=sandbox,account=shared", True),
            (f"venue=sandbox,symbol={BTC}", True),
            (f"symbol={BTC}", True),
            ("strategy=long", True),
            ("venue=sandbox,account=shared,strategy=long", True),
            ("strategy=short", False),
            ("venue=binance", False),
            ("account=one", False),
            (f"strategy=long,symbol={ETH}", False),
        ],
    )
    def test_is_in_scope_when_it_meets_every_constraint(self, scope: str, inside: bool):
        order = an_order(client_order_id="mm-btc_1", symbol=BTC)

        assert ATTRIBUTION.in_scope(Scope.parse(scope), "sandbox", "shared", order) is inside

    @pytest.mark.parametrize("scope", ["global", "venue=sandbox", "account=shared", f"symbol={BTC}"])
    def test_of_nobody_is_in_every_scope_without_a_strategy(self, scope: str):
        order = an_order(client_order_id="by hand", symbol=BTC)

        assert ATTRIBUTION.in_scope(Scope.parse(scope), "sandbox", "shared", order)
        assert not ATTRIBUTION.in_scope(
            Scope.parse(f"{scope},strategy=long".replace("global,", "")), "sandbox", "shared", order
        )

    def test_that_two_could_claim_is_in_the_scope_of_either(self):
        order = an_order(client_order_id="r_1", symbol=BTC)

        assert ATTRIBUTION.in_scope(Scope.parse("strategy=rest"), "sandbox", "split", order)
        assert ATTRIBUTION.in_scope(Scope.parse("strategy=by-symbol"), "sandbox", "split", order)


class TestAPosition:
    @pytest.mark.parametrize(
        ("scope", "account", "attributable"),
        [
            ("global", "shared", True),
            ("venue=sandbox", "shared", True),
            ("venue=sandbox,account=shared", "shared", True),
            (f"venue=sandbox,symbol={BTC}", "shared", True),
            ("strategy=long", "shared", False),
            ("strategy=alone", "one", True),
            ("strategy=alone", "shared", False),
            ("strategy=by-symbol", "split", True),
            (f"strategy=by-symbol,symbol={BTC}", "split", True),
            (f"strategy=by-symbol,symbol={ETH}", "split", False),
            ("strategy=rest", "split", False),
            ("strategy=unknown", "one", False),
        ],
    )
    def test_can_be_told_from_others_only_where_its_strategy_is_alone(
        self, scope: str, account: str, attributable: bool
    ):
        assert ATTRIBUTION.positions_attributable(Scope.parse(scope), "sandbox", account) is attributable

    def test_is_in_the_scope_of_a_strategy_only_for_certain(self):
        def inside(scope: str, account: str, symbol: str) -> bool:
            return ATTRIBUTION.position_in_scope(Scope.parse(scope), "sandbox", account, symbol)

        assert inside("strategy=by-symbol", "split", BTC)
        assert not inside("strategy=by-symbol", "split", ETH)
        assert not inside("strategy=long", "shared", BTC)
        assert inside("strategy=alone", "one", ETH)
        assert not inside(f"strategy=alone,symbol={BTC}", "one", ETH)
        assert inside("global", "shared", BTC)

    @pytest.mark.parametrize(
        ("scope", "account", "symbols"),
        [
            ("global", "shared", None),
            ("strategy=alone", "one", None),
            (f"strategy=alone,symbol={ETH}", "one", (ETH,)),
            ("strategy=by-symbol", "split", (BTC,)),
            ("strategy=rest", "split", ()),
            (f"symbol={BTC}", "shared", (BTC,)),
            ("venue=binance", "shared", ()),
        ],
    )
    def test_may_be_in_these_symbols(self, scope: str, account: str, symbols: tuple[str, ...] | None):
        assert ATTRIBUTION.symbols_of(Scope.parse(scope), "sandbox", account) == symbols


VALUES = {
    "venue": ["sandbox", "binance"],
    "account": ["one", "shared", "split"],
    "strategy": ["alone", "short", "long", "by-symbol", "rest"],
    "symbol": [BTC, ETH],
}
SCOPES = st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES[name]) for name in DIMENSIONS}).map(Scope.of)
ORDERS = st.builds(
    an_order,
    client_order_id=st.sampled_from([None, "", "mm-btc_1", "mm1", "old_1", "s_1", "r_1", "alone_1", "by hand"]),
    symbol=st.sampled_from([BTC, ETH]),
)


@given(SCOPES, SCOPES, st.sampled_from(VALUES["account"]), ORDERS)
def test_a_wider_scope_never_leaves_out_an_order_of_a_narrower_one(wide: Scope, narrow: Scope, account: str, order):
    if wide.contains(narrow) and ATTRIBUTION.in_scope(narrow, "sandbox", account, order):
        assert ATTRIBUTION.in_scope(wide, "sandbox", account, order)
    assert ATTRIBUTION.in_scope(GLOBAL, "sandbox", account, order)
