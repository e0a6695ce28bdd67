"""The one table from ccxt's exceptions to ours."""

import asyncio

import ccxt
import pytest

from webhook.errors import TemporaryError, UnknownOutcomeError
from webhook.venues.ccxt.faults import RefusalError, translate

HOST = "http://127.0.0.1:8710"


def code(number: int, message: str = "Something.") -> ccxt.BaseError:
    """What ccxt raises for a code on a host that it does not know."""
    return ccxt.ExchangeError(f'binanceusdm {{"code":{number},"msg":"{message}"}}')


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (code(-2011, "Unknown order sent."), RefusalError, "no_such_order"),
        (code(-2013), RefusalError, "no_such_order"),
        (code(-1021), TemporaryError, "clock_skew"),
        (code(-1022), RefusalError, "signature"),
        (code(-2015), RefusalError, "key_refused"),
        (code(-2014), RefusalError, "key_refused"),
        (code(-2019), RefusalError, "insufficient_funds"),
        (code(-2022, "ReduceOnly Order is rejected."), RefusalError, "nothing_to_reduce"),
        (code(-2010, "Duplicate order sent."), RefusalError, "duplicate"),
        (code(-2010, "Account has insufficient balance."), RefusalError, "order_refused"),
        (code(-4116), RefusalError, "duplicate"),
        (code(-1121), RefusalError, "bad_symbol"),
        (code(-1015), TemporaryError, "rate_limited"),
        (code(-1003), TemporaryError, "rate_limited"),
        (code(-1008), TemporaryError, "overloaded"),
        (code(-1007), UnknownOutcomeError, "timeout"),
        (code(-1000), UnknownOutcomeError, "server_error"),
        (code(-9999), RefusalError, "refused"),
        (ccxt.OrderNotFound("kraken nothing"), RefusalError, "no_such_order"),
        (ccxt.AuthenticationError("okx no"), RefusalError, "key_refused"),
        (ccxt.InsufficientFunds("okx no"), RefusalError, "insufficient_funds"),
        (ccxt.InvalidOrder("bybit reduce-only rule not satisfied"), RefusalError, "nothing_to_reduce"),
        (ccxt.DuplicateOrderId("okx again"), RefusalError, "duplicate"),
        (ccxt.NotSupported("okx cancelAllOrders"), RefusalError, "unsupported"),
        (ccxt.BadSymbol("okx no such"), RefusalError, "bad_symbol"),
        (ccxt.DDoSProtection("binance 429"), TemporaryError, "rate_limited"),
        (ccxt.RateLimitExceeded("okx slow down"), TemporaryError, "rate_limited"),
        (ccxt.OnMaintenance("okx"), TemporaryError, "maintenance"),
        (ccxt.InvalidNonce("kraken"), TemporaryError, "clock_skew"),
        (ccxt.RequestTimeout("okx"), UnknownOutcomeError, "timeout"),
        (ccxt.NetworkError("okx"), UnknownOutcomeError, "connection_lost"),
        (ccxt.ExchangeNotAvailable("okx 503"), UnknownOutcomeError, "server_error"),
        (ccxt.BadResponse("okx"), UnknownOutcomeError, "not_json"),
        (TimeoutError(), UnknownOutcomeError, "timeout"),
        (asyncio.CancelledError(), UnknownOutcomeError, "timeout"),
        (KeyError("orderId"), UnknownOutcomeError, "unreadable"),
        (AttributeError("'str' object has no attribute 'get'"), UnknownOutcomeError, "unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_failure_of_a_write_has_one_name(fault, kind, reason):
    translated = translate(fault, "cancel", write=True, sent=True)
    assert (type(translated), translated.reason) == (kind, reason)


def test_every_class_of_ccxt_is_known_by_itself_or_by_what_it_derives_from():
    classes = [cls for cls in vars(ccxt).values() if isinstance(cls, type) and issubclass(cls, ccxt.BaseError)]
    assert len(classes) > 30
    # The first is never raised itself, the second only on a websocket.
    for cls in set(classes) - {ccxt.BaseError, ccxt.UnsubscribeError}:
        assert translate(cls("text"), "cancel", write=True, sent=True).reason != "unreadable", cls


@pytest.mark.parametrize(
    "fault", [ccxt.RequestTimeout("x"), ccxt.ExchangeNotAvailable("x"), TimeoutError(), KeyError()]
)
def test_a_read_has_no_unknown_outcome(fault):
    assert type(translate(fault, "open orders", write=False, sent=True)) is TemporaryError


@pytest.mark.parametrize("fault", [ccxt.RequestTimeout("x"), ccxt.ExchangeNotAvailable("x"), TimeoutError()])
def test_what_never_went_out_was_surely_not_applied(fault):
    assert type(translate(fault, "cancel", write=True, sent=False)) is TemporaryError


@pytest.mark.parametrize("status", [418, 429])
def test_a_rate_limit_is_told_by_its_status_whatever_the_body_says(status):
    fault = translate(ccxt.ExchangeError("<html>"), "cancel", write=True, sent=True, status=status, retry_after=3.0)
    assert isinstance(fault, TemporaryError)
    assert (fault.reason, fault.retry_after) == ("rate_limited", 3.0)


def test_a_server_error_that_ccxt_takes_for_a_refusal_is_unknown():
    fault = translate(ccxt.ExchangeError("odd"), "cancel", write=True, sent=True, status=500)
    assert (type(fault), fault.reason) == (UnknownOutcomeError, "server_error")


def test_addresses_keys_and_markup_stay_out_of_the_message():
    text = f"binanceusdm DELETE {HOST}/fapi/v1/order?symbol=BTCUSDT&signature=abcdef 503 <html><h1>hidden</h1></html>"
    for fault in (ccxt.ExchangeNotAvailable(text), ValueError(text)):
        message = str(translate(fault, "mm cancel", write=True, sent=True, status=503, secrets=["key-of-mm"]))
        assert message.startswith("mm cancel: HTTP 503, ")
        for hidden in ("signature", "abcdef", "127.0.0.1", "hidden"):
            assert hidden not in message
    told = translate(code(-2015, f"key-of-mm from {HOST}/x?y=z"), "ping", write=False, sent=True, secrets=["key-of-mm"])
    assert str(told) == "ping: -2015 *** from (address)"
