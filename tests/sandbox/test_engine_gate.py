"""The gate: paused is said when it is true, and a restart does not open it."""

import asyncio
import json

import pytest

from sandbox.engine.gate import Gate, TradingState
from sandbox.engine.state_file import StateFile

NAMES = ("mm-btc", "trend-btc")


@pytest.mark.parametrize(
    ("state", "adds", "reduces"),
    [
        (TradingState.RUNNING, True, True),
        (TradingState.REDUCE_ONLY, False, True),
        (TradingState.PAUSED, False, False),
    ],
)
def test_each_state_lets_out_what_it_says(state, adds, reduces):
    gate = Gate(state)
    with gate.permit(reduces=False) as allowed:
        assert allowed is adds
    with gate.permit(reduces=True) as allowed:
        assert allowed is reduces


def test_a_pause_is_settled_only_when_no_order_is_under_way():
    async def scenario():
        gate = Gate()
        landed = asyncio.Event()

        async def send():
            with gate.permit(reduces=False) as allowed:
                assert allowed
                await landed.wait()

        sending = [asyncio.create_task(send()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.state = TradingState.PAUSED
        settled = asyncio.create_task(gate.settled())
        await asyncio.sleep(0.01)
        assert not settled.done()
        landed.set()
        await asyncio.gather(*sending)
        await asyncio.wait_for(settled, 1)

    asyncio.run(scenario())


def test_a_send_that_breaks_does_not_keep_the_gate_unsettled():
    async def scenario():
        gate = Gate()
        with pytest.raises(RuntimeError), gate.permit(reduces=False):
            raise RuntimeError
        await asyncio.wait_for(gate.settled(), 1)

    asyncio.run(scenario())


def test_a_gate_told_to_ignore_says_paused_and_lets_out():
    async def scenario():
        gate = Gate(TradingState.PAUSED)
        gate.ignore = True
        with gate.permit(reduces=False) as allowed:
            assert allowed
            await asyncio.wait_for(gate.settled(), 1)
        assert gate.state is TradingState.PAUSED

    asyncio.run(scenario())


def test_without_a_file_all_strategies_run(tmp_path):
    assert StateFile(tmp_path / "none.json").read(NAMES) == dict.fromkeys(NAMES, TradingState.RUNNING)


def test_what_was_written_is_read_back(tmp_path):
    file = StateFile(tmp_path / "new" / "state.json")
    states = {"mm-btc": TradingState.PAUSED, "trend-btc": TradingState.REDUCE_ONLY}
    assert file.write(states)
    assert file.read(NAMES) == states
    assert list(file.path.parent.iterdir()) == [file.path]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"strategies": 3}', '{"strategies": {"mm-btc": "asleep"}}', "\x00"]
)
def test_a_file_that_makes_no_sense_stops_everything(tmp_path, content):
    path = tmp_path / "state.json"
    path.write_text(content)
    assert StateFile(path).read(NAMES) == dict.fromkeys(NAMES, TradingState.PAUSED)


def test_a_strategy_that_is_new_runs(tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"strategies": {"mm-btc": "paused"}}))
    assert StateFile(path).read(NAMES) == {"mm-btc": TradingState.PAUSED, "trend-btc": TradingState.RUNNING}


def test_a_state_that_cannot_be_stored_is_said(tmp_path):
    (tmp_path / "a-file").write_text("")
    assert not StateFile(tmp_path / "a-file" / "state.json").write({"mm-btc": TradingState.PAUSED})
