"""Every query of every dashboard, run against the whole sandbox stack: no panel is empty, and heatmaps have their rows.

One trip is made first, by a person through the API, so that the panels about kills have something to show.
"""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from grafana.build.live import Live, Series, Window, cells
from tests.monitoring import ROOT, wait_until
from tests.whole_stack import whole_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
SCOPE = {"venue": "sandbox", "account": "meanrev", "strategy": "meanrev-btc"}

# Queries that rightly return nothing on a healthy sandbox: (dashboard, panel, letter) -> why. Their panels have
# another query that does return something, so that no panel is empty.
NOTHING_TO_SHOW = {
    ("kill-switch", "Refused alerts", "A"): "no alert asked for what it may not have",
    ("kill-switch", "Notices delivered and failed", "B"): "no notice failed",
    ("pipeline", "Alertmanager to the webhook and to people", "B"): "no notification failed",
    ("pipeline", "Requests", "B"): "no request was rejected",
    ("pipeline", "Faults", "A"): "no loop met an error",
}


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel(name: str, title: str) -> dict[str, Any]:
    return next(panel for panel in panels(read(name)) if panel["title"] == title)


def finite(found: list[Series]) -> bool:
    return any(math.isfinite(value) for series in found for _, value in series.points)


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> Iterator[Live]:
    with whole_stack(tmp_path_factory.mktemp("stack")) as stack:
        prometheus = Live(stack.url("prometheus"))
        # A position of its own, so that the flatten has something to close.
        wait_until(
            lambda: stack.query("sum(increase(trading_fills_total[30s])) > 0 and count(trading_equity) >= 3"),
            seconds=60,
            pause=0.5,
            what="trades",
        )
        trip = stack.webhook("POST", "trips", {"action": "flatten", "scope": SCOPE, "reason": "a test of the pages"})
        wait_until(
            lambda: stack.webhook("GET", f"trips/{trip['id']}")["verified"], seconds=30, pause=0.2, what="verified"
        )
        stack.webhook("POST", "resumes", {"scope": SCOPE, "reason": "a test of the pages"})
        # Rates need two scrapes five seconds apart after the trip; Watchdog comes every ten.
        wait_until(
            lambda: stack.query(
                "count_over_time(trading_orders_open[1m]) > 4 and on () max(andon_watchdog_last_timestamp_seconds) > 0"
                ' and on () sum(rate(alertmanager_notifications_total{integration="webhook"}[20s])) > 0'
            ),
            seconds=90,
            pause=0.5,
            what="enough scrapes",
        )
        yield prometheus


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


def test_marks_over_the_graphs_show_the_stopped_scope(live, window):
    board = read("overview")
    marks = {mark["name"]: mark for mark in board["annotations"]["list"] if "target" in mark}
    stopped = live.run(marks["Stopped scopes"]["target"], {}, window)
    assert any("meanrev-btc" in series.labels["scope"] for series in stopped)
    # Nothing breaches on a healthy sandbox; the query must at least be one that Prometheus understands.
    for mark in marks.values():
        live.run(mark["target"], {}, window)


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
    for lower, upper in pairwise(ordered):
        for (_, below), (_, above) in zip(lower.points, upper.points, strict=True):
            # Rates of buckets are floats of their own: allow for the last digits.
            assert above >= below - 1e-6 * max(1.0, abs(above)) or math.isnan(above)
    assert any(value > 0 for row in cells(found) for _, value in row.points)
