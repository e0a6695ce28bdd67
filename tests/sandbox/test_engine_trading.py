"""The whole engine on a real venue: it trades, tells what it does, and stops when it is told to."""

import itertools
from datetime import datetime
from decimal import Decimal

import pytest

from tests.engine_fixtures import STRATEGIES, check_event, running_engine, schema, until
from tests.sandbox_fixtures import running_venue, usdm_client

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def venue():
    with running_venue() as running:
        yield running


@pytest.fixture(scope="module")
def engine(venue, tmp_path_factory):
    with running_engine(venue.url, venue, tmp_path_factory.mktemp("engine")) as running:
        running.quote_steadily()
        until(lambda: running.status("mm-btc")["open_orders"] == 2)
        yield running


@pytest.fixture(scope="module")
def killer(venue):
    """The kill path's own key on the account of mm-btc."""
    client = usdm_client(venue, "mm", "killer")
    client.load_markets()
    return client


@pytest.fixture(autouse=True)
def _calm(venue, engine):
    """Leave every strategy running, no fault, and the accounts at their deposits."""
    yield
    engine.do("DELETE", "/faults")
    accounts = venue.admin("GET", "state")["accounts"].values()
    if any(Decimal(one["fees"]) or one["open_orders_total"] > 2 for one in accounts):
        engine.do("POST", "/control/pause", {})  # or a quote might fill meanwhile
        venue.clear()
        until(lambda: all(engine.status(name)["equity"] == "100000" for name in STRATEGIES))
    engine.do("POST", "/control/resume", {})
    until(lambda: orders_at(venue) == engine.status("mm-btc")["open_orders"] == 2)


def orders_at(venue, account="mm"):
    return venue.account(account)["open_orders_total"]


def sends(venue, account="mm"):
    """How many orders were sent to the venue, ever."""
    asked = venue.admin("GET", "requests", account=account)["requests"]
    return len([one for one in asked if (one["method"], one["path"]) == ("POST", "/fapi/v1/order")])


def held(engine, strategy="mm-btc"):
    return Decimal(engine.status(strategy)["position"])


def test_it_quotes_both_sides_under_its_own_prefix(engine, killer):
    resting = killer.fetch_open_orders(SYMBOL)
    assert engine.status("mm-btc")["open_orders"] == 2
    assert {order["side"] for order in resting} == {"buy", "sell"}
    assert all(order["clientOrderId"].startswith("mm-btc_") for order in resting)


def test_everything_it_tells_is_what_the_page_says(engine):
    until(lambda: {"equity", "position", "heartbeat", "order_acknowledged"} <= {one["type"] for one in engine.events()})
    events, types = engine.events(), schema()
    for event in events:
        check_event(event, types)
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    speakers = {one.get("strategy") for one in events if one["type"] == "heartbeat"}
    assert speakers == {None, *STRATEGIES}
    accounts = {one["account"] for one in events if one["type"] == "equity" and "strategy" not in one}
    assert accounts == {"mm", "trend", "meanrev"}


def test_states_are_told_often(engine):
    for kind, count in (("equity", 5), ("heartbeat", 3)):
        until(lambda kind=kind, count=count: len(engine.events(kind, strategy="mm-btc")) >= count)
        times = [datetime.fromisoformat(one["time"]) for one in engine.events(kind, strategy="mm-btc")]
        gaps = sorted((after - before).total_seconds() for before, after in itertools.pairwise(times))
        assert gaps[len(gaps) // 2] < 1


def test_after_paused_was_said_no_order_reaches_the_venue(venue, engine):
    answer = engine.do("POST", "/control/pause", {"strategy": None, "reason": "test"})
    sent = {account: sends(venue, account) for account in ("mm", "trend", "meanrev")}
    assert answer["strategies"] == {name: {"state": "paused"} for name in STRATEGIES}
    assert answer["matched"] == 3
    assert answer["stored"] is True
    assert orders_at(venue) == 2  # they are left to whoever paused it
    engine.set_parameters(half_spread_ratio="0.02")  # now it would want other quotes
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 4)
    engine.set_parameters(half_spread_ratio="0.0003")
    assert {account: sends(venue, account) for account in sent} == sent
    assert engine.events("heartbeat", strategy="mm-btc")[-1]["state"] == "paused"


def test_a_pause_can_take_the_orders_along(venue, engine):
    engine.do("POST", "/control/pause", {"strategy": "mm-btc", "cancel": True})
    assert orders_at(venue) == 0
    assert engine.status("mm-btc")["open_orders"] == 0


def test_a_stop_concerns_whoever_trades_there(engine):
    for constraint, matched in (
        ({"account": "mm"}, ["mm-btc"]),
        ({"venue": "sandbox", "symbol": "BTC/USDT:USDT"}, list(STRATEGIES)),
        ({"symbol": "BTCUSDT", "account": "trend"}, ["trend-btc"]),
        ({"strategy": "", "account": "", "venue": "sandbox"}, list(STRATEGIES)),
        ({"venue": "binance"}, []),
        ({"strategy": "mm-btc", "account": "trend"}, []),
        ({"strategy": "nobody"}, []),
    ):
        answer = engine.do("POST", "/control/reduce-only", {**constraint, "reason": "test"})
        assert sorted(answer["strategies"]) == sorted(matched)
        assert answer["matched"] == len(matched)
        assert all(one == {"state": "reduce_only"} for one in answer["strategies"].values())


def test_orders_cancelled_from_outside_are_told_once_and_as_the_kill(engine, killer):
    engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
    last = engine.last_seq()
    killer.cancel_all_orders(SYMBOL)
    gone = until(lambda: engine.events("order_cancelled", strategy="mm-btc", after=last))
    until(lambda: engine.status("mm-btc")["open_orders"] == 0)
    gone = engine.events("order_cancelled", strategy="mm-btc", after=last)
    assert len(gone) == 2
    assert {one["initiator"] for one in gone} == {"kill"}
    assert {one["remaining_quantity"] for one in gone} == {"0.01"}


def test_what_the_kill_path_trades_is_told_with_its_own_order_id(engine, killer):
    engine.do("POST", "/control/pause", {"strategy": "mm-btc", "cancel": True})
    last = engine.last_seq()
    killer.create_order(SYMBOL, "market", "buy", 0.02, None, {"newClientOrderId": "andon-test-1"})
    until(lambda: held(engine) == Decimal("0.02"))
    killer.create_order(SYMBOL, "market", "sell", 0.02, None, {"newClientOrderId": "andon-test-2", "reduceOnly": True})
    until(lambda: held(engine) == 0)
    until(lambda: engine.events("position", strategy="mm-btc", after=last)[-1]["quantity"] == "0")
    fills = engine.events("fill", strategy="mm-btc", after=last)
    assert {one["client_order_id"] for one in fills} == {"andon-test-1", "andon-test-2"}
    assert sum(Decimal(one["quantity"]) for one in fills) == Decimal("0.04")
    equity = engine.events("equity", strategy="mm-btc")[-1]
    fees = sum(Decimal(one["fee"]) for one in fills)
    profit = sum(Decimal(one["realised_pnl"]) for one in fills)
    assert Decimal(equity["equity"]) == 100_000 + profit - fees


def test_reduce_only_takes_back_what_adds_and_sends_only_what_reduces(engine, killer):
    engine.do("POST", "/control/pause", {"strategy": "mm-btc", "cancel": True})
    killer.create_order(SYMBOL, "market", "buy", 0.03)
    until(lambda: held(engine) == Decimal("0.03"))
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})
    until(lambda: engine.status("mm-btc")["open_orders"] == 2)
    last = engine.last_seq()
    engine.do("POST", "/control/reduce-only", {"strategy": "mm-btc"})
    assert all(order["reduceOnly"] for order in killer.fetch_open_orders(SYMBOL))
    until(lambda: any(order["reduceOnly"] for order in killer.fetch_open_orders(SYMBOL)))
    beats = until(lambda: [one for one in engine.events("heartbeat", after=last) if one["state"] == "reduce_only"])
    engine.set_parameters(half_spread_ratio="0.001")  # it wants another quote, so that one is sent after that beat
    sent = until(lambda: engine.events("order_sent", strategy="mm-btc", after=beats[0]["seq"] - 1))
    engine.set_parameters(half_spread_ratio="0.0003")
    assert {(one["side"], one["reduce_only"]) for one in sent} == {("sell", True)}
    assert sum(Decimal(str(order["remaining"])) for order in killer.fetch_open_orders(SYMBOL)) <= held(engine)


def test_parameters_change_what_it_does(engine, killer):
    assert engine.set_parameters(half_spread_ratio="0.02")["half_spread_ratio"] == "0.02"
    try:
        until(
            lambda: any(
                order["side"] == "buy" and order["price"] < 0.985 * killer.fetch_ticker(SYMBOL)["last"]
                for order in killer.fetch_open_orders(SYMBOL)
            )
        )
    finally:
        engine.set_parameters(half_spread_ratio="0.0003")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/control/parameters", {"strategy": "x", "parameters": {"notional": "1"}}, 404, "strategy"),
        ("/control/parameters", {"strategy": "mm-btc"}, 400, "parameters"),
        ("/control/parameters", {"strategy": "mm-btc", "parameters": {"notional": "9"}}, 422, "parameters.notional"),
        ("/control/parameters", {"strategy": "mm-btc", "parameters": {"hue": "9"}}, 422, "parameters.hue"),
        ("/control/pause", b"{", 400, "body"),
        ("/control/pause", [], 400, "body"),
        ("/control/pause", {"strategy": 7}, 400, "strategy"),
        ("/control/pause", {"cancel": "yes"}, 400, "cancel"),
        ("/control/resume", {"stratgey": "mm-btc"}, 400, "stratgey"),
        ("/faults", {"kind": "flood"}, 422, "kind"),
        ("/faults", {"kind": "bleed"}, 422, "strategy"),
        ("/faults", {"kind": "bleed", "strategy": "x"}, 422, "strategy"),
        ("/faults", {"kind": "bleed", "strategy": "mm-btc", "ratio": 7}, 422, "ratio"),
        ("/faults", {"kind": "hang", "rate": 7}, 422, "rate"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(engine, path, body, status, field):
    got, answer = engine.ask("POST", path, body)
    assert (got, answer["field"]) == (status, field)
    assert engine.do("GET", "/status")["state"] == "running"
    assert engine.do("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize("token", [None, "", "wrong", "a-token-for-tests2"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/control/pause"), ("GET", "/status"), ("POST", "/faults")])
def test_without_the_token_nothing_is_done(engine, method, path, token):
    assert engine.ask(method, path, token=token)[0] == 401
    assert engine.do("GET", "/status")["state"] == "running"


def test_health_and_metrics_are_open(engine):
    assert engine.ask("GET", "/healthz", token=None)[1]["engine"] == "sandbox-engine"
    status, text = engine.ask("GET", "/metrics", token=None)
    assert status == 200
    until(lambda: 'sandbox_engine_orders_open{strategy="mm-btc"} 2' in engine.ask("GET", "/metrics", token=None)[1])
    assert 'sandbox_engine_strategy_state{strategy="mm-btc",state="running"} 1' in text


def test_a_status_says_who_and_what_it_is(engine):
    status = engine.do("GET", "/status")
    assert status["engine"] == "sandbox-engine"
    assert status["pid"] == engine.process.pid
    assert status["session"] == engine.events()[0]["session"]
    assert set(status["strategies"]) == set(STRATEGIES)


# Faults on command.


def test_bleeding_really_loses_the_money_and_leaves_something_to_kill(venue, engine):
    engine.do("POST", "/faults", {"kind": "bleed", "strategy": "mm-btc"})
    until(lambda: Decimal(venue.account("mm")["equity"]) <= 88_100, seconds=10)
    until(lambda: engine.status("mm-btc")["open_orders"] == 6)
    told = until(
        lambda: [one for one in engine.events("equity", strategy="mm-btc") if Decimal(one["equity"]) <= 88_100]
    )
    account = venue.account("mm")
    assert Decimal(account["positions"]["BTCUSDT"]["quantity"]) > 0
    assert account["open_orders_total"] == 6
    assert Decimal(told[0]["equity"]) > 80_000
    exposures = [abs(Decimal(one["quantity"])) * Decimal(one["mark_price"]) for one in engine.events("position")]
    assert max(exposures) < 50_000  # it is the drawdown that trips, nothing else
    sells = [one for one in engine.events("fill", strategy="mm-btc") if one["side"] == "sell"]
    assert sum(Decimal(one["realised_pnl"]) for one in sells) < -3000


def test_bleeding_stops_when_it_is_paused_and_the_market_comes_back(venue, engine, killer):
    engine.do("POST", "/faults", {"kind": "bleed", "strategy": "mm-btc"})
    until(lambda: held(engine) > 0)
    until(lambda: venue.admin("GET", "faults")["faults"])
    engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
    sent = sends(venue)
    killer.cancel_all_orders(SYMBOL)
    quantity = float(venue.account("mm")["positions"]["BTCUSDT"]["quantity"])
    killer.create_order(SYMBOL, "market", "sell", quantity, None, {"reduceOnly": True})
    until(lambda: "ended" in engine.do("GET", "/faults")["faults"][0]["progress"])
    assert sends(venue) == sent + 1
    assert venue.admin("GET", "faults")["faults"] == []


def test_a_runaway_floods_the_venue_with_children_of_one_parent_until_it_is_paused(venue, engine):
    last = engine.last_seq()
    engine.do("POST", "/faults", {"kind": "runaway", "strategy": "trend-btc", "rate": 100})
    until(lambda: orders_at(venue, "trend") > 60)
    engine.do("POST", "/control/pause", {"strategy": "trend-btc"})
    sent = sends(venue, "trend")
    children = engine.events("order_sent", strategy="trend-btc", after=last)
    (parent,) = engine.events("parent_order", strategy="trend-btc", after=last)
    assert sum(Decimal(one["quantity"]) for one in children) > 10 * Decimal(parent["quantity"])
    assert {one["parent_id"] for one in children} == {parent["parent_id"]}
    until(lambda: "gate was shut" in engine.do("GET", "/faults")["faults"][0]["progress"])
    assert sends(venue, "trend") == sent


def test_an_engine_that_ignores_the_pause_says_paused_and_trades_on(venue, engine):
    engine.do("POST", "/faults", {"kind": "ignore_pause", "strategy": "mm-btc"})
    answer = engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
    assert answer["strategies"] == {"mm-btc": {"state": "paused"}}
    sent = sends(venue)
    engine.set_parameters(half_spread_ratio="0.001")
    until(lambda: sends(venue) > sent + 1)
    assert engine.status("mm-btc")["state"] == "paused"
    engine.do("DELETE", "/faults", kind="ignore_pause")
    engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
    sent = sends(venue)
    engine.set_parameters(half_spread_ratio="0.0003")
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 3)
    assert sends(venue) == sent


def test_an_engine_that_hangs_accepts_and_never_answers_while_it_trades_on(engine):
    engine.do("POST", "/faults", {"kind": "hang"})
    last = engine.last_seq()
    for method, path in (("POST", "/control/pause"), ("GET", "/status")):
        with pytest.raises(TimeoutError):
            engine.ask(method, path, timeout=0.3)
    assert engine.events("equity", strategy="mm-btc", after=last)
    assert engine.do("DELETE", "/faults")["cleared"][0]["kind"] == "hang"
    assert engine.status("mm-btc")["state"] == "running"


def test_a_silent_strategy_trades_on_without_a_heartbeat(engine):
    engine.do("POST", "/faults", {"kind": "silent", "strategy": "mm-btc"})
    last = engine.last_seq()
    until(lambda: len(engine.events("heartbeat", strategy="trend-btc", after=last)) >= 3)
    assert len(engine.events("heartbeat", strategy="mm-btc", after=last)) <= 1
    assert engine.events("equity", strategy="mm-btc", after=last)


def test_a_fault_ends_by_itself(engine):
    engine.do("POST", "/faults", {"kind": "silent", "seconds": 0.2})
    until(lambda: engine.do("GET", "/faults")["faults"] == [])


def test_nothing_went_wrong_inside(engine):
    assert "Traceback" not in engine.log_file.read_text()
