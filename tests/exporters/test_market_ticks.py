"""Lines of a combined stream, good and bad, and the chains they make."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.market_data.sequence import Link, Sequence
from exporters.market_data.sources.binance import parse
from exporters.market_data.ticks import Pulse, Snapshot, Tick, TickError

# Lines of the recorded captures, shortened.
TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,'
    b'"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
)
BOOK = (
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507",'
    b'"a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}'
)
SPOT_BOOK = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000",'
    b'"a":"61837.64000000","A":"1.54698000"}}'
)
DEPTH = (
    b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT",'
    b'"U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],"a":[]}}'
)


def test_a_trade():
    assert parse(TRADE) == Tick(
        "trade",
        "BTCUSDT",
        1723161256322_000_000,
        5266583935,
        5266583935,
        None,
        price=61800.3,
        quantity=0.006,
        side="buy",
    )
    assert parse(TRADE.replace(b"false", b"true")).side == "sell"  # the maker bought
    assert parse(TRADE.replace(b',"m":false', b"")).side == "unknown"


def test_a_book_ticker():
    tick = Tick("book_ticker", "BTCUSDT", 1723161256313_000_000, 5123107839020, 5123107839020, None, 61800.2, 61800.3)
    assert parse(BOOK) == tick


def test_a_spot_book_ticker_carries_no_time():
    assert parse(SPOT_BOOK).event_ns is None


def test_depth_names_the_ids_it_covers():
    assert parse(DEPTH) == Tick(
        "depth", "BTCUSDT", 1723161256299_000_000, 5123107832006, 5123107837557, 5123107831937, bids=((58710.2, 0.014),)
    )


def test_an_empty_side_is_no_price():
    tick = parse(BOOK.replace(b'"B":"2.507"', b'"B":"0.000"'))
    assert tick.bid is None
    assert tick.ask == 61800.3
    assert parse(BOOK.replace(b'"61800.30"', b'"0"')).ask is None


def test_a_snapshot_is_a_whole_book():
    assert parse(b'{"lastUpdateId":7,"bids":[["5","1"]],"asks":[]}') == Snapshot(None, 7, ((5.0, 1.0),), ())
    said = b'{"type":"snapshot","symbol":"btcusdt","lastUpdateId":7,"bids":[],"asks":[["6","0.5"]]}'
    assert parse(said) == Snapshot("BTCUSDT", 7, (), ((6.0, 0.5),))


def test_numbers_are_taken_as_well_as_strings():
    assert parse(changed(TRADE, p=61800.3, q=2)) == parse(changed(TRADE, p="61800.3", q="2"))
    assert parse(changed(DEPTH, b=[[58710.2, 0.014]])) == parse(DEPTH)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("trade p NaN", "price"), ("trade p -1", "price"), ("trade q -1", "quantity"), ("trade q NaN", "quantity"),
        ("trade q 0", "quantity"), ("depth [NaN, 1]", "price"), ("depth [1, -1]", "quantity"), ("depth ids", "id"),
        ("time", "time"), ("bare NaN", "price"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_true_is_named(line, value):
    said = {
        "trade p NaN": changed(TRADE, p="NaN"),
        "trade p -1": changed(TRADE, p=-1),
        "trade q -1": changed(TRADE, q="-1"),
        "trade q NaN": changed(TRADE, q="NaN"),
        "trade q 0": changed(TRADE, q=0.0),
        "depth [NaN, 1]": changed(DEPTH, b=[["NaN", "1"]]),
        "depth [1, -1]": changed(DEPTH, a=[["1", "-1"]]),
        "depth ids": changed(DEPTH, U=5123107837558),
        "time": changed(TRADE, E=-1),
        "bare NaN": TRADE.replace(b'"61800.30"', b"NaN"),
    }[line]
    with pytest.raises(TickError) as refused:
        parse(said)
    assert refused.value.value == value


def test_a_ping_may_tell_the_time():
    assert parse(b'{"type":"ping","E":1723161256322}') == Pulse(1723161256322_000_000)
    assert parse(b'{"type":"ping"}') == Pulse(None)


def changed(line, **changes: object):
    message = json.loads(line)
    for name, value in changes.items():
        if value is None:
            message["data"].pop(name)
        else:
            message["data"][name] = value
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[]",
        b"7",
        b"{}",
        TRADE[:-9],
        b'{"stream":7,"data":{}}',
        b'{"stream":"btcusdt@trade"}',
        b'{"stream":"btcusdt@kline_1m","data":{}}',
        b'{"stream":"@trade","data":{}}',
        b'{"type":"ping","E":"now"}',
        changed(TRADE, p="NaN"),
        changed(TRADE, p="-1"),
        changed(TRADE, p="0"),
        changed(TRADE, q="0"),
        changed(TRADE, q="-0.1"),
        changed(TRADE, p="1e5"),
        changed(TRADE, p="Infinity"),
        changed(TRADE, t="7"),
        changed(TRADE, t=None),
        changed(TRADE, t=-1),
        changed(TRADE, E=None),
        changed(TRADE, E="7"),
        changed(TRADE, E=1.5),
        changed(TRADE, E=-1),
        changed(TRADE, E=2**63),
        changed(BOOK, u=None),
        changed(BOOK, b=None),
        changed(DEPTH, b=[["1"]]),
        changed(DEPTH, b=[["0", "1"]]),
        changed(DEPTH, b=[[True, "1"]]),
        changed(DEPTH, b=["1"]),
        b'{"type":"snapshot","symbol":"BTCUSDT"}',
        b'{"type":"snapshot","symbol":7,"lastUpdateId":7,"bids":[],"asks":[]}',
        changed(DEPTH, u=None),
        changed(DEPTH, U=5123107837558),
        changed(DEPTH, pu="x"),
        changed(DEPTH, b=None),
        changed(DEPTH, a="[]"),
        changed(DEPTH, E=None),
        TRADE.replace(b"0.006", b"\xff"),
    ],
)
def test_a_malformed_line_is_refused(line):
    with pytest.raises(TickError):
        parse(line)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([TRADE, BOOK, SPOT_BOOK, DEPTH]), st.data())
def test_whatever_a_venue_sends_is_a_message_or_malformed(line, data):
    message = json.loads(line)
    name = data.draw(st.sampled_from(sorted(message["data"])))
    message["data"][name] = data.draw(st.sampled_from([None, True, -1, 2**70, 1.5, "", "NaN", "0", [], {}, "\x00"]))
    with suppress(TickError):
        assert isinstance(parse(json.dumps(message).encode()), Tick)


def depth(first, last, previous=None):
    return Tick("depth", "BTCUSDT", 1, first, last, previous)


def trade(number):
    return Tick("trade", "BTCUSDT", 1, number, number, None)


def joined(*ticks: Tick):
    """How the last one joins, and how many ids are missing by then."""
    sequence = Sequence()
    link = [sequence.join(tick) for tick in ticks][-1]
    assert sequence.gaps == (link is Link.GAP or sequence.missing > 0)
    return link, sequence.missing


NEXT, GAP, LATE = Link.NEXT, Link.GAP, Link.OUT_OF_ORDER


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([depth(5, 9, 3)], (Link.FIRST, 0)),
        ([depth(5, 9, 3), depth(12, 15, 9)], (NEXT, 0)),
        ([depth(5, 9, 3), depth(17, 20, 15)], (GAP, 6)),
        ([depth(5, 9, 3), depth(8, 20, 7)], (GAP, 0)),
        ([depth(5, 9), depth(10, 12)], (NEXT, 0)),
        ([depth(5, 9), depth(13, 15)], (GAP, 3)),
        ([depth(5, 9), depth(5, 9)], (LATE, 0)),
        ([depth(5, 9, 3), depth(4, 8, 2)], (LATE, 0)),
        ([depth(5, 9), depth(3, 4), depth(10, 11)], (NEXT, 0)),
        ([trade(7), trade(8)], (NEXT, 0)),
        ([trade(7), trade(11)], (GAP, 3)),
        ([trade(7), trade(7)], (LATE, 0)),
        ([trade(7), trade(11), trade(12)], (NEXT, 3)),
    ],
)
def test_messages_follow_each_other_or_not(ticks, expected):
    assert joined(*ticks) == expected


def test_ids_of_the_book_ticker_only_rise():
    tick = Tick("book_ticker", "BTCUSDT", 1, 7, 7, None)
    assert joined(tick, tick) == (NEXT, 0)
    assert joined(tick, tick._replace(first=900, last=900)) == (NEXT, 0)
    assert joined(tick, tick._replace(first=6, last=6)) == (LATE, 0)


def test_a_new_connection_starts_a_new_chain():
    sequence = Sequence()
    sequence.join(trade(7))
    sequence.leave()
    assert sequence.join(trade(1000)) is Link.FIRST
    assert (sequence.gaps, sequence.missing) == (0, 0)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.sets(st.integers(1, 29)))
def test_lost_messages_are_counted_as_runs_and_ids(widths, lost):
    """Whichever depth messages are lost: a gap for each run of them, and every id of them missing."""
    messages, first = [], 1
    for width in widths:
        messages.append(depth(first, first + width - 1, first - 1))
        first += width
    kept = [number for number in range(len(messages)) if number not in lost]
    for with_previous in (True, False):
        sequence = Sequence()
        for number in kept:
            sequence.join(messages[number] if with_previous else messages[number]._replace(previous=None))
        last = kept[-1]
        assert sequence.gaps == sum(number - 1 not in kept for number in kept[1:])
        assert sequence.missing == sum(widths[number] for number in lost if number < last)
