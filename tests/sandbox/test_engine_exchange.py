"""What the venue's failures mean, and how fast the engine goes on after one."""

import ccxt
import pytest

from sandbox.engine.exchange import classify
from sandbox.engine.throttle import Backoff, TokenBucket
from sandbox.engine.venue_error import Failure, VenueError

URL = "http://127.0.0.1:8710/fapi/v1/order?symbol=BTCUSDT&timestamp=1&signature=abcdef"


@pytest.mark.parametrize(
    ("error", "failure", "code"),
    [
        (
            ccxt.ExchangeError('binanceusdm {"code":-2022,"msg":"ReduceOnly Order is rejected."}'),
            Failure.REFUSED,
            "-2022",
        ),
        (
            ccxt.InsufficientFunds('binanceusdm {"code":-2019,"msg":"Margin is insufficient."}'),
            Failure.REFUSED,
            "-2019",
        ),
        (ccxt.ExchangeError('binanceusdm {"code":-2011,"msg":"Unknown order sent."}'), Failure.NOT_FOUND, "-2011"),
        (ccxt.OrderNotFound('binanceusdm {"code":-2013,"msg":"Order does not exist."}'), Failure.NOT_FOUND, "-2013"),
        (ccxt.DDoSProtection("binanceusdm 429 Too Many Requests {}"), Failure.LIMITED, "429"),
        (ccxt.DDoSProtection("binanceusdm 418 I'm a teapot {}"), Failure.LIMITED, "418"),
        (ccxt.ExchangeError('binanceusdm {"code":-1015,"msg":"Too many new orders."}'), Failure.LIMITED, "-1015"),
        (ccxt.InvalidNonce('binanceusdm {"code":-1021,"msg":"Timestamp"}'), Failure.CLOCK, "-1021"),
        (ccxt.ExchangeError('binanceusdm {"code":-1007,"msg":"Timeout waiting."}'), Failure.UNKNOWN, "-1007"),
        (ccxt.RequestTimeout(f"binanceusdm POST {URL}"), Failure.UNKNOWN, "RequestTimeout"),
        (
            ccxt.ExchangeNotAvailable(f"binanceusdm POST {URL} 503 Service <html>"),
            Failure.UNKNOWN,
            "ExchangeNotAvailable",
        ),
        (ccxt.ExchangeNotAvailable(f"binanceusdm GET {URL} 404 Not Found"), Failure.REFUSED, "404"),
        (ccxt.ExchangeError("binanceusdm <html>what?</html>"), Failure.UNKNOWN, "ExchangeError"),
        (ccxt.BadResponse("binanceusdm"), Failure.UNKNOWN, "BadResponse"),
    ],
)
def test_a_failure_is_named_by_what_is_known_afterwards(error, failure, code):
    found = classify(error)
    assert (found.failure, found.code) == (failure, code)


def test_no_signature_gets_into_a_message():
    assert "signature" not in str(classify(ccxt.RequestTimeout(f"binanceusdm POST {URL}")))


def test_it_waits_twice_as_long_after_every_failure_up_to_a_bound():
    backoff, waits = Backoff(), []
    for _ in range(10):
        backoff.failed(VenueError(Failure.UNKNOWN, "x", "x"), 100.0)
        waits.append(backoff.remaining(100.0))
    assert waits[:3] == [0.25, 0.5, 1.0]
    assert waits[-1] == 8.0
    assert backoff.remaining(200.0) == 0
    backoff.worked()
    assert backoff.remaining(100.0) == 0


def test_it_waits_as_long_as_the_venue_asks():
    backoff = Backoff()
    backoff.failed(VenueError(Failure.LIMITED, "429", "x", retry_after=30.0), 100.0)
    assert backoff.remaining(100.0) == 30.0


def test_a_refusal_costs_no_time():
    backoff = Backoff()
    backoff.failed(VenueError(Failure.REFUSED, "-2019", "x"), 100.0)
    assert backoff.remaining(100.0) == 0


def test_a_budget_lets_out_a_burst_and_then_its_pace():
    budget = TokenBucket(per_second=5, burst=10)
    assert sum(budget.spend(1000.0) for _ in range(50)) == 10
    assert sum(budget.spend(1001.0) for _ in range(50)) == 5
