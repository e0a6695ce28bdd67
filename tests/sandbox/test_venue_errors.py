"""Every refusal has Binance's status and code, and none of them changes anything."""

import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import ccxt
import pytest

from tests.sandbox_fixtures import RunningVenue, running_venue, until, usdm_client

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "50000",
}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue(("mm",)) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(venue: RunningVenue) -> None:
    venue.clear()


class Raw:
    """Signed requests with every detail open to being wrong."""

    def __init__(self, venue: RunningVenue) -> None:
        self.venue = venue
        self.key = venue.keys["mm"]["engine"]
        self.headers: dict[str, str] = {}

    def __call__(self, method: str, path: str, params: dict[str, Any] | None = None, **how: Any) -> tuple[int, Any]:
        sent = {"timestamp": int(time.time() * 1000), **(params or {})}
        query = how.get("query") or urlencode(sent)
        signature = how.get("signature", hmac.new(self.key.secret.encode(), query.encode(), hashlib.sha256).hexdigest())
        if signature is not None:
            query += f"&signature={signature}"
        headers = {"X-MBX-APIKEY": how.get("api_key", self.key.api_key)} if how.get("api_key", "") is not None else {}
        in_body = method in {"POST", "PUT"} and not how.get("in_query")
        url = f"{self.venue.url}{path}" + ("" if in_body else f"?{query}")
        data = query.encode() if in_body else None
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                self.headers = dict(response.headers)
                return response.status, json.loads(response.read())
        except HTTPError as error:
            with error:
                self.headers = dict(error.headers)
                return error.code, json.loads(error.read())

    def code(self, *args: Any, **how: Any) -> tuple[int, int]:
        status, body = self(*args, **how)
        return status, body["code"]


@pytest.fixture
def raw(venue: RunningVenue) -> Raw:
    return Raw(venue)


ACCOUNT = ("GET", "/fapi/v3/account")


def test_keys_and_signatures(raw: Raw):
    assert raw(*ACCOUNT)[0] == 200
    assert raw.code(*ACCOUNT, api_key=None) == (401, -2014)
    assert raw.code(*ACCOUNT, api_key="nobody") == (401, -2015)
    assert raw.code(*ACCOUNT, signature="00" * 32) == (400, -1022)
    assert raw.code(*ACCOUNT, signature="not-hex") == (400, -1022)
    assert raw.code(*ACCOUNT, signature=None) == (400, -1102)


def test_the_signature_covers_the_text_exactly_as_it_was_sent(raw: Raw):
    now = int(time.time() * 1000)
    signed = f"timestamp={now}&symbol=BTCUSDT"
    signature = hmac.new(raw.key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    path = ("GET", "/fapi/v1/openOrders")
    assert raw.code(*path, query=f"symbol=BTCUSDT&timestamp={now}", signature=signature) == (400, -1022)
    assert raw(*path, query=signed, signature=signature)[0] == 200
    encoded = f"timestamp={now}&symbol=BTC%55SDT"
    assert raw(*path, query=encoded)[0] == 200


def test_parameters_of_a_post_may_stand_in_the_query(raw: Raw):
    assert raw("POST", "/fapi/v1/order", ORDER, in_query=True)[0] == 200


def test_timestamps_and_windows(raw: Raw):
    now = int(time.time() * 1000)
    assert raw.code(*ACCOUNT, {"timestamp": now - 6000}) == (400, -1021)
    assert raw(*ACCOUNT, {"timestamp": now - 6000, "recvWindow": 10000})[0] == 200
    assert raw.code(*ACCOUNT, {"timestamp": now + 3000}) == (400, -1021)
    assert raw.code(*ACCOUNT, {"recvWindow": 60001}) == (400, -1131)
    assert raw.code(*ACCOUNT, {"timestamp": "soon"}) == (400, -1102)


def test_the_clock_can_be_set(raw: Raw, venue: RunningVenue):
    venue.admin("POST", "time", {"offset_seconds": 20})
    try:
        assert raw.code(*ACCOUNT) == (400, -1021)
        assert abs(venue.request("GET", "/fapi/v1/time")[1]["serverTime"] / 1000 - 20 - time.time()) < 1
    finally:
        venue.admin("POST", "time", {"offset_seconds": 0})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"symbol": ""}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"type": "WISH"}, -1116),
        ({"type": "STOP_MARKET"}, -4120),
        ({"timeInForce": "NOW"}, -1115),
        ({"timeInForce": ""}, -1102),
        ({"price": ""}, -1102),
        ({"price": "cheap"}, -1102),
        ({"price": "NaN"}, -1102),
        ({"price": "-1"}, -1102),
        ({"price": "0"}, -4001),
        ({"price": "50000.12"}, -1111),
        ({"quantity": ""}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0105"}, -1111),
        ({"quantity": "9000000"}, -4005),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "100"}, -2019),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "maybe"}, -1102),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "with space"}, -4015),
    ],
)
def test_a_futures_order_that_is_wrong_is_refused(raw: Raw, venue: RunningVenue, change, code):
    assert raw.code("POST", "/fapi/v1/order", {**ORDER, **change}) == (400, code)
    assert venue.account("mm")["open_orders_total"] == 0


def test_prices_and_quantities_off_the_grid_are_refused(raw: Raw):
    """Ada trades in whole coins at 0.0001: as many decimals as allowed can still be off the step."""
    doge = {**ORDER, "symbol": "ADAUSDT", "price": "0.30", "quantity": "100"}
    assert raw("POST", "/fapi/v1/order", doge)[0] == 200
    assert raw.code("POST", "/fapi/v1/order", {**doge, "quantity": "100.5"}) == (400, -1111)
    assert raw.code("POST", "/fapi/v1/order", {**doge, "price": "0.30001"}) == (400, -1111)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"type": "STOP_MARKET"}, -1116),
        ({"timeInForce": "GTX"}, -1115),
        ({"price": "50000.001"}, -1013),
        ({"quantity": "0.000001"}, -1013),
        ({"quantity": "0.00002"}, -1013),
        ({"quantity": "10"}, -2010),
        ({"side": "SELL"}, -2010),
    ],
)
def test_a_spot_order_that_is_wrong_is_refused(raw: Raw, change, code):
    assert raw.code("POST", "/api/v3/order", {**ORDER, **change}) == (400, code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"triggerPrice": "90000"}, -2021),
        ({"triggerPrice": ""}, -1102),
        ({"algoType": "VWAP"}, -1116),
        ({"type": "LIMIT"}, -1116),
        ({"type": "STOP"}, -1102),
        ({"type": "TRAILING_STOP_MARKET"}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "50"}, -1102),
        ({"quantity": ""}, -1102),
        ({"quantity": "0.001"}, -4164),
        ({"workingType": "MOON"}, -1102),
    ],
)
def test_a_conditional_order_that_is_wrong_is_refused(raw: Raw, change, code):
    order = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "algoType": "CONDITIONAL",
        "type": "STOP_MARKET",
        "triggerPrice": "50000",
    }
    assert raw.code("POST", "/fapi/v1/algoOrder", {**order, "quantity": "0.01", **change}) == (400, code)


def test_orders_that_are_not_there(raw: Raw):
    for path in ("/fapi/v1/order", "/api/v3/order"):
        assert raw.code("DELETE", path, {"symbol": "BTCUSDT", "orderId": 1}) == (400, -2011)
        assert raw.code("DELETE", path, {"symbol": "BTCUSDT", "origClientOrderId": "x"}) == (400, -2011)
        assert raw.code("GET", path, {"symbol": "BTCUSDT", "orderId": 1}) == (400, -2013)
        assert raw.code("GET", path, {"symbol": "BTCUSDT"}) == (400, -1102)
    assert raw.code("DELETE", "/fapi/v1/algoOrder", {"algoId": 1}) == (400, -2011)
    assert raw.code("GET", "/fapi/v1/algoOrder", {"clientAlgoId": "x"}) == (400, -2013)
    assert raw.code("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"}) == (400, -2011)
    assert raw("DELETE", "/fapi/v1/allOpenOrders", {"symbol": "BTCUSDT"}) == (
        200,
        {"code": 200, "msg": "The operation of cancel all open order is done."},
    )


def test_a_batch_cancel_answers_each_order_for_itself(raw: Raw):
    placed = raw("POST", "/fapi/v1/order", ORDER)[1]["orderId"]
    status, body = raw("DELETE", "/fapi/v1/batchOrders", {"symbol": "BTCUSDT", "orderidlist": f"[{placed},77]"})
    assert status == 200
    assert body[0]["status"] == "CANCELED"
    assert body[1] == {"code": -2011, "msg": "Unknown order sent."}
    assert raw.code("DELETE", "/fapi/v1/batchOrders", {"symbol": "BTCUSDT", "orderidlist": "[]"}) == (400, -4083)
    assert raw.code("DELETE", "/fapi/v1/batchOrders", {"symbol": "BTCUSDT", "orderidlist": "{"}) == (400, -1102)


def test_a_batch_of_orders_answers_each_order_for_itself(raw: Raw):
    wanted = [
        {**ORDER, "newClientOrderId": "one"},
        {**ORDER, "newClientOrderId": "one"},
        {"symbol": "BTCUSDT"},
        "nonsense",
    ]
    status, body = raw("POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps(wanted)})
    assert status == 200
    assert body[0]["clientOrderId"] == "one"
    assert [one["code"] for one in body[1:]] == [-4116, -1102, -1102]
    assert raw.code("POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps([ORDER] * 6)}) == (400, -4082)


def test_a_client_id_of_an_open_order_is_refused_in_each_book(raw: Raw):
    named = {**ORDER, "newClientOrderId": "mm-btc_1"}
    assert raw("POST", "/fapi/v1/order", named)[0] == 200
    assert raw.code("POST", "/fapi/v1/order", named) == (400, -4116)
    assert raw("POST", "/api/v3/order", named)[0] == 200
    assert raw.code("POST", "/api/v3/order", named) == (400, -2010)


def test_request_weight_is_limited_then_banned_and_order_counts_are_limited(raw: Raw, venue: RunningVenue):
    before = venue.admin("GET", "state")["limits"]
    try:
        limits = {"weight_per_minute": 12, "orders_per_ten_seconds": 2, "refusals_before_ban": 2, "ban_seconds": 60}
        # Orders are counted by ten seconds of the clock: the next such span must not begin in between.
        until(lambda: time.time() % 10 < 7)
        venue.admin("POST", "limits", limits)
        assert raw("POST", "/fapi/v1/order", ORDER)[0] == 200
        assert raw.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        raw("POST", "/fapi/v1/order", ORDER)
        assert raw.code("POST", "/fapi/v1/order", ORDER) == (400, -1015)
        assert raw(*ACCOUNT)[0] == raw(*ACCOUNT)[0] == 200
        assert raw.headers["X-MBX-USED-WEIGHT-1M"] == "10"
        answers = [raw.code(*ACCOUNT) for _ in range(4)]
        assert answers == [(429, -1003)] * 3 + [(418, -1003)]
        assert int(raw.headers["Retry-After"]) >= 1
    finally:
        venue.admin("POST", "limits", before)
    assert raw(*ACCOUNT)[0] == 200


def test_paths_that_are_not_there(venue: RunningVenue):
    assert venue.request("GET", "/fapi/v1/nothing")[0] == 404
    assert venue.request("POST", "/fapi/v1/depth")[0] == 404
    assert venue.request("GET", "/fapi/v1/depth")[1]["code"] == -1102
    assert venue.request("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit=0)[1]["code"] == -4021
    assert venue.request("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit="many")[1]["code"] == -1102


def test_ccxt_reads_these_errors(venue: RunningVenue):
    client = usdm_client(venue, "mm")
    client.load_markets()
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("1", "BTC/USDT:USDT")
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()


def test_garbage_on_the_wire_never_stops_the_venue(venue: RunningVenue):
    for path in (
        "/fapi/v1/order?%ff=%fe&symbol=%00",
        "/admin/../fapi",
        "/%2e%2e",
        "/fapi/v1/depth?symbol=" + "A" * 4000,
    ):
        status, _ = venue.request("GET", path)
        assert 400 <= status < 500
    assert venue.request("GET", "/healthz")[0] == 200
