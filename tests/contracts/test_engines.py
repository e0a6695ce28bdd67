"""What every engine promises.  A new kind of engine joins by a line in `tests.engine_benches.BENCHES`."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.engine_benches import BENCHES, TIMEOUT, TOKEN, Bench, http_engine, sandbox_engine_options
from tests.sandbox_fixtures import accounts_of, running_program, running_venue
from webhook.actions.port import Engine, EngineState
from webhook.engines import ENGINES
from webhook.errors import AndonError, PermanentError, TemporaryError
from webhook.killswitch.scope import GLOBAL, Scope

MM, TREND = Scope.of({"strategy": "mm-btc"}), Scope.of({"strategy": "trend-btc"})
RUNNING = {"mm-btc": "running", "trend-btc": "running"}


@pytest.fixture(params=BENCHES)
def bench(request, tmp_path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path) as made:
        yield made


def state(engine: Engine, part: Scope) -> EngineState:
    """What the engine says of one part."""
    return engine.status((part,), TIMEOUT)[part]


def test_every_kind_of_engine_is_under_contract():
    assert set(ENGINES) == set(BENCHES)


def test_it_answers_a_ping_in_seconds(bench):
    assert 0 <= bench.engine.ping(TIMEOUT) < TIMEOUT


def test_it_runs_until_it_is_told_otherwise(bench):
    assert bench.states() == RUNNING
    assert state(bench.engine, GLOBAL) is EngineState.RUNNING


def test_blocking_all_stops_everything_and_can_be_repeated(bench):
    for _ in range(2):
        assert bench.engine.block(GLOBAL, "drawdown", TIMEOUT) is EngineState.BLOCKED
    assert bench.states() == dict.fromkeys(RUNNING, "blocked")
    assert state(bench.engine, GLOBAL) is EngineState.BLOCKED


@pytest.mark.parametrize(
    "labels",
    [
        {"strategy": "mm-btc"},
        {"account": "mm"},
        {"venue": "sandbox", "account": "mm"},
        {"venue": "sandbox", "account": "mm", "strategy": "mm-btc", "symbol": "BTC/USDT:USDT"},
    ],
    ids=str,
)
def test_blocking_a_part_leaves_the_rest_alone(bench, labels):
    scope = Scope.of(labels)
    assert bench.engine.block(scope, "drawdown", TIMEOUT) is EngineState.BLOCKED
    assert bench.states() == {"mm-btc": "blocked", "trend-btc": "running"}
    assert state(bench.engine, scope) is EngineState.BLOCKED
    assert state(bench.engine, Scope.of({"account": "trend"})) is EngineState.RUNNING


def test_the_state_of_a_scope_is_that_of_its_least_restricted_part(bench):
    bench.engine.block(MM, "drawdown", TIMEOUT)
    assert state(bench.engine, GLOBAL) is EngineState.RUNNING
    bench.engine.reduce_only(Scope.of({"strategy": "trend-btc"}), "drawdown", TIMEOUT)
    assert state(bench.engine, GLOBAL) is EngineState.REDUCE_ONLY


def test_the_states_of_many_parts_are_asked_at_once(bench):
    ghost = Scope.of({"strategy": "unknown"})
    bench.engine.block(MM, "drawdown", TIMEOUT)
    before = bench.asked()
    assert bench.engine.status((MM, TREND, ghost, GLOBAL), TIMEOUT) == {
        MM: EngineState.BLOCKED,
        TREND: EngineState.RUNNING,
        ghost: EngineState.UNKNOWN,
        GLOBAL: EngineState.RUNNING,
    }
    assert bench.asked() == before + 1
    assert bench.engine.status((), TIMEOUT) == {}


def test_reduce_only_is_a_state_of_its_own(bench):
    assert bench.engine.capabilities.reduce_only
    assert bench.engine.reduce_only(MM, "stale feed", TIMEOUT) is EngineState.REDUCE_ONLY
    assert bench.states()["mm-btc"] == "reduce_only"
    assert state(bench.engine, MM) is EngineState.REDUCE_ONLY


def test_resuming_lets_it_run_again_and_can_be_repeated(bench):
    bench.engine.block(GLOBAL, "drawdown", TIMEOUT)
    for _ in range(2):
        assert bench.engine.resume(GLOBAL, "approved", TIMEOUT) is EngineState.RUNNING
    assert bench.states() == RUNNING


def test_a_scope_in_which_nothing_trades_is_not_confirmed(bench):
    with pytest.raises(AndonError) as fault:
        bench.engine.block(Scope.of({"strategy": "unknown"}), "drawdown", TIMEOUT)
    assert fault.value.reason in ("nothing_matched", "not_confirmed")
    assert bench.states() == RUNNING


def test_the_state_of_a_scope_in_which_nothing_trades_is_unknown(bench):
    assert state(bench.engine, Scope.of({"strategy": "unknown"})) is EngineState.UNKNOWN


def test_an_engine_that_trades_on_is_found_out_by_its_state(bench):
    bench.ignore_what_it_is_told()
    bench.engine.block(GLOBAL, "drawdown", TIMEOUT)
    assert state(bench.engine, GLOBAL) is EngineState.RUNNING


def test_an_engine_that_hangs_keeps_nobody_longer_than_the_timeout(bench):
    bench.hang()
    for ask in (
        lambda: bench.engine.block(GLOBAL, "drawdown", 0.2),
        lambda: bench.engine.reduce_only(GLOBAL, "drawdown", 0.2),
        lambda: bench.engine.resume(GLOBAL, "drawdown", 0.2),
        lambda: bench.engine.status((GLOBAL,), 0.2),
        lambda: bench.engine.ping(0.2),
    ):
        started = time.monotonic()
        with pytest.raises(TemporaryError):
            ask()
        assert time.monotonic() - started < 3


def test_an_engine_that_is_gone_is_an_error_and_never_confirmed(bench):
    bench.vanish()
    for ask in (
        lambda: bench.engine.block(GLOBAL, "drawdown", TIMEOUT),
        lambda: bench.engine.resume(GLOBAL, "drawdown", TIMEOUT),
        lambda: state(bench.engine, GLOBAL),
        lambda: bench.engine.ping(TIMEOUT),
    ):
        with pytest.raises(TemporaryError) as fault:
            ask()
        assert not isinstance(fault.value, PermanentError)


@pytest.mark.stack
def test_the_sandbox_s_own_engine_is_stopped_and_started_by_configuration_alone(tmp_path):
    accounts = accounts_of(["mm", "trend", "meanrev"])
    keys, token = tmp_path / "accounts.json", tmp_path / "token"
    keys.write_text(json.dumps(accounts))
    token.write_text(TOKEN)
    with (
        running_venue(accounts) as venue,
        running_program(
            "engine",
            [
                *("--venue-url", venue.url, "--accounts", str(keys), "--control-token-file", str(token)),
                *("--events-url", "", "--state-file", str(tmp_path / "state.json")),
            ],
        ) as (url, _),
    ):
        engine = http_engine(sandbox_engine_options(url, token))
        assert engine.ping(TIMEOUT) < TIMEOUT
        assert state(engine, GLOBAL) is EngineState.RUNNING
        assert engine.block(MM, "drawdown", TIMEOUT) is EngineState.BLOCKED
        assert state(engine, MM) is EngineState.BLOCKED
        assert state(engine, GLOBAL) is EngineState.RUNNING
        symbol = Scope.of({"venue": "sandbox", "symbol": "BTC/USDT:USDT"})
        assert engine.reduce_only(symbol, "stale feed", TIMEOUT) is EngineState.REDUCE_ONLY
        assert state(engine, symbol) is EngineState.REDUCE_ONLY
        assert engine.resume(GLOBAL, "approved", TIMEOUT) is EngineState.RUNNING
        assert state(engine, GLOBAL) is EngineState.RUNNING
        with pytest.raises(TemporaryError) as fault:
            engine.block(Scope.of({"strategy": "unknown"}), "drawdown", TIMEOUT)
        assert fault.value.reason == "not_confirmed"
        engine.close()
