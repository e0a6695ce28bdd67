"""Whose order and whose position it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import an_order
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

    def test_goes_with_the_strategy_that_owns_it_and_with_no_other(self):
        order = an_order(client_order_id="mm-btc_1", symbol=BTC)

        assert ATTRIBUTION.may_own("long", "sandbox", "shared", order)
        assert not ATTRIBUTION.may_own("short", "sandbox", "shared", order)
        assert not ATTRIBUTION.may_own("long", "sandbox", "one", order)
        assert not ATTRIBUTION.may_own("long", "binance", "shared", order)

    @pytest.mark.parametrize("strategy", ["short", "long", "unknown"])
    def test_of_nobody_goes_with_no_strategy(self, strategy: str):
        assert not ATTRIBUTION.may_own(strategy, "sandbox", "shared", an_order(client_order_id="by hand", symbol=BTC))

    def test_that_two_could_claim_goes_with_either(self):
        order = an_order(client_order_id="r_1", symbol=BTC)

        assert ATTRIBUTION.may_own("rest", "sandbox", "split", order)
        assert ATTRIBUTION.may_own("by-symbol", "sandbox", "split", order)


class TestAPosition:
    @pytest.mark.parametrize(
        ("strategy", "symbols", "account", "attributable"),
        [
            (None, None, "shared", True),
            (None, {BTC}, "shared", True),
            ("long", None, "shared", False),
            ("alone", None, "one", True),
            ("alone", None, "shared", False),
            ("by-symbol", None, "split", True),
            ("by-symbol", {BTC}, "split", True),
            ("by-symbol", {ETH}, "split", False),
            ("by-symbol", {ETH, BTC}, "split", True),
            ("rest", None, "split", False),
            ("unknown", None, "one", False),
        ],
    )
    def test_can_be_told_from_others_only_where_its_strategy_is_alone(
        self, strategy: str | None, symbols: set[str] | None, account: str, attributable: bool
    ):
        assert ATTRIBUTION.positions_attributable(strategy, symbols, "sandbox", account) is attributable

    def test_is_a_strategy_s_only_for_certain(self):
        assert ATTRIBUTION.owns_position("by-symbol", "sandbox", "split", BTC)
        assert not ATTRIBUTION.owns_position("by-symbol", "sandbox", "split", ETH)
        assert not ATTRIBUTION.owns_position("long", "sandbox", "shared", BTC)
        assert ATTRIBUTION.owns_position("alone", "sandbox", "one", ETH)
        assert not ATTRIBUTION.owns_position("alone", "binance", "main", ETH)

    def test_a_whole_account_is_one_strategy_s_only_where_it_shares_no_symbol(self):
        assert ATTRIBUTION.has_whole_account("alone", "sandbox", "one")
        assert not ATTRIBUTION.has_whole_account("alone", "binance", "main")
        assert not ATTRIBUTION.has_whole_account("by-symbol", "sandbox", "split")
        assert not ATTRIBUTION.has_whole_account("long", "sandbox", "shared")


STRATEGIES = ["alone", "short", "long", "by-symbol", "rest", "unknown"]
ORDERS = st.builds(
    an_order,
    client_order_id=st.sampled_from([None, "", "mm-btc_1", "mm1", "old_1", "s_1", "r_1", "alone_1", "by hand"]),
    symbol=st.sampled_from([BTC, ETH]),
)


@given(st.sampled_from(["one", "shared", "split", "nowhere"]), ORDERS)
def test_whoever_is_called_the_owner_of_an_order_loses_it_with_a_kill(account: str, order):
    owner = ATTRIBUTION.owner_of("sandbox", account, order.client_order_id, order.symbol)
    claims = {strategy for strategy in STRATEGIES if ATTRIBUTION.may_own(strategy, "sandbox", account, order)}

    assert (owner in claims) if owner is not None else not claims


@given(st.sampled_from(STRATEGIES), st.sampled_from(["one", "shared", "split"]), st.sampled_from([BTC, ETH]))
def test_a_position_that_may_be_closed_is_attributable_and_one_s_own(strategy: str, account: str, symbol: str):
    owns = ATTRIBUTION.owns_position(strategy, "sandbox", account, symbol)

    assert owns == ATTRIBUTION.positions_attributable(strategy, {symbol}, "sandbox", account)
