"""The engine when its venue goes wrong: no stray order, none told twice, none forgotten."""

from decimal import Decimal

import pytest

from tests.engine_fixtures import running_engine, until
from tests.sandbox_fixtures import running_venue, usdm_client

SYMBOL = "BTC/USDT:USDT"
ORDER = "/fapi/v1/order"


@pytest.fixture(scope="module")
def venue():
    with running_venue() as running:
        yield running


@pytest.fixture(scope="module")
def engine(venue, tmp_path_factory):
    with running_engine(venue.url, venue, tmp_path_factory.mktemp("engine")) as running:
        running.quote_steadily()
        quoting(venue)
        yield running


@pytest.fixture
def calm(venue, engine):
    yield
    venue.admin("DELETE", "faults")
    until(lambda: engine.status("mm-btc")["open_orders"] == 2 == orders_at(venue))


def orders_at(venue, account="mm"):
    return venue.account(account)["open_orders_total"]


def quoting(venue):
    until(lambda: orders_at(venue) == 2)


def requote(engine):
    """Make mm-btc send new orders: its quotes are taken away, and it wants them back."""
    engine.do("POST", "/control/pause", {"strategy": "mm-btc", "cancel": True})
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("html", {"status": 503, "applied": True}),
        ("rate_limit", {"status": 429, "retry_after": 1}),
        ("reset", {"applied": True}),
    ],
)
def test_an_order_that_meets_trouble_leaves_two_quotes_and_no_stray(venue, engine, kind, fields):
    venue.fault(kind, account="mm", path=ORDER, method="POST", count=2, **fields)
    requote(engine)
    until(lambda: venue.admin("GET", "faults")["faults"] == [])
    until(lambda: engine.status("mm-btc")["open_orders"] == 2 == orders_at(venue))


@pytest.mark.usefixtures("calm")
def test_an_order_that_was_taken_without_an_answer_is_found_and_told_once(venue, engine):
    last = engine.last_seq()
    venue.fault("accept_then_timeout", account="mm", path=ORDER, method="POST", count=1)
    requote(engine)
    until(lambda: engine.status("mm-btc")["open_orders"] == 2 == orders_at(venue))
    resting = {order["clientOrderId"] for order in usdm_client(venue, "mm", "killer").fetch_open_orders(SYMBOL)}

    def told():
        found = engine.events("order_acknowledged", strategy="mm-btc", after=last)
        return [one["client_order_id"] for one in found]

    until(lambda: resting <= set(told()))
    assert len(told()) == len(set(told()))


@pytest.mark.usefixtures("calm")
def test_an_order_that_never_arrived_is_told_as_rejected(venue, engine):
    last = engine.last_seq()
    venue.fault("reset", account="mm", path=ORDER, method="POST", count=1)
    requote(engine)
    rejected = until(lambda: engine.events("order_rejected", strategy="mm-btc", after=last))
    assert [one["code"] for one in rejected] == ["not_found"]


@pytest.mark.usefixtures("calm")
def test_a_cancel_that_was_said_to_be_done_and_was_not_is_done_again(venue, engine):
    venue.fault("cancel_late", account="mm", seconds=30, count=2)
    engine.do("POST", "/control/pause", {"strategy": "mm-btc", "cancel": True})
    until(lambda: orders_at(venue) == 0)
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})


@pytest.mark.usefixtures("calm")
def test_a_pause_waits_for_an_order_that_is_under_way(venue, engine):
    engine.do("POST", "/control/pause", {"strategy": "mm-btc", "cancel": True})
    venue.fault("latency", account="mm", path=ORDER, method="POST", seconds=0.5, for_seconds=5)
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})
    until(lambda: engine.status("mm-btc")["open_orders"] == 1)
    assert orders_at(venue) == 0  # it is on its way
    engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
    assert orders_at(venue) == 1  # and has landed when paused is said
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 3)
    assert orders_at(venue) == 1
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})


@pytest.mark.usefixtures("calm")
def test_a_venue_whose_clock_is_off_is_followed(venue, engine):
    venue.fault("clock_skew", seconds=-5, for_seconds=60)
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 2)
    venue.admin("DELETE", "faults")
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 2)


@pytest.mark.usefixtures("calm")
def test_a_dead_account_is_not_told_as_alive_and_heartbeats_go_on(venue, engine):
    venue.fault("error_5xx", account="mm", for_seconds=30)
    until(lambda: venue.admin("GET", "faults")["applied"].get("error_5xx", 0) >= 3)
    last = engine.last_seq()
    until(lambda: len(engine.events("heartbeat", strategy="mm-btc", after=last)) >= 2)
    assert engine.events("equity", strategy="mm-btc", after=last) == []
    assert engine.events("equity", strategy="trend-btc", after=last)


def test_nothing_went_wrong_inside(engine):
    assert "Traceback" not in engine.log_file.read_text()
    assert Decimal(engine.status("mm-btc")["equity"]) > 99_000
