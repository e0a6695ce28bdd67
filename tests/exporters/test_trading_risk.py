"""Value at risk and its kin against numpy on known series, and what happens with deposits, gaps and restarts."""

import json
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.trading import snapshot
from exporters.trading.apply import apply
from exporters.trading.events import parse
from exporters.trading.intake.intake import Intake
from exporters.trading.risk.curve import Curve
from exporters.trading.risk.estimates import (
    Estimate,
    RiskOptions,
    deviation,
    historical,
    needed,
    parametric,
    quantile,
)
from exporters.trading.risk.sampler import RiskSampler
from exporters.trading.state import Options, State
from tests.exporters.lines import NOON, line, shown, state_after

MM = "sandbox,mm,mm-btc"
MINUTES = RiskOptions(interval_seconds=60, observations=500, min_observations=20, horizons=(("1m", 60), ("1h", 3600)))
money = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(money, min_size=2, max_size=300), st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99]))
def test_the_quantile_is_numpy_s(changes, confidence):
    ours = quantile(sorted(changes), 1 - confidence)
    assert ours == pytest.approx(np.quantile(changes, 1 - confidence), rel=1e-9, abs=1e-6)


@given(st.lists(money, min_size=2, max_size=300))
def test_the_deviation_is_that_about_zero(changes):
    assert deviation(changes) == pytest.approx(np.sqrt(np.mean(np.square(changes))), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.99])
def test_a_normal_series_gives_the_numbers_of_the_books(confidence):
    changes = np.random.default_rng(7).normal(0.0, 50.0, 200_000)
    ordered = sorted(changes.tolist())
    limit = np.quantile(changes, 1 - confidence)
    by_history = historical(ordered, confidence)
    assert by_history.value_at_risk == pytest.approx(-limit, rel=1e-12)
    assert by_history.expected_shortfall == pytest.approx(-changes[changes <= limit].mean(), rel=1e-12)
    by_formula = parametric(deviation(ordered), confidence)
    z = NormalDist().inv_cdf(confidence)
    assert by_formula.value_at_risk == pytest.approx(z * np.sqrt(np.mean(changes**2)), rel=1e-9)
    assert by_formula.value_at_risk == pytest.approx(by_history.value_at_risk, rel=0.02)
    assert by_formula.expected_shortfall == pytest.approx(by_history.expected_shortfall, rel=0.02)


def test_the_factors_are_the_known_ones():
    assert parametric(1, 0.95).value_at_risk == pytest.approx(1.6449, abs=1e-4)
    assert parametric(1, 0.99).value_at_risk == pytest.approx(2.3263, abs=1e-4)
    assert parametric(1, 0.975).expected_shortfall == pytest.approx(2.3378, abs=1e-4)


def test_yesterday_s_profit_makes_today_s_risk_no_smaller():
    """A good day of +30 a minute, give or take 10: the old way called the risk of a day a gain of 42,000."""
    good = np.random.default_rng(5).normal(30, 10, 1440)
    assert parametric(deviation(good.tolist()), 0.99).over(1440).value_at_risk > 2.3 * 10 * math.sqrt(1440)


def test_nothing_at_risk_is_zero_and_not_minus_zero():
    assert str(historical([0.0, 0.0], 0.5).value_at_risk) == "0.0"


def test_a_longer_horizon_scales_by_its_root():
    one = historical([-4.0, 0, 0, 0, 0], 0.8)
    assert one.over(9) == Estimate(3 * one.value_at_risk, 3 * one.expected_shortfall)


def test_a_tail_needs_someone_in_it():
    assert [needed(each) for each in (0.5, 0.9, 0.95, 0.99, 0.999)] == [2, 10, 20, 100, 1000]


def walked(changes, *, options=MINUTES, deposits=None, every=60.0):
    """The state after an equity that makes these changes, said twice in every interval."""
    state, equity, paid = State(Options(risk=options)), 10_000.0, 0
    for number, change in enumerate([0.0, *changes, 0.0]):
        paid += (deposits or {}).get(number, 0)
        equity += change
        for second, off in ((10, 5.0), (50, 0.0)):
            time = NOON + number * every + second
            told = line("equity", time=time, equity=f"{equity + paid + off:.4f}", net_deposits=str(paid))
            apply(state, parse(told), time)
    return state


CHANGES = [round(each, 2) for each in np.random.default_rng(3).normal(1, 40, 150).tolist()]


def at_risk(seen, name="risk_value_at_risk", basis="pnl"):
    own = f"{name}{{{MM},{basis},"
    return {key.removeprefix(own): value for key, value in seen.items() if key.startswith(own)}


def test_the_series_are_those_of_numpy_over_the_equity_changes():
    seen = shown(walked(CHANGES))
    found, worse = at_risk(seen), at_risk(seen, "risk_expected_shortfall")
    low = np.quantile(CHANGES, 0.05)
    assert found["historical,0.95,1m,USDT}"] == pytest.approx(-low)
    assert found["historical,0.95,1h,USDT}"] == pytest.approx(-low * math.sqrt(60))
    assert worse["historical,0.95,1m,USDT}"] == pytest.approx(-np.mean([each for each in CHANGES if each <= low]))
    spread = np.sqrt(np.mean(np.square(CHANGES)))
    assert found["parametric,0.99,1h,USDT}"] == pytest.approx(2.3263478740 * spread * math.sqrt(60))
    assert set(at_risk(seen, "risk_value_at_risk_observations").values()) == {len(CHANGES)}


def test_money_moved_in_or_out_is_no_profit():
    assert at_risk(shown(walked(CHANGES, deposits={20: 5_000, 90: -9_000}))) == pytest.approx(
        at_risk(shown(walked(CHANGES)))
    )


def test_with_too_few_observations_it_is_absent_and_the_count_says_why():
    seen = shown(walked(CHANGES[:19]))
    assert at_risk(seen) == {}
    assert set(at_risk(seen, "risk_value_at_risk_observations").values()) == {19}
    few = at_risk(shown(walked(CHANGES[:30])))
    assert "historical,0.95,1m,USDT}" in few
    assert "parametric,0.99,1m,USDT}" in few
    assert "historical,0.99,1m,USDT}" not in few, "one in a hundred cannot be seen in thirty"


def test_a_gap_is_not_taken_for_one_interval():
    state = walked(CHANGES[:30])
    before = len(next(iter(state.curves.values())).changes)
    for number, equity in enumerate(("1", "2", "3", "4")):
        time = NOON + 40 * 3600 + number * 60
        apply(state, parse(line("equity", time=time, equity=equity)), time)
    curve = next(iter(state.curves.values()))
    assert list(curve.changes)[before:] == [1.0, 1.0]


def test_only_the_last_observations_are_kept():
    options = RiskOptions(observations=50, min_observations=20, horizons=(("1m", 60),))
    seen = at_risk(shown(walked(CHANGES, options=options)))
    assert seen["historical,0.95,1m,USDT}"] == pytest.approx(-np.quantile(CHANGES[-50:], 0.05))


def test_a_restart_forgets_nothing_and_another_interval_begins_anew():
    state = walked(CHANGES)
    saved = json.loads(json.dumps(snapshot.dump(state, {})))
    again = state.fresh(0.0)
    snapshot.restore(again, saved)
    assert at_risk(shown(again)) == at_risk(shown(state))
    other = State(Options(risk=RiskOptions(interval_seconds=1)))
    snapshot.restore(other, saved)
    assert set(at_risk(shown(other), "risk_value_at_risk_observations").values()) == {0}


def marked(*prices: list[float], quantities, options=MINUTES):
    """The state after a mark price a minute of each symbol, holding so much of each now; already sampled."""
    state = State(Options(risk=options))
    for number, row in enumerate(zip(*prices, strict=True)):
        time = NOON + 60 * number
        for symbol, price in enumerate(row):
            held = quantities[symbol] if number == len(prices[0]) - 1 else 0
            told = line(
                "position", time=time, symbol=f"C{symbol}/USDT:USDT", quantity=str(held), mark_price=f"{price:.6f}"
            )
            apply(state, parse(told), time)
    RiskSampler(Intake(state)).sample()
    return state


WALK = [
    [round(float(each), 4) for each in 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 202)))]
    for seed in (1, 2)
]
RETURNS = [np.diff(walk[:-1]) / np.array(walk[:-2]) for walk in WALK]


def test_the_present_position_is_at_risk_by_the_returns_that_were():
    """A position that was opened a moment ago has no profit and loss to go by."""
    seen = shown(marked(WALK[0], quantities=[-30]))
    worth = -30 * WALK[0][-1]
    changes = worth * RETURNS[0]
    found = at_risk(seen, basis="position")
    assert found["historical,0.95,1m,USDT}"] == pytest.approx(-np.quantile(changes, 0.05))
    assert found["parametric,0.99,1h,USDT}"] == pytest.approx(2.3263478740 * np.sqrt(np.mean(changes**2) * 60))
    assert at_risk(seen, "risk_value_at_risk_observations", "position") == {"USDT}": 200}
    assert at_risk(seen) == {}


def test_positions_that_hedge_each_other_are_less_at_risk():
    twice = shown(marked(WALK[0], WALK[0], quantities=[30, -30]))
    assert at_risk(twice, basis="position")["parametric,0.99,1h,USDT}"] == pytest.approx(0, abs=1e-9)
    apart = at_risk(shown(marked(*WALK, quantities=[30, 50])), basis="position")
    changes = 30 * WALK[0][-1] * RETURNS[0] + 50 * WALK[1][-1] * RETURNS[1]
    assert apart["historical,0.99,1m,USDT}"] == pytest.approx(-np.quantile(changes, 0.01))


def test_what_is_flat_has_nothing_at_risk():
    assert set(at_risk(shown(marked(WALK[0], quantities=[0])), basis="position").values()) == {0}


def test_a_symbol_without_returns_leaves_the_risk_of_the_whole_unknown():
    state = marked(WALK[0], quantities=[30])
    told = line("position", time=NOON + 99_999, symbol="NEW/USDT:USDT", quantity="5", mark_price="1")
    apply(state, parse(told), NOON)
    RiskSampler(Intake(state)).sample()
    assert at_risk(shown(state), basis="position") == {}
    assert at_risk(shown(state), "risk_value_at_risk_observations", "position") == {"USDT}": 0}


def test_losses_beyond_the_value_at_risk_are_counted():
    """Of normal changes one in twenty lies beyond 0.95; the estimate is one that was made before the change."""
    changes = np.random.default_rng(11).normal(0, 40, 2_000).tolist()
    curve = Curve()
    options = RiskOptions(observations=500, min_observations=100)
    expected = 0
    for number, change in enumerate(changes):
        if number >= 100:
            expected += -change > -np.quantile(changes[max(0, number - 500) : number], 0.05)
        curve.add(change, options)
    way = ("pnl", ("historical", "0.95"))
    assert curve.tests[way] == 1_900
    assert curve.exceptions[way] == expected
    for method in ("historical", "parametric"):
        assert 0.035 < curve.exceptions["pnl", (method, "0.95")] / 1_900 < 0.065


def test_losses_are_held_against_the_risk_of_the_positions_too():
    state = marked(WALK[0], quantities=[30])
    at = NOON + 60 * 300
    for number, equity in enumerate((10_000, 10_000, 10_000, 9_000, 9_000, 9_000)):
        apply(state, parse(line("equity", time=at + 60 * number, equity=str(equity))), at)
    seen = shown(state)
    way = f"{MM},position,historical,0.95,USDT"
    assert seen[f"risk_value_at_risk_tests_total{{{way}}}"] == 4
    assert seen[f"risk_value_at_risk_exceptions_total{{{way}}}"] == 1


def test_leverage_is_gross_exposure_over_equity():
    lines = [
        line("equity", equity="1000"),
        line("position", quantity="-20"),
        line("position", symbol="X/USDT", quantity="5"),
    ]
    seen = shown(state_after(*lines))
    assert seen[f"risk_leverage_ratio{{{MM}}}"] == 2.5
    assert seen[f"risk_concentration_ratio{{{MM}}}"] == 0.8


def test_exposure_without_equity_is_infinite_leverage_and_without_word_of_equity_none():
    position = line("position", quantity="1")
    assert shown(state_after(position, line("equity", equity="-5")))[f"risk_leverage_ratio{{{MM}}}"] == math.inf
    assert f"risk_leverage_ratio{{{MM}}}" not in shown(state_after(position))


def test_a_flat_strategy_has_no_leverage_and_no_concentration():
    seen = shown(state_after(line("equity"), line("position", quantity="0")))
    assert seen[f"risk_leverage_ratio{{{MM}}}"] == 0
    assert f"risk_concentration_ratio{{{MM}}}" not in seen


def test_the_deepest_drawdown_stays_after_it_was_won_back_until_its_day_is_long_ago():
    day = 86_400.0
    state = state_after(
        line("equity", equity="1000"), line("equity", equity="700"), line("equity", equity="1000"), received=NOON
    )
    assert shown(state)[f"risk_max_drawdown_ratio{{{MM}}}"] == pytest.approx(0.3)
    for number in range(1, 31):
        time = NOON + number * day
        apply(state, parse(line("equity", equity="1000", time=time)), time)
    assert shown(state)[f"risk_max_drawdown_ratio{{{MM}}}"] == 0
