"""The dashboards as Grafana will load them: what its own linter asks for, and what users trip over."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.promql import metrics_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
METRICS = ROOT / "docs" / "metrics.md"
# What Prometheus makes by itself.
OF_PROMETHEUS = {"ALERTS", "up", "scrape_duration_seconds", "scrape_samples_scraped"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Grafana's linter wants variables `job` and `instance`. Ours choose by strategy, venue or symbol: rules take job and
# instance away, so that an exporter may move, and a trader does not think in scrape targets.

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def panels(file: Path) -> list[dict[str, Any]]:
    found = []
    for panel in read(file)["panels"]:
        found += [panel, *panel.get("panels", [])]
    return [panel for panel in found if panel["type"] != "row"]


def queries(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in panels(file):
        for target in panel["targets"]:
            yield panel["title"], target


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboards")
    subprocess.run([sys.executable, "-m", "grafana.build", str(folder)], cwd=ROOT, check=True, timeout=60)
    return folder


def test_the_committed_file_is_what_the_source_builds(file, built):
    assert file.read_text() == (built / file.name).read_text(), "run `make dashboards` and commit the result"
    assert {path.name for path in FILES} == {path.name for path in built.iterdir()}


def test_it_can_be_provisioned(file):
    board = read(file)
    assert re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"])
    assert board["id"] is None
    assert board["editable"] is False
    assert "andon" in board["tags"]
    assert board["title"]
    assert board["description"]
    # Older schemas are migrated on load; newer ones may hold what Grafana 11 does not know.
    assert 39 <= board["schemaVersion"] <= 41
    text = file.read_text()
    assert "__inputs" not in text
    assert "${DS_" not in text


def test_no_two_share_a_uid_or_a_title(file):
    others = [read(other) for other in FILES if other != file]
    assert read(file)["uid"] not in [board["uid"] for board in others]
    assert read(file)["title"] not in [board["title"] for board in others]


def test_the_first_variable_chooses_the_data_source_and_queries_follow_the_time_range(file):
    first, *others = read(file)["templating"]["list"]
    assert (first["type"], first["name"], first["label"], first["query"]) == (
        "datasource",
        "datasource",
        "Data source",
        "prometheus",
    )
    for variable in others:
        assert variable["type"] == "query"
        assert variable["datasource"] == DATASOURCE
        assert variable["refresh"] == 2
        assert variable["label"]
        if variable["includeAll"]:
            assert variable["allValue"] in {".*", ".+"}


def test_every_variable_that_is_used_is_declared(file):
    declared = {variable["name"] for variable in read(file)["templating"]["list"]}
    expressions = " ".join([target["expr"] for _, target in queries(file)])
    expressions += " ".join(panel["title"] for panel in read(file)["panels"])
    used = set(re.findall(r"\$\{?([a-z_]\w*)", expressions)) - {"__rate_interval", "__interval", "__range"}
    assert used <= declared
    assert declared - {"datasource"} <= used


def test_every_panel_says_what_it_shows(file):
    for panel in panels(file):
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"] == DATASOURCE, panel["title"]


def test_every_panel_has_its_own_number_and_place(file):
    shown = panels(file)
    assert len({panel["id"] for panel in shown}) == len(shown)
    assert all(panel["id"] > 0 for panel in shown)
    taken: set[tuple[int, int]] = set()
    for panel in shown:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_query_names_its_data_source_and_has_its_own_letter(file):
    for panel in panels(file):
        letters = [target["refId"] for target in panel["targets"]]
        assert all(letters), panel["title"]
        assert len(set(letters)) == len(letters), panel["title"]
    for title, target in queries(file):
        assert target["datasource"] == DATASOURCE, title
        assert target["expr"].strip(), title
        assert target["instant"] != target.get("range", False), title


def test_counters_are_shown_as_rates_over_the_dashboard_s_own_interval(file):
    for title, target in queries(file):
        expr = target["expr"]
        for counter in re.findall(r"\b\w+_total\b", expr):
            assert re.search(rf"(rate|increase)\({counter}(\{{[^}}]*\}})?\[", expr), f"{title}: {counter}"
        for window in re.findall(r"(?:rate|increase)\([^\[]*\[([^\]]+)\]", expr):
            # A single number may count over all the time that is shown.
            allowed = {"$__rate_interval", "$__range"} if target["instant"] else {"$__rate_interval"}
            assert window in allowed, f"{title}: [{window}]"


def test_unknown_is_never_shown_as_zero(file):
    for panel in panels(file):
        if panel["type"] in {"stat", "gauge", "bargauge"}:
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
    for title, target in queries(file):
        # Counting what fires is the one place where nothing means none.
        if "vector(0)" in target["expr"]:
            assert target["expr"].startswith("count(ALERTS"), title


def test_kills_are_marked_over_every_graph(file):
    marks = {mark["name"]: mark for mark in read(file)["annotations"]["list"]}
    assert "kill_action=~" in marks["Kill alerts"]["expr"]
    assert marks["Kill alerts"]["titleFormat"] == "{{alertname}}"
    assert "andon_switch_state" in marks["Stopped scopes"]["expr"]
    assert "severity=~" in marks["Other alerts"]["expr"]
    for mark in marks.values():
        assert mark["enable"] is True
        assert mark["target"]["expr"] == mark["expr"]
        assert mark["datasource"] == DATASOURCE
        assert "placement" not in mark


def test_links_keep_time_and_variables(file):
    for link in read(file)["links"]:
        assert link["keepTime"] is True
        assert link["includeVars"] is True
    pages = {read(other)["uid"] for other in FILES}
    for panel in panels(file):
        for link in panel.get("links", []):
            page, _, kept = link["url"].removeprefix("/d/").partition("?")
            assert page in pages, panel["title"]
            assert kept == "${__url_time_range}&${__all_variables}", panel["title"]


def test_every_metric_is_one_that_somebody_exports(file):
    known = OF_PROMETHEUS | recorded() | set(re.findall(r"`([a-z][a-z0-9_]*)`", METRICS.read_text()))
    expressions = [(title, target["expr"]) for title, target in queries(file)]
    expressions += [(mark["name"], mark["expr"]) for mark in read(file)["annotations"]["list"]]
    for title, expr in expressions:
        for metric in metrics_of(expr):
            base = re.sub(r"_(bucket|sum|count)$", "", metric)
            of_others = metric.startswith(("prometheus_", "alertmanager_"))
            assert of_others or {metric, base} & known, f"{title}: nobody exports {metric}"
    for variable in read(file)["templating"]["list"]:
        for metric in re.findall(r"label_values\((\w+),", str(variable["query"])):
            assert metric in known, f"${variable['name']}: nobody exports {metric}"


def test_titles_of_panels_are_unique(file):
    titles = [panel["title"] for panel in panels(file)]
    assert sorted(set(titles)) == sorted(titles)


def test_heatmaps_draw_what_the_queries_return(file):
    for panel in panels(file):
        if panel["type"] == "heatmap":
            (target,) = panel["targets"]
            buckets = re.search(r"\ble\b", target["expr"]) is not None
            # Cumulative buckets are subtracted from each other by Grafana; rows are drawn as they are.
            assert (target.get("format") == "heatmap") == buckets, panel["title"]
            assert panel["options"]["calculate"] is False
            assert panel["options"]["yAxis"]["axisLabel"], panel["title"]


def test_a_limit_is_drawn_from_the_rules(file):
    """What a user can set is drawn as the recorded series."""
    for panel in panels(file):
        if panel["fieldConfig"]["defaults"].get("custom", {}).get("thresholdsStyle"):
            (limit,) = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
            # One is where a share is used up, or where there is anything at all that ought not to be.
            assert limit == 1.0, panel["title"]
    for title, target in queries(file):
        if "limit" in target["legendFormat"].split(" ")[0] and "{{limit}}" not in target["legendFormat"]:
            assert metrics_of(target["expr"]) <= recorded(), title


def test_every_dashed_line_is_one_of_the_graph_s_own(file):
    for panel in panels(file):
        if panel["type"] == "timeseries":
            dashed = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
            names = [target["legendFormat"] for target in panel["targets"]]
            for pattern in dashed:
                assert any(re.search(pattern.strip("/"), name) for name in names), panel["title"]


def recorded() -> set[str]:
    names = set()
    for file in (ROOT / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            names |= {rule["record"] for rule in group["rules"] if "record" in rule}
    return names
