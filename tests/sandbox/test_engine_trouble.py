"""The engine when things go wrong: the venue, the engine itself, and what it is started with."""

import signal
import socket
from decimal import Decimal

import pytest

from sandbox.engine import main
from tests.engine_fixtures import TOKEN, running_engine, until
from tests.sandbox_fixtures import running_venue, usdm_client

SYMBOL = "BTC/USDT:USDT"
ORDER = "/fapi/v1/order"

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def venue():
    with running_venue() as running:
        yield running


@pytest.fixture(scope="module")
def engine(venue, tmp_path_factory):
    with running_engine(venue.url, venue, tmp_path_factory.mktemp("engine")) as running:
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
    venue.fault("latency", account="mm", path=ORDER, method="POST", seconds=0.8, for_seconds=5)
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})
    until(lambda: engine.status("mm-btc")["open_orders"] == 1)
    assert orders_at(venue) == 0  # it is on its way
    engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
    assert orders_at(venue) == 1  # and has landed when paused is said
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 6)
    assert orders_at(venue) == 1
    engine.do("POST", "/control/resume", {"strategy": "mm-btc"})


@pytest.mark.usefixtures("calm")
def test_a_venue_whose_clock_is_off_is_followed(venue, engine):
    venue.fault("clock_skew", seconds=-5, for_seconds=60)
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 4)
    venue.admin("DELETE", "faults")
    last = engine.last_seq()
    until(lambda: len(engine.events("equity", strategy="mm-btc", after=last)) >= 4)


@pytest.mark.usefixtures("calm")
def test_a_dead_account_is_not_told_as_alive_and_heartbeats_go_on(venue, engine):
    venue.fault("error_5xx", account="mm", for_seconds=30)
    until(lambda: venue.admin("GET", "faults")["applied"].get("error_5xx", 0) >= 3)
    last = engine.last_seq()
    until(lambda: len(engine.events("heartbeat", strategy="mm-btc", after=last)) >= 2)
    assert engine.events("equity", strategy="mm-btc", after=last) == []
    assert engine.events("equity", strategy="trend-btc", after=last)


def test_a_venue_that_was_started_anew_is_traded_on_as_if_nothing_had_been(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running_venue(args=["--port", str(port)]) as first, running_engine(first.url, first, tmp_path) as engine:
        quoting(first)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        until(lambda: "cannot be read" in engine.log_file.read_text())
        last = engine.last_seq()
        with running_venue(args=["--port", str(port)]) as second:
            quoting(second)
            gone = until(lambda: engine.events("order_cancelled", strategy="mm-btc", after=last))
            assert gone[0]["initiator"] == "venue"
            killer = usdm_client(second, "mm", "killer")
            killer.create_order(SYMBOL, "market", "buy", 0.02)
            until(lambda: engine.events("fill", strategy="mm-btc", after=last))
            assert engine.process.poll() is None


def test_an_engine_started_before_its_venue_waits_for_it(tmp_path, venue):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running_engine(f"http://127.0.0.1:{port}", venue, tmp_path) as engine:
        assert engine.status("mm-btc")["equity"] is None
        until(lambda: engine.events("heartbeat", strategy="mm-btc"))
        with running_venue(args=["--port", str(port)]) as late:
            quoting(late)


def test_a_killed_engine_takes_its_orders_back_and_one_that_is_stopped_leaves_none_and_says_so(tmp_path):
    with running_venue() as venue:
        with running_engine(venue.url, venue, tmp_path) as engine:
            quoting(venue)
            venue.admin(
                "POST", "orders", {"account": "mm", "count": 1, "symbols": ["BTCUSDT"], "prefix": "someone-else-"}
            )
            engine.do("POST", "/control/pause", {"strategy": "mm-btc"})
            engine.do("POST", "/control/reduce-only", {"strategy": "trend-btc"})
            sent = until(lambda: (found := engine.events("order_sent", strategy="mm-btc"))[1:] and found)
            used = {one["client_order_id"] for one in sent}
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
            assert orders_at(venue) == 3
        with running_engine(venue.url, venue, tmp_path) as engine:
            until(lambda: orders_at(venue) == 1)  # its own are gone, the other's stays
            until(lambda: engine.status("mm-btc")["equity"] is not None)
            states = {name: one["state"] for name, one in engine.do("GET", "/status")["strategies"].items()}
            assert states == {"mm-btc": "paused", "trend-btc": "reduce_only", "meanrev-btc": "running"}
            cancelled = until(lambda: engine.events("order_cancelled", strategy="mm-btc"))
            assert {one["client_order_id"] for one in cancelled} <= used
            engine.do("POST", "/control/resume", {})
            until(lambda: orders_at(venue) == 3)
            assert used.isdisjoint(one["client_order_id"] for one in engine.events("order_sent"))
        assert orders_at(venue) == 1  # an engine that is asked to end leaves nothing behind
    last = {one.get("strategy", ""): one for one in engine.events("heartbeat")}
    assert set(last) == {"mm-btc", "trend-btc", "meanrev-btc", ""}
    assert {(one["state"], one["open_orders"]) for one in last.values()} == {("stopped", 0)}


def test_an_engine_told_to_die_is_gone_at_once(tmp_path, venue):
    with running_engine(venue.url, venue, tmp_path) as engine:
        assert engine.ask("POST", "/faults", {"kind": "die"})[0] == 201
        assert engine.process.wait(timeout=5) == 70


@pytest.mark.parametrize(
    ("token", "accounts", "blamed"),
    [
        (None, "{}", "--control-token-file"),
        ("", "{}", "--control-token-file"),
        (TOKEN, None, "--accounts"),
        (TOKEN, "{}", "--accounts"),
        (TOKEN, '{"accounts": [{"name": "mm", "keys": []}]}', "'mm' with a key named 'engine'"),
    ],
)
def test_it_does_not_start_without_what_it_needs(tmp_path, capsys, token, accounts, blamed):
    if token is not None:
        (tmp_path / "token").write_text(token)
    if accounts is not None:
        (tmp_path / "accounts.json").write_text(accounts)
    argv = [
        "--port",
        "0",
        "--control-token-file",
        str(tmp_path / "token"),
        "--accounts",
        str(tmp_path / "accounts.json"),
    ]
    assert main(argv) == 2
    assert blamed in capsys.readouterr().err


def test_nothing_went_wrong_inside(engine):
    assert "Traceback" not in engine.log_file.read_text()
    assert Decimal(engine.status("mm-btc")["equity"]) > 99_000
