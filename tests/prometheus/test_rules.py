"""The shipped Prometheus files: they load on every version, behave as their tests say, and keep the conventions."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import ROOT, MissingProgramError, every
from tests.prometheus.ruleset import (
    RULES,
    RUNBOOK_URL,
    Rule,
    alerts,
    behind,
    default_of,
    defaults_in_force,
    kill_alerts,
    metrics_of,
    rules,
)
from webhook.telemetry.metrics import Telemetry

HERE = Path(__file__).parent
# Kill alerts that look at longer spans, or at what is read every five seconds, and so need not be looked at so often.
SLOWER = {
    "TradingRiskDataMissing": "1s",
    "MarketDataSequenceGaps": "1s",
    "MarketDataVolatilityBreached": "1s",
    "MarketDataVenueHalted": "1s",
    "AdaptiveLossUnusual": "15s",
}
PROMETHEUS = ROOT / "prometheus"
RULE_TESTS = sorted(HERE.glob("*.test.yml"))

# What Prometheus and Alertmanager say about themselves, and what Prometheus makes while it scrapes and evaluates.
OWN = re.compile(r"^(prometheus_|alertmanager_|up$|scrape_|ALERTS$|limit:)")


def promtools() -> list[Path]:
    """The versions to test with: ANDON_PROMTOOLS (paths, colon-separated), else the one on PATH."""
    try:
        return every("promtool", "ANDON_PROMTOOLS")
    except MissingProgramError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error), allow_module_level=True)


PROMTOOLS = promtools()
per_version = pytest.mark.parametrize("promtool", PROMTOOLS, ids=str)
per_alert = pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.alert)
per_kill = pytest.mark.parametrize("rule", kill_alerts(), ids=lambda rule: rule.alert)


def run(*command: str | Path) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@per_version
def test_the_configuration_loads(promtool: Path) -> None:
    run(promtool, "check", "config", PROMETHEUS / "prometheus.yml")


@per_version
def test_the_rules_are_free_of_lint(promtool: Path) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))


@per_version
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_the_rules_behave_as_their_tests_say(promtool: Path, path: Path) -> None:
    run(promtool, "test", "rules", path.name)


@cache
def rule_tests() -> tuple[dict[str, Any], ...]:
    """Every promtool test."""
    files = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULE_TESTS)
    return tuple(test for file in files for test in file["tests"])


def coverage_by_alert() -> dict[tuple[str, bool], list[str]]:
    """The names of the tests by (alert, fires)."""
    found: dict[tuple[str, bool], list[str]] = {}
    for test in rule_tests():
        for expected in test.get("alert_rule_test", []):
            key = (expected["alertname"], bool(expected.get("exp_alerts")))
            found.setdefault(key, []).append(test["name"])
    return found


@per_alert
def test_every_alert_has_a_test_that_fires_and_one_that_stays_silent(rule: Rule) -> None:
    names = coverage_by_alert()
    assert names.get((rule.alert, True)), f"{rule.alert} never fires in a test"
    if rule.alert == "Watchdog":
        return  # It always fires: that is its meaning.
    assert names.get((rule.alert, False)), f"{rule.alert} is never silent in a test"


def test_no_test_is_about_an_alert_that_does_not_exist() -> None:
    assert {name for name, _ in coverage_by_alert()} <= {rule.alert for rule in alerts()}


def test_no_two_alerts_share_a_name() -> None:
    names = [rule.alert for rule in alerts()]
    assert sorted(set(names)) == sorted(names)


@per_alert
def test_every_alert_says_what_it_means_and_where_help_is(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]+", rule.alert)
    assert rule.labels["severity"] in {"critical", "warning", "info", "none"}
    summary, description = rule.annotations["summary"], rule.annotations["description"]
    assert "{{" not in summary, "a summary is a static sentence"
    assert summary[0].isupper()
    assert summary.endswith(".")
    assert description.endswith(".")
    assert rule.annotations["runbook_url"] == RUNBOOK_URL.format(name=rule.alert)


@per_alert
def test_the_identity_of_an_alert_holds_no_value(rule: Rule) -> None:
    for label in rule.labels.values():
        assert "{{" not in label, "a templated label makes a new alert at each evaluation"


@per_alert
def test_severity_never_decides_a_kill(rule: Rule) -> None:
    assert "severity" not in rule.expr
    if "kill_action" not in rule.labels:
        assert "kill_scope" not in rule.labels


@per_kill
def test_a_kill_alert_asks_for_an_action_on_a_scope_that_its_labels_name(rule: Rule) -> None:
    assert rule.labels["kill_action"] in {"reduce", "halt", "flatten"}
    scope = rule.labels["kill_scope"]
    wanted = set() if scope == "global" else set(scope.split(","))
    assert wanted <= {"venue", "account", "strategy", "symbol"}
    fired = [
        expected["exp_labels"]
        for test in rule_tests()
        for item in test.get("alert_rule_test", [])
        for expected in item.get("exp_alerts", [])
        if item["alertname"] == rule.alert
    ]
    assert fired
    for labels in fired:
        assert wanted <= {name for name, value in labels.items() if value}
        assert not {"job", "instance"} & set(labels), "an alert keeps its identity when an exporter moves"


@per_kill
def test_a_kill_alert_is_quick_and_holds_on_over_a_gap(rule: Rule) -> None:
    assert rule.keep_firing_for == "30s"
    assert rule.interval == SLOWER.get(rule.alert, "200ms")


def test_circuit_breakers_and_adaptive_rules_only_reduce_and_only_for_a_time() -> None:
    """A guess, or a wild market, never halts nor sells anything; what a model of the past says never does either."""
    careful = [
        rule
        for rule in alerts()
        if rule.file.startswith(("breakers", "adaptive", "anomaly"))
        or any(name.startswith(("signal:adaptive", "anomaly_")) for name in rule.metrics)
    ]
    assert careful
    for rule in careful:
        assert rule.labels.get("kill_action", "reduce") == "reduce"
        if rule.kills:
            assert re.fullmatch(r"[1-9][0-9]?m", rule.labels["kill_duration"])
            assert not any(name.startswith("anomaly_") for name in rule.metrics), "an anomaly score never acts"


@per_kill
def test_a_kill_alert_has_a_partner_that_fires_when_its_data_is_gone(rule: Rule) -> None:
    partners = {other.alert: other for other in alerts()}
    partner = partners[rule.annotations["partner"]]
    assert re.search(r"absent\(|unless|last_seen", partner.expr), "a partner looks for what is not there"
    unguarded = behind(rule.metrics) - behind(partner.metrics) - {"market_data_clock_offset_seconds"}
    assert not unguarded, f"{partner.alert} does not look at {', '.join(sorted(unguarded))}"


def test_every_form_of_scope_that_a_kill_alert_uses_is_followed_to_its_switch() -> None:
    (followed,) = [rule for rule in rules() if rule.record == "scope:andon_kill_alerts_firing:count"]
    for rule in kill_alerts():
        assert f'kill_scope="{rule.labels["kill_scope"]}"' in followed.expr


def test_what_acts_in_the_fast_groups_is_all_that_is_in_them() -> None:
    """The groups that are evaluated five times a second hold kill alerts and the series these need."""
    fast = [rule for rule in rules() if rule.interval == "200ms"]
    assert fast
    assert all(rule.group.endswith("-kill") for rule in fast)
    assert all(rule.kills for rule in fast if rule.alert)
    used: frozenset[str] = frozenset().union(*(rule.metrics for rule in fast))
    assert {rule.record for rule in fast if rule.record} <= used


def known_limits() -> dict[str, Rule]:
    """The rows of the table of limits by the name of the limit."""
    return {rule.labels["limit"]: rule for rule in rules() if rule.record == "limits:plausible:maximum"}


def test_every_limit_has_a_default_a_row_in_the_table_and_a_rule_that_reads_it() -> None:
    limits = [rule for rule in rules() if rule.file == "limits.yml"]
    assert all(re.fullmatch(r"limit:[a-z0-9_]+:[a-z0-9]+", rule.record) for rule in limits)
    assert not [rule for rule in limits if {"strategy", "account", "symbol", "venue"} & set(rule.labels)]
    names = {rule.record.removeprefix("limit:") for rule in limits}
    assert names == set(known_limits())
    read = {name for rule in rules() for name in re.findall(r'limits:valid:value\{limit="([^"]+)"', rule.expr)}
    assert read == names
    raw = {rule.alert or rule.record for rule in rules() if any(name.startswith("limit:") for name in rule.metrics)}
    assert raw == {"limits:entry:value", "LimitAmbiguous"}, "a rule reads limits.yml by way of limits:valid:value"


def test_a_limit_of_a_kill_rule_is_one_whose_absence_wakes_people() -> None:
    """``acts: kill`` is on the limits of kill rules and on no others."""
    acting: set[str] = set()
    for rule in kill_alerts():
        exprs = [rule.expr, *(other.expr for other in rules() if other.record in recorded_behind(rule))]
        acting |= {name for expr in exprs for name in re.findall(r'limits:valid:value\{limit="([^"]+)"', expr)}
    marked = {name for name, row in known_limits().items() if row.labels["acts"] == "kill"}
    unscored = {"adaptive_pnl_floor:ratio", "adaptive_floor:value", "adaptive_history:minutes"}
    assert acting - unscored == marked


def recorded_behind(rule: Rule) -> set[str]:
    """The recorded series that *rule* is made of."""
    recorded = {other.record: other for other in rules() if other.record and not other.record.startswith("limit")}
    found: set[str] = set()
    waiting = list(rule.metrics)
    while waiting:
        name = waiting.pop()
        if name in recorded and name not in found:
            found.add(name)
            waiting += [each for other in rules() if other.record == name for each in other.metrics]
    return found


def test_the_plausible_range_of_a_ratio_notices_a_percent() -> None:
    """Each default times a hundred is out of its range, but for the few ratios that may well be above 1."""
    roomy = {
        "trading_child_parent:ratio": "an engine may send a replacement first",
        "risk_leverage:ratio": "a multiple of equity",
        "trading_inventory_turnover:ratio": "a multiple of the inventory",
        "trading_order_to_trade:ratio": "orders for each trade",
        "trading_fill:ratio": "half a percent typed as a percent is the half of a ratio",
    }
    for name, row in known_limits().items():
        if name.endswith(":ratio") and name not in roomy:
            (most,) = re.findall(r"vector\(([0-9.e]+)\)", row.expr)
            assert default_of(name) * 100 > float(most), name


def test_the_defaults_that_other_tests_take_are_those_of_limits_yml() -> None:
    held = (HERE / "limits.defaults.yml").read_text(encoding="utf-8")
    assert held == defaults_in_force(), "python -m tests.prometheus.ruleset writes it anew"


# What else an alert may compare with, and why it is no matter of taste.
FIXED = {
    "time() - 5": "a sample of the kill scrapes that is older is of before a restart",
    "time() - 15": "the same for what is read every 5 s",
    "last_seen:timestamp_seconds > 2": "ten kill scrapes without a sample",
    "< 300": "orders of the last five minutes",
    "> 7": "more often than one entry can change",
    "(trading_position_quantity != 0) > 1": "several positions",
    "(trading_equity_currencies) > 1": "more than the one reporting currency",
    "began_timestamp_seconds) < 3600": "an empty start is news for an hour",
    "(exporter_state_began_timestamp_seconds) < 3600": "for how long it is news",
    "alertmanagers_discovered) < 1": "none",
}


@per_alert
def test_a_threshold_is_in_limits_yml_and_not_in_a_rule(rule: Rule) -> None:
    """An alert compares with 0, with a boolean 1, or with a limit; what else stands in it is listed above, with why."""
    expr = re.sub(r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|offset \w+', "", rule.expr)
    for text in FIXED:
        expr = expr.replace(text, "")
    expr = re.sub(r"histogram_quantile\(0\.\d+|(?:[<>]=?|==|!=|\*) 0(?![.\d])|== 1(?![.\d])|vector\(1\)", "", expr)
    assert not re.findall(r"(?<![\w:.])\d+(?:\.\d+)?(?:e\d+)?(?![\w:])", expr), expr


def woken() -> dict[str, str]:
    """The reason of each alert that may wake people, by the table in docs/tuning.md: acted, kill or money."""
    page = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    section = page.split("\n## Who is woken\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (acted|kill|money) \| (.+) \|$", section, flags=re.MULTILINE)
    return {name: reason for reason, names in rows for name in re.findall(r"`(\w+)`", names)}


def test_an_alert_is_critical_only_for_a_reason_that_needs_a_person_now() -> None:
    assert {rule.alert for rule in alerts() if rule.labels["severity"] == "critical"} == set(woken())


@per_kill
def test_a_halt_wakes_people_and_a_reduce_that_ends_by_itself_does_not(rule: Rule) -> None:
    if rule.labels["kill_action"] == "reduce":
        assert rule.labels["kill_duration"]
        assert rule.labels["severity"] == "warning"
    else:
        assert woken()[rule.alert] == "acted"


def test_recorded_series_are_named_level_metric_operations() -> None:
    for rule in rules():
        if rule.record:
            assert re.fullmatch(r"[a-z]+:[a-z_]+:[a-z0-9_]+", rule.record)


def exported() -> set[str]:
    """What is exported: the exporters' catalogue, which is written from their code, and the webhook's registry."""
    catalogue = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\b(?:trading|market_data|system|exporter|risk|database|anomaly)_[a-z0-9_]+\b", catalogue))
    for family in Telemetry().registry.collect():
        names.add(family.name if family.type != "counter" else f"{family.name}_total")
    return names


def test_every_metric_of_a_rule_is_really_exported() -> None:
    recorded = {rule.record for rule in rules()}
    known = exported()
    for rule in rules():
        for name in rule.metrics - recorded:
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert OWN.match(name) or {name, family} & known, f"{rule.alert or rule.record} uses {name}"


def scrape_jobs() -> dict[str, dict[str, Any]]:
    """The scrape jobs of the shipped configuration by name."""
    text = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


def test_kill_series_are_read_five_times_a_second_and_nothing_is_read_twice() -> None:
    jobs = scrape_jobs()
    for exporter in ("trading", "market-data", "system"):
        kill, rest = jobs[f"{exporter}-kill"], jobs[exporter]
        assert kill["scrape_interval"] == "200ms"
        assert kill["params"] == {"set": ["kill"]}
        assert rest["params"] == {"set": ["rest"]}
        assert kill["static_configs"] == rest["static_configs"]
    assert jobs["webhook"]["scrape_interval"] == "1s"


def test_every_job_is_bounded_and_names_its_port() -> None:
    for name, job in scrape_jobs().items():
        assert job["sample_limit"], name
        assert job["label_limit"], name
        if "file_sd_configs" in job:  # offered: without a file it has no target, and nothing is down
            assert all(file.startswith("targets/") for found in job["file_sd_configs"] for file in found["files"]), name
            continue
        (group,) = job["static_configs"]
        for target in group["targets"]:
            assert re.fullmatch(r"[a-z-]+:\d+", target), "3.x adds no port of its own"


def test_the_identity_of_series_is_not_changed_on_the_way_out() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert "external_labels" not in config["global"]
    assert config["rule_files"] == ["rules/*.yml"]


def test_metric_names_are_found_in_an_expression() -> None:
    expr = """
      max by (venue, le) (rate(a_total{x="b_total", y=~"c|d"}[5m])) # e_total
        > on (venue) group_left () limit:f:ratio
        and label_replace({__name__=~"g:.+"}, "h", "$1", "i", "(.+)") or time() - 1e3 > Inf
    """
    assert metrics_of(expr) == {"a_total", "limit:f:ratio", "g:.+"}
