"""The engine at its start and its end, and at its venue's: what it is started with, and what it leaves behind."""

import signal
import socket

import pytest

from sandbox.engine import main
from tests.engine_fixtures import TOKEN, running_engine, until
from tests.sandbox.recording import write_recording
from tests.sandbox_fixtures import running_venue, usdm_client

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def venue():
    with running_venue() as running:
        yield running


def orders_at(venue):
    return venue.account("mm")["open_orders_total"]


def quoting(venue):
    until(lambda: orders_at(venue) == 2)


def test_a_venue_that_was_started_anew_is_traded_on_as_if_nothing_had_been(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running_venue(args=["--port", str(port)]) as first, running_engine(first.url, first, tmp_path) as engine:
        engine.quote_steadily()
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
    recording = write_recording(tmp_path / "eth.gz", "ETHUSDT", price="3100")
    with running_engine(f"http://127.0.0.1:{port}", venue, tmp_path) as engine:
        assert engine.status("mm-btc")["equity"] is None
        until(lambda: engine.events("heartbeat", strategy="mm-btc"))
        engine.do("POST", "/control/pause", {"strategy": "trend-btc"})
        with running_venue(args=["--port", str(port), "--replay", str(recording), "--loop"]) as late:
            quoting(late)
            until(lambda: engine.status("trend-btc")["equity"])
            assert engine.status("trend-btc")["state"] == "paused"
            assert engine.status("trend-btc")["symbol"] == "ETH/USDT:USDT"


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
