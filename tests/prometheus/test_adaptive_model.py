"""The adaptive rules on simulated days: they rest on usual days, and find a loss of 1 % of equity within a minute."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.monitoring import MissingProgramError, find
from tests.prometheus.adaptive_model import HOUR, KINDS, MINUTE, STEP, Judged, garch, measure, t3, with_loss
from tests.prometheus.ruleset import RULES

SIGMA = 0.0003


@pytest.mark.parametrize("kind", KINDS)
def test_usual_days_hardly_page_or_reduce_and_a_loss_of_one_percent_is_found_within_a_minute(kind: str) -> None:
    """Ten days of each kind: less than a page a day, one reduce at most.  The module measures hundreds."""
    found = measure(kind, SIGMA, runs=1, days=10, losses=1)
    assert found.pages < 1
    assert found.reduces <= 0.1
    assert max(found.found_after) <= 60


def test_a_first_loss_of_a_hundred_after_a_flat_hour_is_no_reason_to_reduce_a_million() -> None:
    moves = np.zeros(4 * HOUR)
    moves[3 * HOUR] = -100 / 1_000_000
    judged = Judged(moves)
    assert not judged.reduces.any()
    assert not judged.pages.any()


def test_an_idle_hour_does_not_make_a_usual_loss_unusual() -> None:
    """The tail of the last day remembers the busy hours."""
    moves = t3(np.random.default_rng(1), 1, SIGMA)
    moves[-2 * HOUR :] = 0
    moves[-10] = -8 * SIGMA
    assert np.isfinite(Judged(moves).robust[-10])
    assert not Judged(moves).reduces.any()


def test_a_loss_of_one_percent_within_a_minute_is_found_before_there_is_any_history() -> None:
    moves = with_loss(np.zeros(HOUR), 5 * MINUTE, 0.01, MINUTE)
    judged = Judged(moves)
    assert np.isnan(judged.robust[: 10 * MINUTE]).all()
    assert judged.reduces[5 * MINUTE : 7 * MINUTE].any()


def test_the_model_computes_what_prometheus_computes(tmp_path: Path) -> None:
    """Scores to nine digits and both alerts, of normal-sized and of wild strategies, looked at every few minutes."""
    try:
        promtool = find("promtool")
    except MissingProgramError as error:
        pytest.skip(str(error))
    check_against(promtool, tmp_path, hours=2)


def check_against(promtool: Path, folder: Path, hours: int) -> None:
    """Have promtool evaluate the real rules over the same samples; raises AssertionError where it finds others."""
    steps = hours * HOUR
    rng = np.random.default_rng(7)
    strategies = {
        "usual": t3(rng, hours // 24 + 1, SIGMA)[:steps],
        "gains": with_loss(garch(rng, hours // 24 + 1, SIGMA)[:steps], steps - HOUR // 2, -0.006, 2),
        "loses": with_loss(t3(rng, hours // 24 + 1, SIGMA)[:steps], steps - HOUR // 2, 0.012, MINUTE),
        "empty": with_loss(np.zeros(steps), steps - HOUR // 2, 0.0025, 1),
    }
    judged = {name: Judged(moves) for name, moves in strategies.items()}
    assert judged["loses"].reduces.any()
    assert judged["gains"].pages.any()
    assert not judged["usual"].reduces.any()
    looks = sorted({*range(HOUR, steps, 5 * MINUTE + 1), *range(steps - HOUR // 2 - 2, steps - HOUR // 2 + 12)})
    content = {
        "rule_files": [str(path) for path in FILES],
        "evaluation_interval": f"{STEP}s",
        "group_eval_order": ORDER,
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": [
                    {
                        "series": f'{metric}{{venue="v", account="a", strategy="{name}", currency="USDT"}}',
                        "values": " ".join(repr(float(value)) for value in one.equity),
                    }
                    for name, one in judged.items()
                    for metric in ("trading_equity", "trading_adjusted_equity")
                ],
                "promql_expr_test": [_expected(judged, at) for at in looks],
            }
        ],
    }
    path = folder / "model.test.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]


HERE = Path(__file__).parent
FILES = (
    HERE / "limits.defaults.yml",
    RULES / "present.rules.yml",
    RULES / "trading.alerts.yml",
    RULES / "adaptive.rules.yml",
    RULES / "adaptive.alerts.yml",
)
ORDER = ["limits-in-force", "present", "trading-limits", "adaptive-limits", "adaptive-usual", "adaptive"]


def _expected(judged: dict[str, Judged], at: int) -> dict[str, Any]:
    """Both scores, and 1 for each alert that fires, at one step."""
    samples = []
    for name, one in judged.items():
        for method, score in (("zscore", one.zscore[at]), ("robust", one.robust[at])):
            samples.append((f'{{strategy="{name}", method="{method}"}}', float(f"{score:.9g}")))
        for alert, fires in (("AdaptivePnlUnusual", one.pages[at]), ("AdaptiveLossUnusual", one.reduces[at])):
            if fires:
                samples.append((f'{{strategy="{name}", alertname="{alert}"}}', 1.0))
    return {
        "expr": (
            "max by (strategy, method) (round(signal:adaptive:score, 1e-6))"
            ' or max by (strategy, alertname) (ALERTS{alertstate="firing", alertname=~"Adaptive(Pnl|Loss)Unusual"})'
        ),
        "eval_time": f"{at * STEP}s",
        "exp_samples": [{"labels": labels, "value": round(value, 6)} for labels, value in samples],
    }
