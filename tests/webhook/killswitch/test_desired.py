"""What must hold, computed from all switches: the strictest that reaches a thing, whatever came before."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_switch, a_trip
from webhook.killswitch.desired import (
    AccountTarget,
    EngineTarget,
    Standing,
    Targets,
    cut,
    goals,
    parts_of,
    region,
    states,
)
from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
KNOWN = {
    "venue": ["binance", "okx"],
    "account": ["main", "other"],
    "strategy": ["mm", "trend", "grid"],
    "symbol": [BTC, ETH],
}
STRANGE = {"venue": "nowhere", "account": "nobody", "strategy": "ghost", "symbol": "DOGE/USDT"}
"""A value of each label that no configuration names."""


def same(place: Scope, symbol: str) -> bool:
    """The symbols of these tests are written in one way."""
    return place.get("symbol") == symbol


def scopes_of(values: dict[str, list[str]]) -> st.SearchStrategy[Scope]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values[name]) for name in DIMENSIONS}).map(
        Scope.of
    )


SCOPES = scopes_of({name: [*values, STRANGE[name]] for name, values in KNOWN.items()})
"""What an alert or a person may name, values that nobody configured among them."""
PLACES = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from(KNOWN[name]) for name in ("venue", "account", "strategy")},
        optional={"symbol": st.sampled_from(KNOWN["symbol"])},
    ).map(Scope.of),
    max_size=6,
    unique=True,
)
SWITCHES = st.lists(
    st.builds(lambda scope, state: a_switch(state, scope=scope), SCOPES, st.sampled_from(State)),
    max_size=6,
    unique_by=lambda switch: switch.scope,
)
LABELS = st.sets(st.sampled_from(DIMENSIONS))


def an_engine(labels: Iterable[str], places: list[Scope], scope: Scope = GLOBAL) -> EngineTarget:
    """As the composition root makes one."""
    known = frozenset(labels)
    values = frozenset(pair for place in places for pair in place.constraints)
    return EngineTarget("engine", scope, cut(scope, known, places), known, values)


ENGINES = st.builds(an_engine, LABELS, PLACES, scopes_of({name: values[:1] for name, values in KNOWN.items()}))


class TestTheAccountsThatAScopeReaches:
    ACCOUNTS = (
        AccountTarget("sandbox-mm", "sandbox", "mm"),
        AccountTarget("sandbox-trend", "sandbox", "trend"),
        AccountTarget("binance-spot", "binance", "spot"),
    )
    ENGINES = (an_engine((), []), replace(an_engine((), [], Scope.parse("venue=binance")), name="other-engine"))
    TRADERS = frozenset({("mm-btc", "sandbox", "mm"), ("grid", "sandbox", "trend"), ("grid", "binance", "spot")})

    @pytest.mark.parametrize(
        ("scope", "names"),
        [
            ("global", {"engine", "other-engine", "sandbox-mm", "sandbox-trend", "binance-spot"}),
            ("venue=sandbox", {"engine", "sandbox-mm", "sandbox-trend"}),
            ("account=trend", {"engine", "other-engine", "sandbox-trend"}),
            ("strategy=mm-btc", {"engine", "other-engine", "sandbox-mm"}),
            ("strategy=grid", {"engine", "other-engine", "sandbox-trend", "binance-spot"}),
            ("strategy=nobody", {"engine", "other-engine"}),
            ("venue=binance,strategy=mm-btc", {"engine", "other-engine"}),
            ("venue=binance,symbol=BTC/USDT", {"engine", "other-engine", "binance-spot"}),
            ("venue=nowhere", {"engine"}),
        ],
    )
    def test_are_those_in_which_something_of_it_may_trade(self, scope: str, names: set[str]):
        targets = Targets(self.ENGINES, self.ACCOUNTS, self.TRADERS)
        reached = Scope.parse(scope)

        assert {one.name for one in (*targets.engines_of(reached), *targets.accounts_of(reached))} == names

    @given(SCOPES, SCOPES)
    def test_are_never_more_for_a_narrower_scope(self, wide: Scope, narrow: Scope):
        traders = frozenset(("mm", venue, account) for venue in KNOWN["venue"] for account in KNOWN["account"])
        accounts = tuple(
            AccountTarget(f"{venue}-{account}", venue, account)
            for venue in KNOWN["venue"]
            for account in KNOWN["account"]
        )
        targets = Targets((), accounts, traders)
        if wide.contains(narrow):
            assert set(targets.accounts_of(narrow)) <= set(targets.accounts_of(wide))


class TestTheGoalsOfAnAccount:
    ACCOUNT = AccountTarget("sandbox-mm", "sandbox", "mm")
    TARGETS = Targets((), (ACCOUNT,), frozenset({("mm-btc", "sandbox", "mm")}))

    def standing(self, *switches: Switch) -> Standing:
        named = tuple(replace(one, trip_id=f"trip-{number}") for number, one in enumerate(switches))
        trips = {one.trip_id: a_trip(one.trip_id, scope=one.scope) for one in named if one.trip_id}
        return Standing(named, trips, dict.fromkeys(trips, 7.0))

    def test_are_one_for_each_switch_that_reaches_it(self):
        standing = self.standing(
            a_switch(State.DEGRADED, scope=GLOBAL),
            a_switch(State.HALTED, action=Action.FLATTEN, keep_protective=True),
            a_switch(State.HALTED, scope=Scope.parse("venue=elsewhere")),
            a_switch(State.HALTED, scope=Scope.parse("strategy=nobody")),
        )

        found = goals(self.ACCOUNT, self.TARGETS, standing)

        assert [(str(one.scope), one.action, one.keep_protective, one.received) for one in found] == [
            ("global", Action.REDUCE, False, 7.0),
            ("venue=sandbox,account=mm,strategy=mm-btc", Action.FLATTEN, True, 7.0),
        ]
        assert [one.trip.id for one in found] == ["trip-0", "trip-1"]

    def test_are_none_once_all_is_normal(self):
        assert goals(self.ACCOUNT, self.TARGETS, self.standing(a_switch(State.NORMAL))) == ()

    @given(SWITCHES)
    def test_name_every_switch_whose_scope_holds_the_account_or_a_part_of_it(self, switches: list[Switch]):
        account = AccountTarget("okx-main", "okx", "main")
        targets = Targets((), (account,), frozenset({("mm", "okx", "main"), ("trend", "okx", "main")}))
        out = [one for one in switches if one.state is not State.NORMAL]

        reached = {goal.scope for goal in goals(account, targets, self.standing(*out))}

        for switch in out:
            inside = switch.scope.overlaps(account.scope) and switch.scope.get("strategy") in (None, "mm", "trend")
            assert (switch.scope in reached) == inside


class TestTheCutOfAnEngine:
    def test_is_by_the_labels_that_it_can_be_told_by(self):
        places = [
            Scope.parse("venue=okx,account=main,strategy=mm"),
            Scope.parse("venue=okx,account=main,strategy=grid"),
        ]

        assert [str(one.scope) for one in cut(GLOBAL, ("strategy",), places)] == ["strategy=grid", "strategy=mm"]
        assert [str(one.scope) for one in cut(GLOBAL, ("account",), places)] == ["account=main"]
        assert [one.scope for one in cut(GLOBAL, (), places)] == [GLOBAL]

    def test_is_none_where_a_place_leaves_one_of_them_free(self):
        places = [
            Scope.parse(f"venue=okx,account=main,strategy=mm,symbol={BTC}"),
            Scope.parse("venue=okx,account=main,strategy=grid"),
        ]

        assert [one.scope for one in cut(GLOBAL, ("symbol",), places)] == [GLOBAL]
        assert [one.scope for one in cut(GLOBAL, ("strategy", "symbol"), places)] == [GLOBAL]

    def test_of_an_engine_in_which_nothing_is_configured_is_the_whole(self):
        (part,) = cut(Scope.parse("venue=okx"), ("strategy",), [Scope.parse("venue=binance,strategy=mm")])

        assert (part.scope, part.places) == (GLOBAL, (Scope.parse("venue=okx"),))

    @given(LABELS, PLACES, scopes_of(KNOWN))
    def test_puts_every_place_into_exactly_one_part_that_contains_it(
        self, labels: set[str], places: list[Scope], engine: Scope
    ):
        parts = cut(engine, labels, places)

        inside = [place for place in places if place.overlaps(engine)]
        assert sorted(place for part in parts for place in part.places) == sorted(inside or [engine])
        for part in parts:
            assert set(part.scope.dimensions) <= labels
            assert all(part.scope.contains(place) for place in part.places)
        for one in parts:
            assert all(one is other or not one.scope.overlaps(other.scope) for other in parts)


class TestThePartsThatAreTold:
    ENGINE = an_engine(
        ("venue", "strategy"),
        [
            Scope.parse("venue=okx,account=main,strategy=mm"),
            Scope.parse("venue=okx,account=other,strategy=grid"),
            Scope.parse("venue=binance,account=main,strategy=trend"),
        ],
    )

    @pytest.mark.parametrize(
        ("scope", "told"),
        [
            ("strategy=mm", ["venue=okx,strategy=mm"]),
            ("venue=okx,account=other", ["venue=okx,strategy=grid"]),
            ("account=main", ["venue=binance,strategy=trend", "venue=okx,strategy=mm"]),
            (f"strategy=grid,symbol={BTC}", ["venue=okx,strategy=grid"]),
            ("venue=okx", ["venue=okx", "venue=okx,strategy=grid", "venue=okx,strategy=mm"]),
            (
                "global",
                ["global", "venue=binance,strategy=trend", "venue=okx,strategy=grid", "venue=okx,strategy=mm"],
            ),
        ],
    )
    def test_are_as_precise_as_the_engine_takes_them(self, scope: str, told: list[str]):
        assert [str(one) for one in parts_of(self.ENGINE, Scope.parse(scope), same)] == told

    @pytest.mark.parametrize("scope", ["strategy=ghost", "venue=nowhere", "account=nobody"])
    def test_are_all_of_it_where_nobody_configured_what_is_meant(self, scope: str):
        assert parts_of(self.ENGINE, Scope.parse(scope), same)[0] == GLOBAL

    def test_are_none_of_an_engine_that_trades_elsewhere(self):
        engine = an_engine((), [], Scope.parse("venue=okx"))

        assert parts_of(engine, Scope.parse("venue=binance"), same) == ()
        assert region(engine, Scope.parse("venue=binance")) is None

    def test_are_those_of_the_symbol_however_it_is_written(self):
        engine = an_engine(
            ("strategy",),
            [
                Scope.parse(f"venue=okx,account=main,strategy=mm,symbol={BTC}"),
                Scope.parse(f"venue=okx,account=main,strategy=grid,symbol={ETH}"),
            ],
        )

        def by_name(place: Scope, symbol: str) -> bool:
            return (place.get("symbol") or "").partition("/")[0] in symbol

        assert [str(one) for one in parts_of(engine, Scope.parse("symbol=BTC-PERP"), by_name)] == ["strategy=mm"]
        assert len(parts_of(engine, Scope.parse("symbol=BTC-PERP"), lambda *_: True)) == 2

    @given(ENGINES, SCOPES)
    def test_hold_every_configured_place_that_the_scope_may_hold(self, engine: EngineTarget, scope: Scope):
        told = parts_of(engine, scope, same)

        for part in engine.parts:
            for place in part.places:
                if place.overlaps(scope) and engine.scope.overlaps(scope):
                    # A scope that the engine takes exactly may be less than the part: then all of the scope is told.
                    exactly = bool(told) and told[0] == region(engine, scope)
                    assert any(one.contains(part.scope) for one in told) or (exactly and scope.contains(told[0]))

    @given(ENGINES, SCOPES)
    def test_are_named_in_configured_values_only(self, engine: EngineTarget, scope: Scope):
        for part in parts_of(engine, scope, same):
            assert set(part.constraints) <= engine.values
            assert set(part.dimensions) <= engine.labels


class TestTheStatesOfAnEngine:
    @given(ENGINES, SWITCHES, st.randoms())
    def test_do_not_depend_on_what_came_first(self, engine: EngineTarget, switches: list[Switch], random):
        shuffled = list(switches)
        random.shuffle(shuffled)

        assert states(engine, switches, same) == states(engine, shuffled, same)

    @given(ENGINES, SWITCHES)
    def test_are_never_freer_than_any_switch_that_reaches_a_part(self, engine: EngineTarget, switches: list[Switch]):
        found = states(engine, switches, same)

        for switch in switches:
            for part in parts_of(engine, switch.scope, same):
                assert found[part].rank >= switch.state.rank
        for wide, narrow in ((one, other) for one in found for other in found if one.contains(other)):
            assert found[narrow].rank >= (found[wide].rank if _is_told(engine, switches, wide) else 0)

    @given(ENGINES, SWITCHES, SCOPES)
    def test_are_never_freer_with_a_switch_more(self, engine: EngineTarget, switches: list[Switch], scope: Scope):
        others = [one for one in switches if one.scope != scope]
        before = states(engine, others, same)
        after = states(engine, [*others, a_switch(State.HALTED, scope=scope)], same)

        assert all(after[part].rank >= state.rank for part, state in before.items())

    @given(ENGINES, SWITCHES)
    def test_are_normal_where_no_switch_that_is_out_reaches(self, engine: EngineTarget, switches: list[Switch]):
        quiet = [replace(one, state=State.NORMAL) for one in switches]

        assert set(states(engine, quiet, same).values()) == {State.NORMAL}


def _is_told(engine: EngineTarget, switches: list[Switch], wide: Scope) -> bool:
    return any(wide in parts_of(engine, one.scope, same) for one in switches)
