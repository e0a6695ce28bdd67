"""The shipped Alertmanager file: it loads on every version, and nothing stands between a kill alert and the webhook."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import ROOT, MissingProgramError, every
from tests.prometheus.ruleset import alerts, default_of, kill_alerts

CONFIG = ROOT / "alertmanager" / "alertmanager.yml"
KILL = 'kill_action=~"reduce|halt|flatten"'


def amtools() -> list[Path]:
    """The versions to test with: ANDON_AMTOOLS (paths, colon-separated), else the one on PATH."""
    try:
        return every("amtool", "ANDON_AMTOOLS")
    except MissingProgramError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error), allow_module_level=True)


per_version = pytest.mark.parametrize("amtool", amtools(), ids=str)


def config() -> dict[str, Any]:
    """The file as data."""
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return loaded


def routed(amtool: Path, **labels: str) -> list[str]:
    """The receivers that amtool finds for an alert with these labels."""
    done = subprocess.run(
        [amtool, "config", "routes", "test", f"--config.file={CONFIG}", *(f"{k}={v}" for k, v in labels.items())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().split(",")


@per_version
def test_the_file_loads(amtool: Path) -> None:
    done = subprocess.run([amtool, "check-config", CONFIG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower()


@per_version
def test_every_shipped_alert_goes_where_its_labels_say(amtool: Path) -> None:
    people = {"critical": "page", "warning": "tell", "info": "show", "none": "show"}
    wanted = {
        (
            rule.labels["severity"],
            rule.labels.get("kill_action", ""),
            rule.alert if rule.alert == "Watchdog" else "Other",
        )
        for rule in alerts()
    }
    assert len(wanted) > 4
    for severity, action, name in sorted(wanted):
        labels = {"alertname": name, "severity": severity} | ({"kill_action": action} if action else {})
        if action:
            expected = ["kill", "page" if action in {"halt", "flatten"} else people[severity]]
        elif name == "Watchdog":
            expected = ["watchdog"]
        else:
            expected = [people[severity]]
        assert expected == routed(amtool, **labels), labels


@per_version
@pytest.mark.parametrize("severity", ["critical", "warning", "info", "none", "unheard-of"])
def test_a_halt_kills_and_pages_whatever_its_severity(amtool: Path, severity: str) -> None:
    assert routed(amtool, alertname="Ours", kill_action="halt", severity=severity) == ["kill", "page"]


@per_version
def test_a_reduce_acts_and_wakes_nobody_unless_it_is_critical(amtool: Path) -> None:
    assert routed(amtool, alertname="Ours", kill_action="reduce", severity="warning") == ["kill", "tell"]
    assert routed(amtool, alertname="Ours", kill_action="reduce", severity="critical") == ["kill", "page"]


@per_version
def test_an_alert_that_fits_nowhere_pages_a_person(amtool: Path) -> None:
    assert routed(amtool, alertname="Ours") == ["page"]
    assert routed(amtool, alertname="Ours", severity="emergency") == ["page"]


@per_version
def test_an_alert_that_only_asks_to_page_does_not_reach_the_kill(amtool: Path) -> None:
    assert routed(amtool, alertname="Ours", kill_action="page", severity="critical") == ["page"]


def routes(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The node and all below it."""
    return [node, *(below for child in node.get("routes", []) for below in routes(child))]


def test_the_kill_route_comes_first_and_lets_the_pager_have_the_alert_too() -> None:
    first, second = config()["route"]["routes"][:2]
    assert first["matchers"] == [KILL]
    assert first["receiver"] == "kill"
    assert first["continue"] is True
    assert second["matchers"] == ['kill_action=~"halt|flatten"']
    assert second["receiver"] == "page"


def test_the_kill_route_waits_for_nothing_and_repeats() -> None:
    kill = config()["route"]["routes"][0]
    assert kill["group_by"] == ["..."], "one group for each alert, or a second breach waits for the first one's tick"
    assert kill["group_wait"] == "0s"
    assert kill["group_interval"] == "5s"
    assert kill["repeat_interval"] == "30s"


def test_no_route_of_a_kill_alert_can_be_muted() -> None:
    loaded = config()
    top = loaded["route"]
    for route in [top, *top["routes"][:2]]:
        assert "mute_time_intervals" not in route
        assert "active_time_intervals" not in route
    assert all("mute_time_intervals" not in route for route in routes(top))


def test_no_inhibition_can_hide_a_kill_alert() -> None:
    """An inhibition compares `equal`, and its target excludes every alert with a kill_action."""
    for rule in config().get("inhibit_rules", []):
        assert rule.get("equal"), rule
        assert 'kill_action=""' in rule["target_matchers"], rule


def test_the_webhook_gets_every_alert_with_a_token_from_a_file_and_no_redirect() -> None:
    receivers = {receiver["name"]: receiver for receiver in config()["receivers"]}
    for name in ("kill", "watchdog"):
        (hook,) = receivers[name]["webhook_configs"]
        assert hook["url"] == "http://webhook:8700/api/v1/alerts"
        assert hook["max_alerts"] == 0
        assert hook["http_config"]["follow_redirects"] is False
        assert hook["http_config"]["authorization"] == {
            "type": "Bearer",
            "credentials_file": "/run/secrets/alertmanager_token",
        }
    assert receivers["kill"]["webhook_configs"][0]["send_resolved"] is True
    assert receivers["watchdog"]["webhook_configs"][0]["send_resolved"] is False


def test_people_are_paged_by_a_way_that_does_not_need_the_webhook() -> None:
    receivers = {receiver["name"]: receiver for receiver in config()["receivers"]}
    for name in ("page", "tell"):
        assert "webhook_configs" not in receivers[name]
        (pager,) = receivers[name]["pagerduty_configs"]
        assert pager["routing_key_file"] == "/run/secrets/pagerduty_routing_key"


def test_the_file_holds_no_secret() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    for field in ("credentials:", "routing_key:", "service_key:", "password:", "api_url:"):
        assert field not in text


def test_the_watchdog_is_repeated_faster_than_its_absence_is_called() -> None:
    (route,) = [route for route in config()["route"]["routes"] if route["receiver"] == "watchdog"]
    assert route["repeat_interval"] == "10s"
    (missing,) = [rule for rule in alerts() if rule.alert == "AndonWatchdogMissing"]
    assert 'limit="andon_watchdog_age:seconds"' in missing.expr
    assert default_of("andon_watchdog_age:seconds") == 60


def test_every_kill_action_in_the_rules_is_one_that_the_route_takes() -> None:
    assert {rule.labels["kill_action"] for rule in kill_alerts()} == {"reduce", "halt", "flatten"}
