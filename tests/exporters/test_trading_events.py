"""A line is an event or it is malformed; nothing in between, and no value of it is ever repeated."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.trading.apply import apply
from exporters.trading.events import TYPES, EventError, parse
from exporters.trading.state import State
from tests.exporters.lines import NOON, fields, line
from tests.exporters.lines import TYPES as KNOWN


@pytest.mark.parametrize("kind", KNOWN)
def test_a_line_with_what_its_type_needs_is_an_event(kind):
    assert parse(line(kind)).type == kind


def test_every_type_of_the_schema_is_known():
    assert set(KNOWN) == set(TYPES)


def test_quantities_are_exact():
    event = parse(line("order_sent", quantity="0.10000000000000000001"))
    assert event.body.quantity == Decimal("0.10000000000000000001")


def test_time_keeps_its_microseconds():
    assert parse(line("heartbeat", time=NOON + 0.123456)).time == pytest.approx(NOON + 0.123456, abs=1e-6)


@pytest.mark.parametrize("kind", ["equity", "heartbeat"])
def test_without_a_strategy_equity_and_heartbeat_speak_for_the_whole(kind):
    assert parse(line(kind, strategy=None)).strategy == ""


def test_unknown_fields_are_ignored():
    assert parse(line("cancel_sent", mood="good")).type == "cancel_sent"


MALFORMED = {
    "not JSON": b"hello",
    "cut off": line("fill")[:-5],
    "not UTF-8": b'{"v":1,"type":"\xff"}',
    "a list": b"[]",
    "a number": b"7",
    "two objects": line("fill") + line("fill"),
    "NaN": b'{"v":1,"seq":NaN}',
    "wrong version": line("fill", v=2),
    "version as text": line("fill", v="1"),
    "version true": line("fill", v=True),
    "no version": line("fill", v=None),
    "unknown type": line("fill", type="fil"),
    "type as list": line("fill", type=["fill"]),
    "no seq": line("fill", seq=None),
    "seq as text": line("fill", seq="7"),
    "seq as fraction": line("fill", seq=7.0),
    "seq true": line("fill", seq=True),
    "seq negative": line("fill", seq=-1),
    "no engine": line("fill", engine=None),
    "engine empty": line("fill", engine=""),
    "engine a number": line("fill", engine=1),
    "engine too long": line("fill", engine="e" * 129),
    "engine with a line end": line("fill", engine="a\nb"),
    "no session": line("fill", session=None),
    "no time": line("fill") .replace(b'"time"', b'"tim"'),
    "time a number": line("fill") .replace(b'"2026-11-22T12:00:00.000000Z"', b"1795348800"),
    "time without zone": line("fill").replace(b".000000Z", b".000000"),
    "time of another zone": line("fill").replace(b".000000Z", b".000000+01:00"),
    "no such day": line("fill").replace(b"2026-11-22", b"2026-02-30"),
    "no strategy": line("fill", strategy=None),
    "no symbol": line("position", symbol=None),
    "no venue": line("equity", venue=None),
    "no account": line("equity", account=None),
    "quantity a number": line("fill", quantity=1.5),
    "quantity an exponent": line("fill", quantity="1e3"),
    "quantity NaN": line("fill", quantity="NaN"),
    "quantity infinite": line("position", quantity="Infinity"),
    "quantity zero": line("order_sent", quantity="0"),
    "quantity negative": line("fill", quantity="-1"),
    "quantity with a plus": line("fill", quantity="+1"),
    "quantity with a space": line("fill", quantity=" 1"),
    "quantity with a comma": line("fill", quantity="1,5"),
    "quantity without digits": line("fill", quantity="."),
    "quantity in other digits": line("fill", quantity="\u0661"),
    "quantity endless": line("fill", quantity="1" * 41),
    "price zero": line("fill", price="0"),
    "side": line("fill", side="long"),
    "liquidity": line("fill", liquidity="both"),
    "remaining negative": line("order_cancelled", remaining_quantity="-1"),
    "initiator": line("order_cancelled", initiator="ghost"),
    "initiator a list": line("order_cancelled", initiator=["kill"]),
    "state": line("heartbeat", state="fine"),
    "state a list": line("heartbeat", state=["running"]),
    "open orders a fraction": line("heartbeat", open_orders=1.5),
    "started_at": line("heartbeat", started_at="yesterday"),
    "reduce_only as text": line("order_sent", reduce_only="true"),
    "multiplier zero": line("position", multiplier="0"),
    "mark price missing": line("position", mark_price=None),
    "code a number": line("order_rejected", code=-2010),
    "side a list": line("fill", side=["buy"]),
    "liquidity a list": line("fill", liquidity=["maker"]),
}  # fmt: skip


@pytest.mark.parametrize("given_line", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_line_is_refused_by_name(given_line):
    with pytest.raises(EventError):
        parse(given_line)


def test_the_error_names_the_field_and_hides_the_value():
    with pytest.raises(EventError) as refused:
        parse(line("fill", price="s3cret"))
    assert str(refused.value).startswith("price:")
    assert "s3cret" not in str(refused.value)


def test_a_code_that_is_no_token_counts_as_other():
    assert parse(line("order_rejected", code="x" * 100)).body.code == "other"
    assert parse(line("order_rejected", code="Too much text!")).body.code == "other"


_JSON = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**70,
        1.5,
        1e308,
        "",
        "0",
        "-5",
        "0.000",
        "9" * 20 + "." + "9" * 20,
        "1e5",
        "NaN",
        [],
        ["x"],
        {},
        "é",
        "\x00",
    ]
) | st.text(max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(KNOWN), st.data())
def test_whatever_stands_in_a_field_the_line_is_an_event_or_malformed(kind, data):
    """And what was taken for an event can always be applied."""
    event = fields(kind)
    for name in data.draw(st.lists(st.sampled_from(sorted(event)), max_size=3)):
        event[name] = data.draw(_JSON)
    try:
        parsed = parse(json.dumps(event).encode())
    except EventError:
        return
    assert apply(State(), parsed, NOON)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_malformed(given_line):
    with pytest.raises(EventError):
        parse(given_line)
