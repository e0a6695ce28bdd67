"""A strategy that leaves, moves or ends in order is not missed; one that should be there and is not, is."""

import json
import signal
import time

import pytest

from exporters.trading import snapshot
from exporters.trading.apply import apply
from exporters.trading.engines import Expected
from exporters.trading.events import parse
from exporters.trading.intake.intake import Intake
from exporters.trading.retirement.request import Retirement, Retirements
from exporters.trading.state import Options, State
from exporters.trading.state_file import StateFile
from tests.exporters.lines import NOON, line, shown, state_after
from tests.exporters.running import exporter
from tests.exporters.test_trading_process import config

WHO = {"venue": "sandbox", "account": "mm", "strategy": "mm-btc", "reason": "replaced", "who": "alice"}
URL = "/api/v1/strategies/retire"
ALLOWED = {"Authorization": "Bearer open-sesame"}
HEARTBEAT = "trading_strategy_last_heartbeat_timestamp_seconds{sandbox-engine,mm-btc}"
GONE = "trading_strategy_gone{sandbox-engine,mm-btc}"
RETIRED = "trading_strategy_retired_timestamp_seconds{sandbox,mm,mm-btc}"


def everything(**place: object):
    return [
        line("equity", **place, margin_balance="9", maintenance_margin="1", realised_pnl="1"),
        line("position", **place), line("parent_order", **place), line("order_sent", **place, parent_id="p1"),
        line("order_acknowledged", **place), line("fill", **place, arrival_mid="99"), line("heartbeat", **place),
    ]  # fmt: skip


def an_intake(*lines: bytes):
    return Intake(state_after(*lines), clock=lambda: NOON)


def retire(intake: Intake, *, after: float = 1.0, **changes: object):
    return Retirements(intake, None, clock=lambda: NOON + after).retire(Retirement(**{**WHO, **changes}))


def restarted(state):
    fresh = state.fresh(0.0)
    snapshot.restore(fresh, json.loads(json.dumps(snapshot.dump(state, {}))))
    return fresh


def of(seen, strategy="mm-btc"):
    return {name for name in seen if strategy in name}


def test_nothing_is_left_of_a_retired_strategy_and_nothing_comes_back_with_a_restart():
    intake = an_intake(*everything(), *everything(strategy="other"))
    others = {name: value for name, value in shown(intake.state).items() if "mm-btc" not in name}
    done = retire(intake)
    assert done == {
        "venue": "sandbox", "account": "mm", "strategy": "mm-btc", "engine": None,
        "known": True, "engines": ["sandbox-engine"], "persisted": None,
    }  # fmt: skip
    for state in (intake.state, restarted(intake.state)):
        assert of(shown(state, NOON + 60)) == {GONE, RETIRED}
    left = {name: value for name, value in shown(intake.state).items() if name not in (GONE, RETIRED)}
    assert left.keys() == others.keys()


def test_it_is_shown_as_gone_for_longer_than_prometheus_remembers_and_then_no_more():
    intake = an_intake(*everything())
    retire(intake)
    assert {GONE, RETIRED} <= shown(intake.state, NOON + 7_000).keys()
    assert of(shown(intake.state, NOON + 7_300)) == set()


def test_what_comes_late_from_before_its_retirement_brings_nobody_back():
    intake = an_intake(*everything())
    retire(intake)
    receipt = intake.feed([*everything(), *everything(session="another")], "http")
    assert receipt.accepted == 14
    assert of(shown(intake.state)) == {GONE, RETIRED}


def test_whoever_speaks_again_is_back():
    intake = an_intake(*everything())
    retire(intake, after=-5)
    intake.feed(everything(), "http")
    seen = shown(intake.state)
    assert HEARTBEAT in seen
    assert "trading_drawdown_ratio{sandbox,mm,mm-btc}" in seen
    assert not {GONE, RETIRED} & seen.keys()


def test_one_that_moved_to_another_account_keeps_its_heartbeat():
    intake = an_intake(*everything(), *everything(account="new"))
    assert retire(intake)["engines"] == []
    seen = shown(intake.state)
    assert HEARTBEAT in seen
    assert GONE not in seen
    assert "trading_drawdown_ratio{sandbox,new,mm-btc}" in seen
    assert "trading_drawdown_ratio{sandbox,mm,mm-btc}" not in seen


def test_one_that_moved_to_another_engine_leaves_only_the_heartbeat_of_the_old_one():
    intake = an_intake(*everything(), line("heartbeat", engine="new"))
    retire(intake, venue=None, account=None, engine="sandbox-engine")
    seen = shown(intake.state)
    assert GONE in seen
    assert HEARTBEAT not in seen
    assert "trading_strategy_last_heartbeat_timestamp_seconds{new,mm-btc}" in seen
    assert "trading_drawdown_ratio{sandbox,mm,mm-btc}" in seen


def test_one_that_the_exporter_does_not_know_can_be_retired_as_prometheus_may():
    intake = an_intake()
    assert retire(intake, engine="gone-engine")["known"] is False
    assert {RETIRED, "trading_strategy_gone{gone-engine,mm-btc}"} <= shown(intake.state).keys()


def test_an_empty_strategy_means_the_account_s_own_equity_and_wallets():
    whole = line("equity", strategy=None, margin_balance="9", maintenance_margin="1")
    intake = an_intake(whole, *everything())
    retire(intake, strategy="")
    seen = shown(intake.state)
    assert not [name for name in seen if name.startswith(("trading_account_", "trading_margin"))]
    assert "trading_drawdown_ratio{sandbox,mm,mm-btc}" in seen


def test_one_that_is_expected_is_expected_no_more():
    expected = Expected("sandbox-engine", ("sandbox", "mm", "mm-btc"))
    intake = Intake(State(Options(expected=(expected,))), clock=lambda: NOON)
    assert shown(intake.state)["trading_strategy_expected{sandbox-engine,sandbox,mm,mm-btc}"] == 1
    retire(intake)
    assert "trading_strategy_expected{sandbox-engine,sandbox,mm,mm-btc}" not in shown(intake.state)


def test_retired_ones_are_bounded():
    intake = an_intake()
    for number in range(300):
        retire(intake, after=number, strategy=f"s{number}", engine="e")
    assert len(intake.state.retired.strategies) == len(intake.state.retired.heartbeats) == 250
    assert ("sandbox", "mm", "s299") in intake.state.retired.strategies


@pytest.mark.parametrize(
    "changes",
    [{"venue": None}, {"venue": None, "account": None}, {"strategy": "", "engine": "e"}, {"who": " "}, {"all": True}],
)
def test_what_names_nobody_is_refused(changes):
    with pytest.raises(ValueError, match=r"together|needed|heartbeats|at least|extra|Extra"):
        Retirement(**{**WHO, **changes})


def test_a_strategy_that_stopped_in_order_is_not_missed():
    state = state_after(*everything(), line("heartbeat", state="stopped", open_orders=0))
    for each in (state, restarted(state)):
        seen = shown(each, NOON + 3_600)
        assert HEARTBEAT not in seen
        assert seen[GONE] == 1
        assert seen["trading_strategy_state{sandbox-engine,mm-btc,stopped}"] == 1
        assert "trading_drawdown_ratio{sandbox,mm,mm-btc}" in seen


@pytest.mark.parametrize("orders", [1, None])
def test_one_that_left_orders_or_does_not_say_is_missed(orders):
    seen = shown(state_after(line("heartbeat", state="stopped", open_orders=orders)))
    assert HEARTBEAT in seen
    assert GONE not in seen


LAG = "trading_events_lag_seconds{sandbox-engine}"


def test_an_engine_that_ended_in_order_with_all_its_strategies_is_not_late():
    end = {"state": "stopped", "open_orders": 0}
    lines = [*everything(), line("heartbeat", strategy="other"), line("heartbeat", strategy=None)]
    lines += [line("heartbeat", **end), line("heartbeat", strategy="other", **end)]
    assert LAG in shown(state_after(*lines)), "it says itself that it runs"
    assert LAG not in shown(state_after(*lines, line("heartbeat", strategy=None, **end)))


def test_an_engine_whose_last_strategy_was_retired_is_not_late():
    intake = an_intake(*everything(), line("heartbeat", strategy="other"))
    retire(intake)
    assert LAG in shown(intake.state)
    retire(intake, strategy="other")
    assert LAG not in shown(intake.state)
    intake.feed([line("heartbeat", time=NOON + 5)], "http")
    assert LAG in shown(intake.state)


def test_one_that_starts_again_is_there_again():
    state = state_after(line("heartbeat", state="stopped", open_orders=0))
    apply(state, parse(line("heartbeat", session="next", time=NOON + 5)), NOON + 5)
    seen = shown(state)
    assert HEARTBEAT in seen
    assert GONE not in seen


def test_it_is_on_disk_before_it_is_answered(tmp_path):
    intake = an_intake(*everything())
    store = StateFile(tmp_path / "state.json", intake)
    store.save()
    assert Retirements(intake, store.save, clock=lambda: NOON + 1).retire(Retirement(**WHO))["persisted"] is True
    again = an_intake()
    StateFile(tmp_path / "state.json", again).load()
    assert of(shown(again.state)) == {GONE, RETIRED}


@pytest.mark.stack
def test_retired_over_http_with_the_token_of_a_person_and_for_good(tmp_path):
    (tmp_path / "admin").write_text("open-sesame\n")
    asked = config(tmp_path, admin_token_file=str(tmp_path / "admin"))
    asked["trading"]["strategies"] = []
    drawdown = 'trading_drawdown_ratio{account="mm",strategy="mm-btc",venue="sandbox"}'
    body = json.dumps(WHO).encode()
    with exporter("trading", asked, tmp_path) as running:
        told = [line(kind, time=time.time()) for kind in ("equity", "heartbeat")]
        running.ask("/api/v1/events", b"\n".join(told))
        running.wait_for(drawdown)
        assert running.ask(URL, body, {"Authorization": "Bearer wrong"}).status == 401
        assert running.ask(URL, json.dumps({**WHO, "who": ""}).encode(), ALLOWED).status == 422
        assert drawdown in running.samples()
        answer = running.ask(URL, body, ALLOWED)
        assert (answer.status, answer.json["persisted"]) == (200, True)
        assert drawdown not in running.samples()
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(10)
    with exporter("trading", asked, tmp_path) as running:
        seen = running.samples("/metrics?set=kill")
        assert drawdown not in seen
        assert seen['trading_strategy_gone{engine="sandbox-engine",strategy="mm-btc"}'] == 1
