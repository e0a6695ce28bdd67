"""Scopes: their text, and what contains and overlaps what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope, ScopeError, widest_first

VALUES = st.sampled_from(["a", "b", "BTC/USDT:USDT", "mm-btc"])
SCOPES = st.dictionaries(st.sampled_from(DIMENSIONS), VALUES).map(Scope.of)
LABELS = st.fixed_dictionaries({}, optional={name: st.none() | VALUES for name in DIMENSIONS})


@given(SCOPES)
def test_a_scope_is_what_its_text_says(scope: Scope):
    assert Scope.parse(str(scope)) == scope


@given(SCOPES, SCOPES, LABELS)
def test_what_contains_another_covers_all_that_it_covers(wide: Scope, narrow: Scope, labels: dict):
    if wide.contains(narrow) and narrow.covers(labels):
        assert wide.covers(labels)
    assert GLOBAL.contains(narrow)


@given(SCOPES, SCOPES, LABELS)
def test_what_is_in_both_is_in_where_they_meet(one: Scope, other: Scope, labels: dict):
    meet = one.meet(other)

    assert (meet is not None) == one.overlaps(other) == other.overlaps(one)
    assert (one.covers(labels) and other.covers(labels)) == (meet is not None and meet.covers(labels))


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
