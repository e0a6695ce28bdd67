"""What a restart must not forget, and what it must: the state file and its cut."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.trading import readers, snapshot
from exporters.trading.apply import apply
from exporters.trading.engines import Expected
from exporters.trading.equity.book import EquityOptions
from exporters.trading.events import parse
from exporters.trading.intake.intake import Intake, TailMark
from exporters.trading.state import Limits, Options, State
from exporters.trading.state_file import StateFile
from tests.exporters.lines import NOON, TYPES, line, shown, state_after, values
from tests.exporters.running import until

COUNTED = ("_total{", "_seconds_count{", "_seconds_sum{", "_seconds_bucket{", "_ratio_bucket{")


def without_counts(seen):
    return {name: value for name, value in seen.items() if not any(part in name for part in COUNTED) and value}


def restored(state):
    fresh = state.fresh(0.0)
    snapshot.restore(fresh, json.loads(json.dumps(snapshot.dump(state, {}))))
    return fresh


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(TYPES), st.integers(1, 4), st.sampled_from(["1", "0.1", "7.25"])), max_size=25)
)
def test_every_gauge_is_the_same_after_a_restart(steps):
    lines = []
    for kind, number, amount in steps:
        changes = {"client_order_id": f"c{number}"} if "order" in kind or "cancel" in kind or kind == "fill" else {}
        if kind == "order_sent":
            changes |= {"parent_id": f"p{number}"}
        if kind in ("order_sent", "fill", "position", "parent_order"):
            changes |= {"quantity": amount}
        if kind == "equity":
            changes |= {"equity": amount, "net_deposits": amount, "realised_pnl": amount}
        lines.append(line(kind, **changes))
    state = state_after(*lines)
    for _ in range(2):
        again = restored(state)
        assert without_counts(shown(again, NOON + 100)) == without_counts(shown(state, NOON + 100))
        state = again


def test_counters_start_at_zero_again():
    """A counter that came back a little lower would look like a burst to increase()."""
    state = state_after(line("order_sent"), line("parent_order"))
    counts = {name: value for name, value in shown(restored(state)).items() if "_total{" in name}
    assert counts
    assert not any(counts.values())


def test_numbers_seen_before_the_restart_are_duplicates_after_it():
    lines = [line("order_sent"), line("equity")]
    state = restored(state_after(*lines))
    intake = Intake(state, clock=lambda: NOON)
    assert intake.feed(lines, "http").duplicates == 2


def test_heartbeats_from_before_a_restart_are_held_back_for_ten_seconds(tmp_path):
    """Engines could not reach us while we were away: that alone must not look as if they were dead."""
    intake = an_intake(line("heartbeat", time=NOON - 60), line("heartbeat", time=NOON - 60, strategy=None))
    StateFile(tmp_path / "state.json", intake).save()
    again = an_intake()
    StateFile(tmp_path / "state.json", again).load()
    started = again.state.restored_at

    def told(now):
        return {name for name in shown(again.state, now) if "last_heartbeat" in name or "last_event" in name}

    assert told(started + 9.9) == set()
    assert len(told(started + 10)) == 3
    apply(again.state, parse(line("heartbeat", time=started + 1)), started + 1)
    assert len(told(started + 2)) == 2


def test_moving_the_start_of_the_day_keeps_the_day_under_way():
    state = state_after(line("equity", equity="1000"), line("equity", equity="900"))
    fresh = State(Options(equity=EquityOptions(day_starts_at=6 * 3600)))
    snapshot.restore(fresh, json.loads(json.dumps(snapshot.dump(state, {}))))
    assert shown(fresh)["trading_daily_loss_ratio{sandbox,mm,mm-btc}"] == pytest.approx(0.1)
    assert shown(fresh, NOON + 18 * 3600)["trading_daily_loss_ratio{sandbox,mm,mm-btc}"] == 0


def an_intake(*lines: bytes):
    return Intake(state_after(*lines), clock=lambda: NOON)


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "deep" / "state.json"
    intake = an_intake(line("equity", equity="1000"))
    intake.marks["a"] = TailMark(1, 2, 3, 4, "5")
    StateFile(path, intake).save()
    again = an_intake()
    StateFile(path, again).load()
    assert shown(again.state)["trading_equity_peak{sandbox,mm,mm-btc,USDT}"] == 1000
    assert again.marks == intake.marks


def test_nothing_is_written_while_nothing_changes(tmp_path):
    path = tmp_path / "state.json"
    intake = an_intake(line("equity"))
    store = StateFile(path, intake)
    store.save()
    path.unlink()
    store.save()
    assert not path.exists()
    intake.feed([line("equity")], "http")
    store.save()
    assert path.exists()


def test_no_half_written_file_is_left_beside_it(tmp_path):
    StateFile(tmp_path / "state.json", an_intake(line("equity"))).save()
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def _saved() -> bytes:
    return json.dumps(snapshot.dump(state_after(line("equity"), line("position"), line("order_sent")), {})).encode()


UNREADABLE = {
    "empty": b"",
    "cut off": _saved()[:-20],
    "not JSON": b"hello",
    "a list": b"[]",
    "of another version": _saved().replace(b'"version": 2', b'"version": 1'),
    "a section gone": _saved().replace(b'"books"', b'"boks"'),
    "a number that is none": _saved().replace(b'"1000"', b'"1o00"'),
    "a row too short": _saved().replace(b'"USDT", "1000"', b'"1000"'),
    "a section of the wrong kind": _saved().replace(b'"engines": {', b'"engines": 7, "e": {'),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_file_is_put_aside_and_the_exporter_starts_empty(tmp_path, content):
    path = tmp_path / "state.json"
    path.write_bytes(content)
    intake = an_intake()
    store = StateFile(path, intake)
    store.load()
    assert store.load_failures == 1
    assert intake.state.books == {}
    assert intake.state.engines == {}
    assert (tmp_path / "state.json.unreadable").read_bytes() == content
    intake.feed([line("equity")], "http")
    store.save()
    assert json.loads(path.read_bytes())["version"] == 2


def test_no_file_yet_is_no_failure(tmp_path):
    store = StateFile(tmp_path / "state.json", an_intake())
    store.load()
    assert store.load_failures == 0


def test_a_folder_that_cannot_be_written_is_counted_and_survived(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = StateFile(Path(tmp_path / "file" / "state.json"), an_intake(line("equity")))
    store.save()
    store.save()
    assert store.save_failures == 2
    assert store.saved_at is None


def memory(intake, store=None):
    """What is said of the memory, by name."""
    families = (*readers.REST["memory"](intake.state, NOON), *(() if store is None else store.families()))
    return {name.partition("{")[0]: value for name, value in values(families).items()}


def test_an_empty_start_is_told_apart_from_one_that_remembers(tmp_path):
    path = tmp_path / "state.json"
    first = Intake(State(began_at=NOON), clock=lambda: NOON)
    store = StateFile(path, first)
    store.load()
    assert memory(first)["exporter_state_restored"] == 0
    assert memory(first)["exporter_state_began_timestamp_seconds"] == NOON
    store.save()
    second = Intake(State(began_at=NOON + 500), clock=lambda: NOON)
    StateFile(path, second).load()
    assert memory(second)["exporter_state_restored"] == 1
    assert memory(second)["exporter_state_began_timestamp_seconds"] == NOON


@pytest.mark.parametrize("content", [b"{", _saved().replace(b'"books"', b'"boks"')])
def test_an_unreadable_file_is_an_empty_start(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    intake = Intake(State(began_at=NOON), clock=lambda: NOON)
    store = StateFile(tmp_path / "state.json", intake)
    store.load()
    told = memory(intake, store)
    assert told["exporter_state_restored"] == 0
    assert told["exporter_state_load_failures_total"] == 1


def test_saving_that_is_stuck_is_seen_while_it_is(tmp_path):
    """A pipe that nobody reads stands in for a disk that does not answer."""
    os.mkfifo(tmp_path / "state.json.new")
    intake = an_intake(line("equity"))
    store = StateFile(tmp_path / "state.json", intake)
    store.start()
    until(lambda: memory(intake, store)["exporter_state_unsaved_seconds"] > 0.2, "the time that it waits")
    assert memory(intake, store)["exporter_state_save_failures_total"] == 0
    with (tmp_path / "state.json.new").open("rb") as pipe:
        (tmp_path / "state.json.new").unlink()
        pipe.read()
    store.stop()
    assert (tmp_path / "state.json").exists()
    assert memory(intake, store)["exporter_state_unsaved_seconds"] == 0


def test_saving_that_fails_is_waiting_too(tmp_path):
    (tmp_path / "file").write_text("in the way")
    intake = an_intake(line("equity"))
    store = StateFile(tmp_path / "file" / "state.json", intake)
    store.save()
    until(lambda: memory(intake, store)["exporter_state_unsaved_seconds"] > 0.05, "the time that it waits")
    (tmp_path / "file").unlink()
    assert store.save()
    assert memory(intake, store)["exporter_state_unsaved_seconds"] == 0


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([line("equity", strategy=f"s{n}") for n in range(4)], "strategies"),
        ([line("heartbeat", strategy=f"s{n}") for n in range(4)], "strategies"),
        ([line("margin", account=f"a{n}") for n in range(4)], "strategies"),
        ([line("position", currency=f"C{n}") for n in range(4)], "strategies"),
        ([line("order_sent", strategy=f"s{n}") for n in range(4)], "strategies"),
        ([line("order_sent", symbol=f"S{n}/USDT") for n in range(4)], "instruments"),
        ([line("heartbeat", engine=f"e{n}") for n in range(4)], "engines"),
        ([line("heartbeat", session=f"s{n}") for n in range(4)], "sessions"),
        ([line("fill", fee="1", fee_currency=f"C{n}") for n in range(4)], "currencies"),
    ],
)
def test_whatever_is_dropped_is_counted_by_what_there_was_no_room_for(lines, reason):
    most = {"strategies": 3, "instruments": 3 if reason == "instruments" else 9, "engines": 3, "sessions": 3}
    state = state_after(*lines, limits=Limits(**most))
    assert {name: count for name, count in state.dropped.items() if count} == {reason: 1}


def test_the_configured_strategies_have_room_whatever_the_state_file_is_full_of(tmp_path):
    path, limits = tmp_path / "state.json", Limits(strategies=3, instruments=3)
    full = Intake(State(Options(limits=limits)), clock=lambda: NOON)
    full.feed([line("order_sent", strategy=f"s{n}", symbol=f"S{n}/USDT") for n in range(3)], "http")
    StateFile(path, full).save()
    expected = Expected("e", ("sandbox", "mm", "mm-btc"), ("BTC/USDT:USDT",))
    again = Intake(State(Options(limits=limits, expected=(expected,))), clock=lambda: NOON)
    StateFile(path, again).load()
    assert shown(again.state)["trading_orders_sent_total{sandbox,mm,mm-btc,BTC/USDT:USDT}"] == 0
    assert len(again.state.strategies) == 3
