"""Each fault does what it says, to whom it says, for as long as it says, and then it is over."""

import asyncio
import concurrent.futures
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from sandbox.venue.faults.kinds import KINDS
from tests.sandbox_fixtures import ROOT, RunningVenue, client_config, running_venue, spot_client, until, usdm_client

SYMBOL = "BTC/USDT:USDT"
PAGE = (ROOT / "docs" / "sandbox.md").read_text()


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue(("mm", "trend")) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(venue: RunningVenue) -> Iterator[None]:
    venue.clear()
    yield
    venue.clear()


@pytest.fixture(scope="module")
def mm(venue: RunningVenue):
    client = usdm_client(venue, "mm")
    client.load_markets()
    return client


@pytest.fixture(scope="module")
def trend(venue: RunningVenue):
    client = usdm_client(venue, "trend")
    client.load_markets()
    return client


def seconds(act: Any) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def quickest(act: Any) -> float:
    """The best of some: what a busy machine adds is not the venue's."""
    return min(seconds(act) for _ in range(5))


def place(client, **params: Any):
    price = client.price_to_precision(SYMBOL, client.fetch_order_book(SYMBOL, 5)["bids"][0][0] * 0.95)
    return client.create_order(SYMBOL, "limit", "buy", 0.01, price, params)


def another_client(venue: RunningVenue, account: str) -> Any:
    """A client of its own: one that may be held up in another thread."""
    client = usdm_client(venue, account)
    client.load_markets()
    return client


def logged(venue: RunningVenue, account: str, method: str, path: str) -> list[dict[str, Any]]:
    return venue.admin("GET", "requests", account=account, method=method, path=path)["requests"]


def test_latency_is_added_for_the_account_path_and_count_given(venue, mm, trend):
    venue.fault("latency", seconds=0.3, account="mm", path="/fapi/v1/openOrders", count=1)
    assert quickest(lambda: trend.fetch_open_orders(SYMBOL)) < 0.2
    assert quickest(mm.fetch_balance) < 0.2
    assert seconds(lambda: mm.fetch_open_orders(SYMBOL)) >= 0.3
    assert quickest(lambda: mm.fetch_open_orders(SYMBOL)) < 0.2


def test_the_base_latency_is_a_round_trip_of_every_signed_request(venue, mm):
    venue.admin("POST", "latency", {"milliseconds": 100})
    assert 0.1 <= quickest(lambda: mm.fetch_open_orders(SYMBOL)) < 0.3
    assert quickest(mm.fetch_time) < 0.09


def test_many_requests_wait_out_the_latency_together(venue):
    venue.seed("mm", 10)
    venue.admin("POST", "latency", {"milliseconds": 100})

    async def together() -> float:
        client = ccxt_async.binanceusdm(client_config(venue, "mm"))
        try:
            symbols = list(await client.load_markets())
            started = time.monotonic()
            await asyncio.gather(*(client.cancel_all_orders(one) for one in symbols))
            return time.monotonic() - started
        finally:
            await client.close()

    assert asyncio.run(together()) < 0.5
    assert venue.account("mm")["open_orders_total"] == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "error_5xx", "status": 500}, ccxt.OperationFailed),
        ({"kind": "error_5xx", "status": 503}, ccxt.OperationFailed),
        ({"kind": "error_5xx", "status": 504}, ccxt.RequestTimeout),
        ({"kind": "html", "status": 503}, ccxt.ExchangeNotAvailable),
        ({"kind": "html", "status": 403}, ccxt.ExchangeNotAvailable),
        ({"kind": "rate_limit", "status": 429, "retry_after": 7}, ccxt.DDoSProtection),
        ({"kind": "rate_limit", "status": 418}, ccxt.DDoSProtection),
        ({"kind": "reset"}, ccxt.NetworkError),
    ],
)
def test_an_answer_that_is_an_error_leaves_the_order_unplaced(venue, mm, fault, error):
    venue.admin("POST", "faults", {**fault, "path": "/fapi/v1/order", "method": "POST", "count": 1})
    with pytest.raises(error):
        place(mm)
    assert venue.account("mm")["open_orders_total"] == 0
    assert place(mm)["status"] == "open"


@pytest.mark.parametrize("kind", ["error_5xx", "html", "reset"])
def test_an_answer_that_is_an_error_may_also_come_after_the_order_was_placed(venue, mm, kind):
    venue.fault(kind, applied=True, path="/fapi/v1/order", method="POST", count=1)
    with pytest.raises(ccxt.OperationFailed):
        place(mm)
    assert venue.account("mm")["open_orders_total"] == 1


def test_a_200_with_html_is_not_an_order(venue, mm):
    """Fact 5 of the kill-switch page: ccxt reads it as an order without an id."""
    venue.fault("html", status=200, path="/fapi/v1/order", count=1)
    assert place(mm)["id"] is None
    assert venue.account("mm")["open_orders_total"] == 0


def test_a_rate_limit_says_when_to_come_back(venue):
    venue.fault("rate_limit", status=429, retry_after=7, path="/fapi/v1/ping", count=1)
    with socket.create_connection(("127.0.0.1", int(venue.url.rpartition(":")[2])), timeout=5) as wire:
        wire.sendall(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = wire.recv(65536)
    assert answer.startswith(b"HTTP/1.1 429")
    assert b"Retry-After: 7\r\n" in answer


def test_a_reset_is_a_reset(venue):
    venue.fault("reset", path="/fapi/v1/ping", count=1)
    with socket.create_connection(("127.0.0.1", int(venue.url.rpartition(":")[2])), timeout=5) as wire:
        wire.sendall(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            wire.recv(65536)


def test_accepted_then_silent_the_order_stands_and_nobody_hears_of_it(venue):
    venue.fault("accept_then_timeout", path="/fapi/v1/order", method="POST", count=1)
    client = usdm_client(venue, "mm")
    client.load_markets()
    client.timeout = 300
    with pytest.raises(ccxt.RequestTimeout):
        place(client, clientOrderId="mm-btc_lost")
    client.timeout = 5000
    assert client.fetch_order(None, SYMBOL, {"origClientOrderId": "mm-btc_lost"})["status"] == "open"


def test_accepted_then_silent_hangs_up_after_its_time(venue, mm):
    venue.fault("accept_then_timeout", path="/fapi/v1/order", method="POST", count=1, hold_seconds=0.2)
    with pytest.raises(ccxt.NetworkError):
        place(mm)


def test_a_late_cancel_answers_success_first(venue, mm):
    order = place(mm)
    venue.fault("cancel_late", seconds=0.4, count=1)
    assert mm.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    assert [one["id"] for one in mm.fetch_open_orders(SYMBOL)] == [order["id"]]
    until(lambda: not mm.fetch_open_orders(SYMBOL), seconds=2)


def test_a_late_cancel_of_everything(venue, mm):
    venue.seed("mm", 6, symbols=["BTCUSDT"])
    venue.seed("mm", 4, symbols=["BTCUSDT"], book="algo")
    venue.fault("cancel_late", seconds=0.3)
    mm.cancel_all_orders(SYMBOL)
    mm.cancel_all_orders(SYMBOL, {"trigger": True})
    assert venue.account("mm")["open_orders_total"] == 10
    until(lambda: venue.account("mm")["open_orders_total"] == 0, seconds=2)


@pytest.mark.parametrize(("params", "left"), [({"n": 2}, 2), ({"ratio": 0.5}, 5), ({"n": 99}, 10)])
def test_a_partial_cancel_misses_some_and_says_it_is_done(venue, mm, params, left):
    venue.seed("mm", 10, symbols=["BTCUSDT"])
    venue.fault("cancel_partial", count=1, **params)
    assert mm.cancel_all_orders(SYMBOL)[0]["info"]["code"] in {200, "200"}
    assert venue.account("mm")["open_orders_total"] == left
    mm.cancel_all_orders(SYMBOL)
    assert venue.account("mm")["open_orders_total"] == 0


def test_a_partial_cancel_is_about_cancelling_all_not_one(venue, mm):
    order = place(mm)
    venue.fault("cancel_partial", n=1)
    mm.cancel_order(order["id"], SYMBOL)
    assert venue.account("mm")["open_orders_total"] == 0


def test_an_order_under_way_is_booked_after_the_cancel_that_should_have_caught_it(venue, mm, trend):
    """What a verdict from one read misses: the cancel is answered, the read is empty, then the order is there."""
    resting = place(mm)
    venue.fault("order_late", account="mm", seconds=0.05, count=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(place, another_client(venue, "mm"), clientOrderId="mm-btc_late")
        until(lambda: logged(venue, "mm", "POST", "/fapi/v1/order")[1:])
        place(trend)  # another account's orders, and its cancels, do not concern it
        trend.cancel_all_orders(SYMBOL)
        assert [one["id"] for one in mm.fetch_open_orders(SYMBOL)] == [resting["id"]]
        mm.cancel_all_orders(SYMBOL)
        assert mm.fetch_open_orders(SYMBOL) == []
        until(lambda: mm.fetch_open_orders(SYMBOL), seconds=2)
        assert answer.result()["status"] == "open"
    cancelled = logged(venue, "mm", "DELETE", "/fapi/v1/allOpenOrders")[0]["monotonic"]
    assert logged(venue, "mm", "POST", "/fapi/v1/order")[1]["monotonic"] < cancelled
    assert place(mm)["status"] == "open"


def test_an_order_under_way_that_nobody_cancels_is_booked_after_its_hold(venue, mm):
    venue.fault("order_late", hold_seconds=0.2, seconds=0, count=1)
    assert 0.2 <= seconds(lambda: place(mm)) < 2
    assert venue.account("mm")["open_orders_total"] == 1


def test_an_order_under_way_at_a_reset_is_never_booked(venue):
    venue.fault("order_late")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(place, another_client(venue, "mm"))
        until(lambda: logged(venue, "mm", "POST", "/fapi/v1/order"))
        venue.admin("POST", "reset")
        with pytest.raises(ccxt.NetworkError):
            answer.result()
    assert venue.account("mm")["open_orders_total"] == 0


def test_a_book_whose_orders_cannot_be_cancelled_keeps_them_and_others_go(venue, mm):
    venue.seed("mm", 3, symbols=["BTCUSDT"])
    stops = venue.seed("mm", 2, symbols=["BTCUSDT"], book="algo")
    number = venue.fault("cancel_refused", path="/fapi/v1/algo")
    mm.cancel_all_orders(SYMBOL)
    assert mm.cancel_all_orders(SYMBOL, {"trigger": True})[0]["info"]["code"] in {200, "200"}
    with pytest.raises(ccxt.OrderNotFound, match="cancel restrictions"):
        mm.cancel_order(str(stops[0]), SYMBOL, {"trigger": True})
    assert {int(one["id"]) for one in mm.fetch_open_orders(SYMBOL, params={"trigger": True})} == set(stops)
    assert venue.account("mm")["open_orders_total"] == 2
    venue.admin("DELETE", f"faults/{number}")
    mm.cancel_all_orders(SYMBOL, {"trigger": True})
    assert venue.account("mm")["open_orders_total"] == 0


def test_of_many_orders_those_named_cannot_be_cancelled_in_any_way(venue, mm):
    one, *others = venue.seed("mm", 4, symbols=["BTCUSDT"])
    named = place(mm, clientOrderId="mm-btc_stuck")
    venue.fault("cancel_refused", ids=[one, "mm-btc_stuck"], code=-2022)
    mm.cancel_all_orders(SYMBOL)
    assert {int(each["id"]) for each in mm.fetch_open_orders(SYMBOL)} == {one, int(named["id"])}
    with pytest.raises(ccxt.BaseError, match="-2022"):
        mm.cancel_order(named["id"], SYMBOL)
    batch = mm.fapiPrivateDeleteBatchOrders({"symbol": "BTCUSDT", "orderidlist": [str(one), str(others[0])]})
    assert [each["code"] for each in batch] == [-2022, -2011]
    assert venue.account("mm")["open_orders_total"] == 2


def test_on_spot_a_refused_cancel_is_missing_in_the_answer(venue):
    spot = spot_client(venue, "mm")
    spot.load_markets()
    kept, gone = venue.seed("mm", 2, book="spot", symbols=["ETHUSDT"])
    venue.fault("cancel_refused", ids=[kept])
    assert [int(one["id"]) for one in spot.cancel_all_orders("ETH/USDT")] == [gone]
    assert [int(one["id"]) for one in spot.fetch_open_orders("ETH/USDT")] == [kept]


READS = {
    "orders": lambda client: client.fetch_open_orders(SYMBOL),
    "positions": lambda client: client.fetch_positions(),
    "book": lambda client: client.fetch_order_book(SYMBOL),
}


@pytest.mark.parametrize("family", READS)
def test_one_family_of_paths_hangs_and_the_others_answer(venue, mm, family):
    client = usdm_client(venue, "mm")
    client.load_markets()
    client.timeout = 150
    venue.fault("hang", family=family)
    with pytest.raises(ccxt.RequestTimeout):
        READS[family](client)
    for other in READS.keys() - {family}:
        READS[other](mm)
    venue.admin("DELETE", "faults")
    READS[family](client)


def test_what_hung_takes_effect_when_the_hang_is_over(venue, mm):
    """As behind a proxy that stood: the client has long gone, and its order is booked all the same."""
    client = usdm_client(venue, "mm")
    client.load_markets()
    client.timeout = 150
    venue.fault("hang", family="orders", method="POST", account="mm", for_seconds=0.3)
    with pytest.raises(ccxt.RequestTimeout):
        place(client)
    assert mm.fetch_open_orders(SYMBOL) == []
    until(lambda: mm.fetch_open_orders(SYMBOL), seconds=2)


def test_a_hang_of_orders_is_one_of_every_book(venue):
    client = spot_client(venue, "mm")
    client.load_markets()
    client.timeout = 100
    venue.fault("hang", family="orders", method="GET")
    for symbol, book in (("BTC/USDT", {}), (SYMBOL, {}), (SYMBOL, {"trigger": True})):
        with pytest.raises(ccxt.RequestTimeout):
            client.fetch_open_orders(symbol, params=book)


def test_a_skewed_clock_tells_a_wrong_time_until_the_fault_is_over(venue, mm):
    number = venue.fault("clock_skew", seconds=-30)
    assert mm.fetch_time() - mm.milliseconds() < -29_000
    with pytest.raises(ccxt.InvalidNonce):
        mm.fetch_balance()
    venue.admin("DELETE", f"faults/{number}")
    assert abs(mm.fetch_time() - mm.milliseconds()) < 1000


def test_a_flash_move_fills_what_it_meets_and_reverts(venue, mm):
    before = mm.fetch_order_book(SYMBOL, 5)["bids"][0][0]
    order = place(mm)
    venue.fault("flash_move", symbol="BTCUSDT", ratio=-0.1, seconds=0.5)
    assert mm.fetch_order_book(SYMBOL, 5)["bids"][0][0] == pytest.approx(before * 0.9, rel=0.01)
    assert mm.fetch_order(order["id"], SYMBOL)["status"] == "closed"
    until(lambda: mm.fetch_order_book(SYMBOL, 5)["bids"][0][0] > before * 0.98, seconds=3)
    assert venue.admin("GET", "faults")["faults"] == []


def test_of_two_flash_moves_the_newer_counts_and_then_the_older_again(venue, mm):

    def bid() -> float:
        return mm.fetch_order_book(SYMBOL, 5)["bids"][0][0]

    before = bid()
    venue.fault("flash_move", symbol="BTCUSDT", ratio=0.1)
    second = venue.fault("flash_move", symbol="BTCUSDT", ratio=-0.2)
    assert bid() == pytest.approx(before * 0.8, rel=0.01)
    venue.admin("DELETE", f"faults/{second}")
    assert bid() == pytest.approx(before * 1.1, rel=0.01)
    venue.admin("DELETE", "faults")
    assert bid() == pytest.approx(before, rel=0.01)


def test_a_fault_lasts_for_its_time(venue, mm):
    venue.fault("error_5xx", seconds=0.3, path="/fapi/v1/openOrders")
    with pytest.raises(ccxt.OperationFailed):
        mm.fetch_open_orders(SYMBOL)
    until(lambda: venue.admin("GET", "faults")["faults"] == [], seconds=2)
    assert mm.fetch_open_orders(SYMBOL) == []


def test_faults_are_listed_counted_and_taken_away(venue, mm):
    number = venue.fault("latency", seconds=0.01, account="mm", count=50)
    mm.fetch_open_orders(SYMBOL)
    listed = venue.admin("GET", "faults")["faults"]
    assert [(one["id"], one["applied"], one["count_left"]) for one in listed] == [(number, 1, 49)]
    assert 'sandbox_venue_faults_applied_total{kind="latency"}' in venue.request("GET", "/metrics")[1]
    venue.admin("DELETE", f"faults/{number}")
    assert venue.request("DELETE", f"/admin/faults/{number}")[0] == 404
    venue.fault("reset")
    venue.admin("DELETE", "faults")
    assert venue.admin("GET", "faults")["faults"] == []


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({}, "kind"),
        ({"kind": "earthquake"}, "kind"),
        ({"kind": "latency"}, "seconds"),
        ({"kind": "latency", "seconds": "long"}, "seconds"),
        ({"kind": "latency", "seconds": True}, "seconds"),
        ({"kind": "latency", "seconds": 1, "account": "nobody"}, "account"),
        ({"kind": "latency", "seconds": 1, "count": 0}, "count"),
        ({"kind": "latency", "seconds": 1, "for_seconds": -1}, "for_seconds"),
        ({"kind": "latency", "seconds": 1, "colour": "red"}, "colour"),
        ({"kind": "error_5xx", "status": 99}, "status"),
        ({"kind": "stalled_feed"}, "symbol"),
        ({"kind": "stalled_feed", "symbol": "NOPE"}, "symbol"),
        ({"kind": "stalled_feed", "symbol": "BTCUSDT", "market": "moon"}, "market"),
        ({"kind": "flash_move", "symbol": "BTCUSDT", "ratio": -1}, "ratio"),
        ({"kind": "flash_move", "symbol": "BTCUSDT"}, "ratio"),
        ({"kind": "flash_move", "symbol": "BTCUSDT", "ratio": 0.1, "account": "mm"}, "account"),
        ({"kind": "hang", "count": 1}, "count"),
        ({"kind": "hang", "family": "cousins"}, "family"),
        ({"kind": "cancel_refused", "ids": "7"}, "ids"),
        ({"kind": "cancel_refused", "ids": [{}]}, "ids"),
        ({"kind": "order_late", "seconds": "soon"}, "seconds"),
    ],
)
def test_a_fault_that_is_wrong_is_refused_and_the_field_named(venue, spec, named):
    status, body = venue.request("POST", "/admin/faults", spec)
    assert status == 400
    assert body["error"].startswith(named)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_is_on_the_page_with_its_parameters(kind):
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    assert len(rows) == 1
    assert set(KINDS[kind].params) == set(re.findall(r"`(\w+)`", rows[0].split("|")[2]))


def test_seeding_protective_stops(venue, mm):
    mm.create_order(SYMBOL, "market", "buy", 0.1)
    venue.seed("mm", 1, book="algo", symbols=["BTCUSDT"], side="SELL", close_position=True)
    venue.seed("mm", 1, book="algo", symbols=["BTCUSDT"], side="SELL", reduce_only=True)
    stops = mm.fetch_open_orders(SYMBOL, params={"trigger": True})
    assert [one["info"]["closePosition"] for one in stops] == [True, False]
    assert [one["info"]["reduceOnly"] for one in stops] == [False, True]
    assert venue.request("POST", "/admin/orders", {"account": "mm", "reduce_only": True})[0] == 400


def test_seeding_a_thousand_orders_is_quick_and_they_rest(venue):
    started = time.monotonic()
    ids = venue.seed("trend", 1000, prefix="trend-btc_")
    assert time.monotonic() - started < 2
    account = venue.account("trend")
    assert len(set(ids)) == 1000
    assert account["open_orders_total"] == 1000
    assert set(account["open_orders"]["usdm"].values()) == {100}
    assert float(account["available"]) > 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"account": "nobody"}, "account"),
        ({"account": "mm", "book": "cook"}, "book"),
        ({"account": "mm", "count": -1}, "count"),
        ({"account": "mm", "symbols": ["NOPE"]}, "symbols"),
        ({"account": "mm", "side": "UP"}, "side"),
        ({"account": "mm", "distance_ratio": 2}, "prefix"),
    ],
)
def test_seeding_nonsense_is_refused(venue, body, named):
    status, answer = venue.request("POST", "/admin/orders", body)
    assert status == 400
    assert answer["error"].startswith(named)


def test_the_request_log_says_when_the_first_cancel_arrived(venue, mm):
    last = venue.admin("GET", "requests")["last"]
    before = time.monotonic()
    mm.fetch_open_orders(SYMBOL)
    mm.cancel_all_orders(SYMBOL)
    after = time.monotonic()
    log = venue.admin("GET", "requests", since=last)
    assert [(one["method"], one["path"]) for one in log["requests"]] == [
        ("GET", "/fapi/v1/openOrders"),
        ("DELETE", "/fapi/v1/allOpenOrders"),
    ]
    cancel = venue.admin("GET", "requests", since=last, method="DELETE", account="mm", path="/fapi")["requests"][0]
    assert before < cancel["monotonic"] < after
    assert (cancel["account"], cancel["key"], cancel["symbol"], cancel["status"]) == ("mm", "engine", "BTCUSDT", 200)
    assert venue.admin("GET", "requests", since=log["last"])["requests"] == []


def test_the_state_tells_orders_positions_and_requests(venue, mm):
    mm.create_order(SYMBOL, "market", "buy", 0.1)
    state = venue.admin("GET", "state")
    assert state["accounts"]["mm"]["positions"]["BTCUSDT"]["quantity"] in {"0.1", "0.100"}
    assert float(state["accounts"]["mm"]["equity"]) < 100000
    assert state["requests"]["mm"]["POST /fapi/v1/order"] == 1
    assert state["replay"] is None
    venue.admin("POST", "reset")
    assert venue.account("mm")["positions"] == {}


def test_admin_refuses_browsers_and_nonsense(venue):
    port = int(venue.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
        wire.sendall(b"POST /admin/reset HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nContent-Length: 0\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 403")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
        wire.sendall(b"POST /admin/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{{{")
        assert wire.recv(65536).startswith(b"HTTP/1.1 400")
    assert venue.request("POST", "/admin/faults", [1])[0] == 400
    assert venue.request("GET", "/admin/nothing")[0] == 404
    assert venue.request("POST", "/admin/latency", {"milliseconds": "x"})[0] == 400
    assert venue.request("POST", "/admin/time", {})[0] == 400
    assert venue.request("POST", "/admin/limits", {"weight_per_minute": -1})[0] == 400


def test_with_a_token_file_admin_needs_the_token(tmp_path):
    file = tmp_path / "token"
    file.write_text("open sesame\n")
    with running_venue(("mm",), ["--admin-token-file", str(file)]) as guarded:
        assert guarded.request("GET", "/admin/state")[0] == 403
        port = int(guarded.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
            wire.sendall(b"GET /admin/faults HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer open sesame\r\n\r\n")
            assert wire.recv(65536).startswith(b"HTTP/1.1 200")
        assert guarded.request("GET", "/healthz")[0] == 200


def test_two_hundred_requests_at_once_are_all_answered(venue):
    """A short backlog would make some of them wait a second for their SYN to be sent again."""
    venue.seed("mm", 1)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: venue.request("GET", "/fapi/v1/ping")[0], range(200)))
    assert answers == [200] * 200
    assert time.monotonic() - started < 3
