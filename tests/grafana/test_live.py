"""Every query of every dashboard, run against the whole sandbox stack: no panel is empty, and heatmaps have their rows.

Two strategies are stopped first, one by a person through the API and one by a breach, so that the panels about kills
have something to show.
"""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from grafana.pictures.live import Live, Series, Window, cells
from tests.monitoring import ROOT, wait_until
from tests.postgres import NoPostgresError, Postgres
from tests.whole_stack import whole_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
SCOPE = {"venue": "sandbox", "account": "meanrev", "strategy": "meanrev-btc"}

# Queries that rightly return nothing on a healthy sandbox: (dashboard, panel, letter) -> why. Their panels have
# another query that does return something, so that no panel is empty, but for those of EMPTY.
NOTHING_TO_SHOW = {
    ("kill-switch", "Refused alerts", "A"): "no alert asked for what it may not have",
    ("kill-switch", "Notices delivered and failed", "B"): "no notice failed",
    ("pipeline", "Alertmanager to the webhook and to people", "B"): "no notification failed",
    ("pipeline", "Requests", "B"): "no request was rejected",
    ("pipeline", "Faults", "A"): "no loop met an error",
    ("risk", "How unusual", "A"): "half an hour of samples comes first",
    ("system", "Clock offset", "B"): "nobody asks time servers on the internet unless told to",
    ("system", "Replication lag of PostgreSQL", "A"): "the test's server has no replica",
}
EMPTY = {("system", "Replication lag of PostgreSQL")}


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel(name: str, title: str) -> dict[str, Any]:
    return next(panel for panel in panels(read(name)) if panel["title"] == title)


def finite(found: list[Series]) -> bool:
    return any(math.isfinite(value) for series in found for _, value in series.points)


# The sandbox's strategies may wait for minutes; a page wants to show trades at once.
EAGER = {
    "trend-btc": {"fast_seconds": "2", "slow_seconds": "5", "band_ratio": "0", "pause_seconds": "5"},
    "meanrev-btc": {"samples": "10", "enter_z": "0.3", "leave_z": "0.1"},
}
# A runaway breaches the child/parent ratio or the order rate, whichever Prometheus sees first.
RUNAWAY = 'ALERTS{strategy="mm-btc", kill_action="halt", alertstate="firing"}'
# What takes longest to know: a session to compare with, enough changes of equity, a position held for a while.
SLOW = (
    "market_data_depth_ratio",
    "market_data_volume_at_price_anomaly_score",
    "risk_value_at_risk",
    "risk_concentration_ratio",
    "trading_inventory_turnover_ratio",
    'rate(trading_slippage_ratio_bucket{le="+Inf"}[20s]) > 0',
    'rate(alertmanager_notifications_total{integration="webhook"}[20s]) > 0',
    "andon_watchdog_last_timestamp_seconds > 0",
    "database_cache_hit_ratio",
    'signal:adaptive:value{signal="pnl"} and on () signal:adaptive_score_limit:sigmas',
)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    try:
        postgres = Postgres()
    except NoPostgresError as error:
        pytest.skip(str(error))
    try:
        postgres.start()
        yield postgres.new_database()
    finally:
        postgres.remove()


@pytest.fixture(scope="module")
def live(tmp_path_factory, database) -> Iterator[Live]:
    with whole_stack(tmp_path_factory.mktemp("stack"), {"orders": database}, hurried=True) as stack:
        for strategy, parameters in EAGER.items():
            stack.engine("control/parameters", {"strategy": strategy, "parameters": parameters})
        missing: list[str] = []

        def known() -> bool:
            missing[:] = [series for series in SLOW if not stack.query(series)]
            return not missing

        wait_until(known, seconds=180, pause=0.2, what="everything that takes its time", hint=lambda: str(missing))
        trip = stack.webhook("POST", "trips", {"action": "flatten", "scope": SCOPE, "reason": "a test of the pages"})
        done = f"trips/{trip['id']}"
        wait_until(lambda: stack.webhook("GET", done)["verified"], seconds=30, pause=0.2, what="verified")
        stack.webhook("POST", "resumes", {"scope": SCOPE, "reason": "a test of the pages"})
        stack.engine("faults", {"kind": "runaway", "strategy": "mm-btc"})
        breach = 'andon_last_kill_stage_seconds{stage="received", scope=~".*mm-btc"} and on () ' + RUNAWAY
        wait_until(lambda: stack.query(breach), seconds=60, pause=0.2, what="a kill by a breach")
        # A halt is kept by sweeps, and the page shows their rate.
        sweeps = 'sum(rate(andon_sweeps_total{outcome="empty"}[20s])) > 0 and on () count(andon_residual_orders)'
        wait_until(lambda: stack.query(sweeps), seconds=30, pause=0.5, what="sweeps")
        yield Live(stack.url("prometheus"))


@pytest.fixture(scope="module")
def window(live) -> Window:  # noqa: ARG001  (not before there is something to see)
    return Window.last(60)


def run(live: Live, name: str, title: str, window: Window) -> list[Series]:
    board = read(name)
    return live.run(panel(name, title)["targets"][0], live.variables(board), window)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_returns_data(file: Path, live, window):
    board = read(file.stem)
    variables = live.variables(board)
    assert all(variables.values()), variables
    empty = []
    for shown in panels(board):
        answers = {target["refId"]: live.run(target, variables, window) for target in shown["targets"]}
        if (file.stem, shown["title"]) not in EMPTY:
            assert any(finite(found) for found in answers.values()), f"{shown['title']} is empty"
        empty += [(file.stem, shown["title"], letter) for letter, found in answers.items() if not finite(found)]
    assert set(empty) - set(NOTHING_TO_SHOW) == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_offers_values(file: Path, live):
    for variable in read(file.stem)["templating"]["list"]:
        if variable["type"] == "query":
            assert live.values_of(variable), variable["name"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_series_of_a_panel_has_a_name_of_its_own(file: Path, live, window):
    board = read(file.stem)
    variables = live.variables(board)
    for shown in panels(board):
        names = [series.name for target in shown["targets"] for series in live.run(target, variables, window)]
        assert len(set(names)) == len(names), f"{shown['title']}: {sorted(names)}"


def test_marks_over_the_graphs_show_stopped_scopes_and_kill_alerts(live, window):
    board = read("overview")
    marks = {mark["name"]: mark for mark in board["annotations"]["list"] if "target" in mark}
    stopped = live.run(marks["Stopped scopes"]["target"], {}, window)
    assert any("meanrev-btc" in series.labels["scope"] for series in stopped)
    kills = live.run(marks["Kill alerts"]["target"], {}, window)
    assert "mm-btc" in {series.labels["strategy"] for series in kills}
    # A healthy sandbox has no other alert; the query must at least be one that Prometheus understands.
    live.run(marks["Other alerts"]["target"], {}, window)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (file.stem, shown["title"])
        for file in FILES
        for shown in panels(read(file.stem))
        if shown["type"] == "heatmap" and shown["targets"][0].get("format") == "heatmap"
    ],
)
def test_buckets_of_a_heatmap_are_cumulative_and_make_a_grid(name, title, live, window):
    found = run(live, name, title, window)
    edges = sorted(float(series.labels["le"]) for series in found)
    assert len(edges) >= 4, "too few rows to be a picture"
    assert len(set(edges)) == len(edges)
    assert [set(series.labels) for series in found] == [{"le"}] * len(found)
    times = {tuple(moment for moment, _ in series.points) for series in found}
    assert len(times) == 1, "every row has a cell at every moment"
    ordered = sorted(found, key=lambda series: float(series.labels["le"]))
    # increase() extrapolates each bucket for itself, a young one less than an old one: it may come out a little lower
    # than the bucket before. Gauges are exact.
    counted = "increase(" in panel(name, title)["targets"][0]["expr"]
    for lower, upper in pairwise(ordered):
        for (_, below), (_, above) in zip(lower.points, upper.points, strict=True):
            assert above >= below * (0.75 if counted else 1 - 1e-9)
    assert any(value > 0 for row in cells(found) for _, value in row.points)
