"""How far a scope goes inside a venue account, and which orders and positions are in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_position, an_order
from webhook.actions.exposure import Extent, extent, orders_in, positions_in
from webhook.killswitch.desired import AccountTarget
from webhook.killswitch.scope import Scope
from webhook.policy.attribution import Attribution, StrategyOwnership

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
ATTRIBUTION = Attribution(
    (
        StrategyOwnership("alone", "sandbox", "one", ("alone_",), exclusive=True),
        StrategyOwnership("short", "sandbox", "shared", ("mm",)),
        StrategyOwnership("long", "sandbox", "shared", ("mm-btc_", "old_")),
        StrategyOwnership("by-symbol", "sandbox", "split", ("s_",), exclusive=True, symbols=(BTC,)),
        StrategyOwnership("rest", "sandbox", "split", ("r_",), symbols=(ETH,)),
    )
)
MARKETS = {"BTCUSDT": {BTC, "BTCUSDT"}, BTC: {BTC, "BTCUSDT"}, ETH: {ETH}}


def resolve(symbol: str) -> frozenset[str] | None:
    """As a venue does; the markets of one symbol are not loaded yet."""
    return None if symbol == "LATER" else frozenset(MARKETS.get(symbol, ()))


def account(name: str) -> AccountTarget:
    return AccountTarget(f"sandbox-{name}", "sandbox", name)


def reach(scope: str, name: str) -> Extent:
    return extent(Scope.parse(scope), account(name), ATTRIBUTION, resolve)


@pytest.mark.parametrize(
    ("scope", "name", "symbols", "whole"),
    [
        ("global", "shared", None, True),
        ("venue=sandbox", "shared", None, True),
        ("venue=sandbox,account=shared", "shared", None, True),
        (f"venue=sandbox,symbol={BTC}", "shared", {BTC, "BTCUSDT"}, True),
        ("symbol=BTCUSDT", "shared", {BTC, "BTCUSDT"}, True),
        ("strategy=long", "shared", None, False),
        ("strategy=alone", "one", None, True),
        (f"strategy=alone,symbol={ETH}", "one", {ETH}, True),
        ("strategy=by-symbol", "split", None, False),
        (f"strategy=by-symbol,symbol={BTC}", "split", {BTC, "BTCUSDT"}, True),
        (f"strategy=rest,symbol={ETH}", "split", {ETH}, False),
    ],
)
def test_what_is_wholly_in_scope_may_be_cancelled_without_reading(
    scope: str, name: str, symbols: set[str] | None, whole: bool
) -> None:
    found = reach(scope, name)

    assert (found.symbols, found.whole, found.known) == (symbols, whole, True)


@pytest.mark.parametrize("symbol", ["LATER", "NOTHING"])
def test_a_symbol_that_is_not_resolved_is_taken_as_it_is_written_and_proves_nothing(symbol: str) -> None:
    found = reach(f"symbol={symbol}", "shared")

    assert (found.symbols, found.known) == ({symbol}, False)


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        ("global", True),
        ("venue=sandbox,account=shared", True),
        (f"symbol={BTC}", True),
        ("symbol=BTCUSDT", True),
        ("strategy=long", True),
        ("strategy=short", False),
        (f"symbol={ETH}", False),
        (f"strategy=long,symbol={ETH}", False),
    ],
)
def test_an_order_is_in_scope_when_it_meets_every_constraint(scope: str, inside: bool) -> None:
    order = an_order(client_order_id="mm-btc_1", symbol=BTC)

    assert bool(orders_in([order], reach(scope, "shared"), account("shared"), ATTRIBUTION)) is inside


@pytest.mark.parametrize("scope", ["global", "venue=sandbox", "account=shared", f"symbol={BTC}"])
def test_an_order_of_nobody_is_in_every_scope_without_a_strategy_and_in_no_other(scope: str) -> None:
    order = an_order(client_order_id="by hand", symbol=BTC)

    assert orders_in([order], reach(scope, "shared"), account("shared"), ATTRIBUTION) == (order,)
    named = f"strategy=long,{scope}".removesuffix(",global")
    assert orders_in([order], reach(named, "shared"), account("shared"), ATTRIBUTION) == ()


@pytest.mark.parametrize(
    ("scope", "name", "held"),
    [
        ("global", "shared", {BTC, ETH}),
        (f"symbol={BTC}", "shared", {BTC}),
        ("strategy=long", "shared", set()),
        ("strategy=alone", "one", {BTC, ETH}),
        (f"strategy=alone,symbol={BTC}", "one", {BTC}),
        ("strategy=by-symbol", "split", {BTC}),
        ("strategy=rest", "split", set()),
    ],
)
def test_a_position_is_in_the_scope_of_a_strategy_only_for_certain(scope: str, name: str, held: set[str]) -> None:
    positions = [a_position(symbol=BTC), a_position(symbol=ETH)]

    found = positions_in(positions, reach(scope, name), account(name), ATTRIBUTION)

    assert {one.symbol for one in found} == held


SCOPES = st.fixed_dictionaries(
    {},
    optional={
        "strategy": st.sampled_from(["alone", "short", "long", "by-symbol", "rest"]),
        "symbol": st.sampled_from([BTC, ETH]),
    },
).map(Scope.of)
ORDERS = st.builds(
    an_order,
    client_order_id=st.sampled_from([None, "", "mm-btc_1", "mm1", "old_1", "s_1", "r_1", "alone_1", "by hand"]),
    symbol=st.sampled_from([BTC, ETH]),
)


@given(SCOPES, SCOPES, st.sampled_from(["one", "shared", "split"]), ORDERS)
def test_a_wider_scope_never_leaves_out_an_order_of_a_narrower_one(wide: Scope, narrow: Scope, name: str, order):
    def inside(scope: Scope) -> bool:
        return bool(orders_in([order], reach(str(scope), name), account(name), ATTRIBUTION))

    assert inside(wide) or not (wide.contains(narrow) and inside(narrow))


@given(SCOPES, st.sampled_from(["one", "shared", "split"]), ORDERS)
def test_what_is_cancelled_unread_is_all_in_scope(scope: Scope, name: str, order):
    found = reach(str(scope), name)

    if found.whole and (found.symbols is None or order.symbol in found.symbols):
        assert orders_in([order], found, account(name), ATTRIBUTION) == (order,)
