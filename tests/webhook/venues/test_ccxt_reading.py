"""From ccxt's dictionaries to ours: nothing is guessed, nothing is lost in silence."""

from decimal import Decimal
from typing import Any

import pytest

from webhook.actions.port import Side
from webhook.errors import TemporaryError
from webhook.venues.ccxt.exchanges import CATALOGUE
from webhook.venues.ccxt.markets import Markets
from webhook.venues.ccxt.parse import position_side, read_order, read_position, read_quote, step, whole

TICK, PLACES, DIGITS = 4, 2, 3
BTC, COIN, LOT = "BTC/USDT:USDT", "BTC/USD:BTC", "SHIB/USDT:USDT"


def a_market(symbol: str, own: str, **changes: Any) -> dict[str, Any]:
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    return {
        "id": own, "symbol": symbol, "base": base, "quote": quote, "settle": settle or None, "info": {},
        "type": "swap" if settle else "spot", "contract": bool(settle), "contractSize": 1 if settle else None,
        "linear": settle == quote if settle else None, "inverse": settle == base if settle else None, **changes,
    }  # fmt: skip


@pytest.fixture
def markets() -> Markets:
    known = Markets(CATALOGUE["binance"], CATALOGUE["binance"].products, {}, ())
    listed = [
        a_market("BTC/USDT", "BTCUSDT"),
        a_market(BTC, "BTCUSDT"),
        a_market(COIN, "BTCUSD_PERP", contractSize=100),
        a_market(LOT, "1000SHIBUSDT", contractSize=1000),
        a_market("ETH/USDT:USDT", "ETHUSDT"),
        a_market("ETH/USDC:USDC", "ETHUSDC"),
        a_market("BTC/USDT:USDT-261225", "BTCUSDT_261225", type="future"),
    ]
    known.load({market["symbol"]: market for market in listed})
    return known


def an_order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "7", "clientOrderId": "mm-btc_1", "symbol": BTC, "side": "buy", "amount": 0.3,
        "filled": 0.1, "price": 50000.1, "reduceOnly": False, "info": {}, **changes,
    }  # fmt: skip


def a_position(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": BTC, "contracts": 0.3, "contractSize": 1.0, "side": "short", "markPrice": 50000.0,
        "notional": -15000.0, "hedged": False, "info": {}, **changes,
    }  # fmt: skip


def test_an_order_keeps_its_digits(markets):
    order = read_order(an_order(), "usdm", symbol=BTC, markets=markets)
    assert (order.quantity, order.filled, order.price) == (Decimal("0.3"), Decimal("0.1"), Decimal("50000.1"))
    assert (order.side, order.remaining, order.reduce_only) == (Side.BUY, Decimal("0.2"), False)


def test_an_order_that_closes_a_position_can_only_reduce_and_has_no_quantity(markets):
    # As Binance lists it (GET /fapi/v1/openOrders): closePosition true, origQty "0".
    raw = an_order(amount=0.0, filled=0.0, triggerPrice=49000.0, info={"closePosition": True, "origQty": "0"})
    order = read_order(raw, "usdm", symbol=BTC, markets=markets)
    assert (order.quantity, order.remaining, order.reduce_only) == (None, None, True)
    assert order.close_position
    assert order.protective


def test_an_order_without_an_amount_has_an_unknown_quantity(markets):
    order = read_order(an_order(amount=None), "usdm", symbol=BTC, markets=markets)
    assert order.quantity is None


def test_a_conditional_order_shows_its_trigger_for_a_price(markets):
    order = read_order(an_order(price=None, triggerPrice=49000.0), "usdm algo", symbol=BTC, markets=markets)
    assert (order.price, order.trigger, order.protective) == (Decimal("49000.0"), True, False)


def test_amounts_in_contracts_become_base_units(markets):
    order = read_order(an_order(amount=2, filled=1), "usdm", symbol=LOT, markets=markets)
    assert (order.quantity, order.filled) == (Decimal(2000), Decimal(1000))
    position = read_position(a_position(contracts=3, markPrice=0.02), symbol=LOT, markets=markets)
    assert (position.quantity, position.notional) == (Decimal(-3000), Decimal("60.00"))


@pytest.mark.parametrize(
    ("info", "side"),
    [
        ({"positionSide": "LONG"}, "long"),  # Binance, BingX
        ({"positionSide": "BOTH"}, "both"),
        ({"posSide": "short"}, "short"),  # OKX, Bitget
        ({"posSide": "net"}, "both"),
        ({"positionIdx": 1}, "long"),  # Bybit
        ({"positionIdx": "0"}, "both"),
        ({"holdSide": "short", "posMode": "hedge_mode"}, "short"),  # Bitget
        ({"holdSide": "short", "posMode": "one_way_mode"}, "both"),
        ({}, "both"),
    ],
)
def test_hedge_mode_is_read_from_what_each_exchange_calls_it(markets, info, side):
    assert position_side(info) == side
    assert read_order(an_order(info=info), "usdm", symbol=BTC, markets=markets).position_side == side


@pytest.mark.parametrize("lacking", ["id", "side"])
def test_an_order_that_cannot_be_cancelled_is_an_error(markets, lacking):
    with pytest.raises(ValueError, match="without"):
        read_order(an_order(**{lacking: None}), "usdm", symbol=BTC, markets=markets)


def test_a_position_is_signed_and_valued_at_mark(markets):
    position = read_position(a_position(), symbol=BTC, markets=markets)
    assert (position.quantity, position.side, position.notional) == (Decimal("-0.3"), "both", Decimal(15000))


def test_positions_of_hedge_mode_keep_their_side(markets):
    position = read_position(a_position(hedged=True), symbol=BTC, markets=markets)
    assert (position.side, position.quantity) == ("short", Decimal("-0.3"))


def test_an_inverse_contract_is_worth_its_face_value_at_every_price(markets):
    first = read_position(a_position(contracts=10, side="long"), symbol=COIN, markets=markets)
    later = read_position(a_position(contracts=10, side="long", markPrice=40000.0), symbol=COIN, markets=markets)
    assert (first.notional, first.currency) == (Decimal(1000), "USD")
    assert later.notional == Decimal(1000)


def test_numbers_of_inverse_contracts_stay_comparable_and_turn_back_without_loss(markets):
    position = read_position(a_position(contracts=10, side="long", markPrice=43217.7), symbol=COIN, markets=markets)
    closing = read_order(an_order(side="sell", amount=10, price=61000.3), "coinm", symbol=COIN, markets=markets)
    assert closing.quantity == position.quantity
    unit = markets.unit(COIN)
    assert unit is not None
    assert position.quantity / unit == Decimal(10)
    assert abs(position.quantity - 1000 / Decimal("43217.7")) < Decimal("1e-9")


def test_a_missing_mark_price_is_taken_from_the_notional(markets):
    position = read_position(a_position(markPrice=None), symbol=BTC, markets=markets)
    assert position.mark_price == Decimal(50000)


@pytest.mark.parametrize("lacking", [{"side": None}, {"markPrice": None, "notional": None}, {"contracts": 0}])
def test_a_position_that_cannot_be_valued_is_an_error(markets, lacking):
    with pytest.raises(ValueError, match="without"):
        read_position(a_position(**lacking), symbol=BTC, markets=markets)


def test_a_position_in_an_unknown_market_is_an_error(markets):
    with pytest.raises(ValueError, match="not known"):
        read_position(a_position(), symbol="NEWUSDT", markets=markets)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (BTC, {BTC}),
        ("btc/usdt:usdt", {BTC}),
        ("BTC/USDT", {"BTC/USDT"}),
        ("BTCUSDT", {"BTC/USDT", BTC}),
        ("btc-usdt", {"BTC/USDT", BTC}),
        ("BTC-USDT-SWAP", {BTC}),
        ("BTCUSD_PERP", {COIN}),
        ("ETH-PERP", {"ETH/USDT:USDT", "ETH/USDC:USDC"}),
        ("1000SHIBUSDT", {LOT}),
        ("BTCUSDT_261225", {"BTC/USDT:USDT-261225"}),
        ("DOGEUSDT", set()),
        ("BTC", set()),
    ],
)
def test_a_symbol_is_resolved_as_people_and_exchanges_write_it(markets, text, meant):
    resolved = markets.resolve(text)
    assert {symbol for symbol in resolved if "/" in symbol} == meant
    own = {markets.own_name(symbol) for symbol in meant}
    assert own <= resolved


def test_what_was_resolved_names_each_market_once(markets):
    assert set(markets.unified(markets.resolve(BTC))) == {BTC}
    assert set(markets.unified(["BTCUSDT"])) == {"BTC/USDT", BTC}
    assert markets.unified(["NEWUSDT"]) == ("NEWUSDT",)


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


def test_a_value_that_is_whole_but_for_an_error_of_rounding_stays_what_it_is():
    assert whole(Decimal("9.9999999999"), Decimal(1), up=False) == Decimal(10)


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
    assert quote.maximum_quantity is None


def test_the_largest_order_is_the_smaller_of_what_ccxt_and_the_exchange_say_in_base_units():
    market = {
        "precision": {"amount": 1, "price": 0.1},
        "limits": {"amount": {"min": 1, "max": 5000}},
        "info": {"lotSizeFilter": {"maxOrderQty": "1000"}},
    }
    book = {"bids": [[99.9, 10]], "asks": [[100.1, 20]]}
    path = ("lotSizeFilter", "maxOrderQty")
    quote = read_quote(LOT, book, None, market, TICK, Decimal("0.01"), unit=Decimal(1000), largest=(path,))
    assert (quote.maximum_quantity, quote.quantity_step) == (Decimal(1_000_000), Decimal(1000))
    assert (quote.bid_depth, quote.ask_depth) == (Decimal(10_000), Decimal(20_000))


@pytest.mark.parametrize("book", [{"bids": [], "asks": [[1, 1]]}, {"bids": [[1, 1]], "asks": []}, {}])
def test_a_one_sided_book_gives_no_quote(book):
    with pytest.raises(TemporaryError):
        read_quote("BTC/USDT:USDT", book, None, {"precision": {}}, TICK, Decimal("0.01"))
