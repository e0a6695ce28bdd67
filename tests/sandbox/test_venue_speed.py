"""The venue must answer 2,000 signed requests a second on one core: half a millisecond of its CPU for each at most."""

import http.client
import itertools
from urllib.parse import urlsplit

import psutil
import pytest

from tests.bench.bench_venue import signed
from tests.sandbox_fixtures import RunningVenue, accounts_of, running_venue

REQUESTS = 1500
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.002"}


@pytest.fixture(scope="module")
def venue():
    with running_venue(accounts_of(("mm",), "100000000")) as running:
        yield running


def cpu_seconds(venue: RunningVenue) -> float:
    times = psutil.Process(venue.process.pid).cpu_times()
    return times.user + times.system


@pytest.mark.parametrize("kind", ["order", "cancel all", "open orders"])
def test_a_signed_request_costs_less_than_half_a_millisecond(venue: RunningVenue, kind):
    key, numbers = venue.keys["mm"]["engine"], itertools.count()
    venue.clear()
    venue.seed("mm", 10, symbols=["BTCUSDT"])

    def request() -> bytes:
        if kind == "order":
            return signed("POST", "/fapi/v1/order", key, **ORDER, price="50000", newClientOrderId=f"s{next(numbers)}")
        if kind == "cancel all":
            return signed("DELETE", "/fapi/v1/allOpenOrders", key, symbol="ETHUSDT")
        return signed("GET", "/fapi/v1/openOrders", key, symbol="BTCUSDT")

    address = urlsplit(venue.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.connect()
        before = cpu_seconds(venue)
        for _ in range(REQUESTS):
            connection.sock.sendall(request())
            response = http.client.HTTPResponse(connection.sock)
            response.begin()
            assert response.status == 200
            response.read()
        used = cpu_seconds(venue) - before
    finally:
        connection.close()
    assert used / REQUESTS < 0.0005
