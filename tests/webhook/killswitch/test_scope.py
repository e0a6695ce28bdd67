"""Scopes: their text, and what contains and overlaps what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope, ScopeError, widest_first

VALUES = st.sampled_from(["a", "b", "BTC/USDT:USDT", "mm-btc"])
SCOPES = st.dictionaries(st.sampled_from(DIMENSIONS), VALUES).map(Scope.of)
PLACES = st.fixed_dictionaries(dict.fromkeys(DIMENSIONS, VALUES)).map(Scope.of)
"""One thing, with every label: it is in a scope that contains it."""


@given(SCOPES)
def test_a_scope_is_what_its_text_says(scope: Scope):
    assert Scope.parse(str(scope)) == scope


@given(SCOPES, SCOPES, PLACES)
def test_what_contains_another_holds_all_that_it_holds(wide: Scope, narrow: Scope, place: Scope):
    if wide.contains(narrow) and narrow.contains(place):
        assert wide.contains(place)
    assert GLOBAL.contains(narrow)


@given(SCOPES, SCOPES, PLACES)
def test_two_overlap_when_one_thing_could_be_in_both(one: Scope, other: Scope, place: Scope):
    assert one.overlaps(other) == other.overlaps(one)
    if one.contains(place) and other.contains(place):
        assert one.overlaps(other)
    if one.overlaps(other):
        both = Scope.of(dict(one.constraints) | dict(other.constraints))
        assert one.contains(both)
        assert other.contains(both)


@given(st.lists(SCOPES, max_size=6))
def test_the_widest_comes_first(scopes: list[Scope]):
    ordered = widest_first(scopes)

    for index, scope in enumerate(ordered):
        assert not any(later.contains(scope) and later != scope for later in ordered[index + 1 :])


@pytest.mark.parametrize(
    "text", ["", "venue", "venue=", "venue= ", "planet=mars", "venue=a,venue=b", "venue=a,", "Global", "venue=a=b"]
)
def test_a_text_that_names_no_scope_is_refused(text: str):
    with pytest.raises(ScopeError):
        Scope.parse(text)
