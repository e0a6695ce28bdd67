"""From ccxt's dictionaries to ours: nothing is guessed, nothing is lost in silence."""

from decimal import Decimal
from typing import Any

import pytest

from webhook.actions.port import Side
from webhook.errors import TemporaryError
from webhook.venues.ccxt.parse import check_whole, read_order, read_positions, read_quote, step, whole

TICK, PLACES, DIGITS = 4, 2, 3


def an_order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "7", "clientOrderId": "mm-btc_1", "symbol": "BTC/USDT:USDT", "side": "buy", "amount": 0.3,
        "filled": 0.1, "price": 50000.1, "reduceOnly": False, "info": {}, **changes,
    }  # fmt: skip


def a_position(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USDT:USDT", "contracts": 0.3, "contractSize": 1.0, "side": "short", "markPrice": 50000.0,
        "notional": -15000.0, "hedged": False, **changes,
    }  # fmt: skip


def test_an_order_keeps_its_digits():
    order = read_order(an_order(), "normal")
    assert (order.quantity, order.filled, order.price) == (Decimal("0.3"), Decimal("0.1"), Decimal("50000.1"))
    assert (order.side, order.remaining, order.reduce_only) == (Side.BUY, Decimal("0.2"), False)


def test_an_order_that_closes_a_position_can_only_reduce_and_has_no_quantity():
    order = read_order(an_order(amount=None, filled=None, reduceOnly=None, info={"closePosition": "true"}), "trigger")
    assert order.reduce_only
    assert order.quantity == 0


def test_a_conditional_order_shows_its_trigger_for_a_price():
    assert read_order(an_order(price=None, triggerPrice=49000.0), "trigger").price == Decimal("49000.0")


@pytest.mark.parametrize("lacking", ["id", "symbol", "side"])
def test_an_order_that_cannot_be_cancelled_is_an_error(lacking):
    with pytest.raises(ValueError, match="without"):
        read_order(an_order(**{lacking: None}), "normal")


def test_orders_that_ccxt_dropped_are_missed():
    with pytest.raises(TemporaryError, match="1 of 2 orders") as fault:
        check_whole("binanceusdm", [1], [{}, {}], "open orders")
    assert fault.value.reason == "incomplete"


@pytest.mark.parametrize(("exchange", "length"), [("bybit", 50), ("okx", 100), ("gate", 150), ("unheard-of", 500)])
def test_a_full_page_is_not_taken_for_everything(exchange, length):
    with pytest.raises(TemporaryError, match="first page"):
        check_whole(exchange, [1] * length, {"result": {}}, "open orders")


@pytest.mark.parametrize(("exchange", "length"), [("bybit", 49), ("binanceusdm", 500), ("unheard-of", 7), ("okx", 0)])
def test_what_cannot_be_a_full_page_is_whole(exchange, length):
    check_whole(exchange, [1] * length, {"result": {}}, "open orders")


def test_a_position_is_signed_and_valued_at_mark():
    (position,) = read_positions([a_position()], None, "positions")
    assert (position.quantity, position.side, position.notional) == (Decimal("-0.3"), "both", Decimal(15000))


def test_positions_of_hedge_mode_are_never_netted():
    raw = [a_position(hedged=True), a_position(hedged=True, side="long", contracts=0.3)]
    assert [(one.side, one.quantity) for one in read_positions(raw, None, "positions")] == [
        ("short", Decimal("-0.3")),
        ("long", Decimal("0.3")),
    ]


def test_an_inverse_contract_is_worth_its_face_value():
    raw = a_position(symbol="BTC/USD:BTC", contracts=10, contractSize=100.0, side="long")
    (position,) = read_positions([raw], None, "positions")
    assert position.notional == Decimal(1000)
    assert position.currency == "USD"


def test_a_missing_mark_price_is_taken_from_the_notional():
    (position,) = read_positions([a_position(markPrice=None)], None, "positions")
    assert position.mark_price == Decimal(50000)


@pytest.mark.parametrize("lacking", [{"side": None}, {"symbol": None}, {"markPrice": None, "notional": None}])
def test_a_position_that_cannot_be_valued_is_an_error(lacking):
    with pytest.raises(TemporaryError):
        read_positions([a_position(**lacking)], None, "positions")


def test_a_position_that_ccxt_dropped_is_missed():
    payload = [{"positionAmt": "0.3"}, {"positionAmt": "-1"}, {"positionAmt": "0.000"}]
    with pytest.raises(TemporaryError, match="1 of 2 positions"):
        read_positions([a_position()], payload, "positions")


@pytest.mark.parametrize(
    ("precision", "mode", "at", "expected"),
    [
        (0.01, TICK, "50000", "0.01"),
        (2, PLACES, "50000", "0.01"),
        (5, DIGITS, "50000", "1"),
        (5, DIGITS, "0.5", "0.00001"),
        (None, TICK, "50000", "0.00000001"),
    ],
)
def test_a_step_is_read_in_each_of_the_modes_of_ccxt(precision, mode, at, expected):
    assert step(precision, mode, Decimal(at)) == Decimal(expected)


def test_values_are_rounded_one_way():
    assert whole(Decimal("1.239"), Decimal("0.01"), up=False) == Decimal("1.23")
    assert whole(Decimal("1.231"), Decimal("0.01"), up=True) == Decimal("1.24")


def test_depth_is_counted_within_the_band_only():
    market = {"precision": {"amount": 0.001, "price": 0.1}, "limits": {"amount": {"min": 0.002}}}
    book = {"bids": [[99.9, 1.0], [99.0, 2.0], [90.0, 5.0]], "asks": [[100.1, 0.5], [101.0, 3.0], [102.0, 9.0]]}
    quote = read_quote("BTC/USDT:USDT", book, None, market, TICK, Decimal("0.01"))
    assert (quote.bid, quote.ask, quote.mark) == (Decimal("99.9"), Decimal("100.1"), Decimal(100))
    assert (quote.bid_depth, quote.ask_depth) == (Decimal(3), Decimal("3.5"))
    assert quote.minimum_quantity == Decimal("0.002")


@pytest.mark.parametrize("book", [{"bids": [], "asks": [[1, 1]]}, {"bids": [[1, 1]], "asks": []}, {}])
def test_a_one_sided_book_gives_no_quote(book):
    with pytest.raises(TemporaryError):
        read_quote("BTC/USDT:USDT", book, None, {"precision": {}}, TICK, Decimal("0.01"))
