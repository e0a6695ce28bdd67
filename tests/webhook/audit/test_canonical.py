"""One value, one sequence of bytes."""

import json
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import A_STRATEGY, NOW
from webhook.audit.canonical import canonical, time_text
from webhook.killswitch.states import State

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        ({"é": "\ud800\0"}, b'{"\\u00e9":"\\ud800\\u0000"}'),
        (0.1 + 0.2, b"0.30000000000000004"),
        (1.0, b"1.0"),
        (-0.0, b"-0.0"),
        (math.nan, b'"nan"'),
        ({"x": (math.inf, 1)}, b'{"x":["inf",1]}'),
        (10**30, b"1" + b"0" * 30),
        (Decimal("1.50"), b'"1.50"'),
        (NOW, b'"2026-11-22T10:00:00.123456Z"'),
        (NOW.replace(microsecond=0).astimezone(timezone(timedelta(hours=2))), b'"2026-11-22T10:00:00.000000Z"'),
        (timedelta(minutes=5), b"300.0"),
        (State.HALTED, b'"halted"'),
        ({State.HALTED: 1}, b'{"halted":1}'),
        (A_STRATEGY, b'"venue=sandbox,account=mm,strategy=mm-btc"'),
        (frozenset({"b", "a"}), b'["a","b"]'),
        (Path("a/b"), b'"a/b"'),
    ],
)
def test_the_bytes(value: Any, expected: bytes):
    assert canonical(value) == expected


@pytest.mark.parametrize("value", [object(), b"bytes", {"a": 1j}, datetime(2026, 1, 1), {("a",): 1}])  # noqa: DTZ001
def test_what_could_be_written_in_two_ways_is_not_written(value: Any):
    with pytest.raises(TypeError):
        canonical(value)


def test_a_naive_time_has_no_text():
    with pytest.raises(TypeError):
        time_text(NOW.replace(tzinfo=None))


@given(JSON)
def test_reading_and_writing_again_gives_the_same_bytes(value: Any):
    once = canonical(value)

    assert canonical(json.loads(once)) == once


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=6), st.randoms())
def test_the_order_of_keys_does_not_count(value: dict[str, int], random):
    items = list(value.items())
    random.shuffle(items)

    assert canonical(dict(items)) == canonical(value)
