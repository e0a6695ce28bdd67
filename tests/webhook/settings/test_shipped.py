"""The configurations we ship are right, and the page about them is what the models say."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from tests.builders import an_alert
from webhook.bootstrap import CATALOGUES, validate
from webhook.intake.alert import Alert
from webhook.killswitch.scope import DIMENSIONS
from webhook.policy.decide import Outcome, decide
from webhook.settings import Settings, load
from webhook.settings.policy import policy_of
from webhook.settings.reference import reference

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ["andon.sandbox.yml", "andon.example.yml"]


def named_secrets(name: str) -> set[str]:
    """The secret files that a shipped file names."""
    return set(re.findall(r"^[^#\n]*_file: ([\w.]+)", (ROOT / "webhook" / name).read_text(), re.MULTILINE))


def shipped(name: str, folder: Path) -> Settings:
    """A shipped file where it lies, with its secrets in another folder."""
    for secret in named_secrets(name):
        file = folder / secret
        file.write_text('{"operators": []}' if file.name == "operators.json" else "0123456789abcdef0123456789abcdef")
        file.chmod(0o444)
    return load(ROOT / "webhook" / name, {"ANDON__SECRETS_DIR": str(folder)}, CATALOGUES)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_right(name: str, tmp_path: Path) -> None:
    assert validate(shipped(name, tmp_path)) == []


def test_the_sandbox_is_armed_and_reaches_nothing_but_the_sandbox(tmp_path: Path) -> None:
    settings = shipped("andon.sandbox.yml", tmp_path)
    assert settings.mode == "live"
    assert {venue.options["base_url"] for venue in settings.venues} == {"http://venue:8710"}
    assert all(edge.mode == "live" for edge in (*settings.venues, *settings.engines))
    assert {"mm-btc", "trend-btc", "meanrev-btc"} == set(settings.strategies)


def test_the_example_is_in_shadow_and_flattens_nothing(tmp_path: Path) -> None:
    settings = shipped("andon.example.yml", tmp_path)
    assert settings.mode == "shadow"
    assert all(edge.mode == "shadow" for edge in (*settings.venues, *settings.engines))
    assert not any("flatten" in rule.actions for rule in settings.policy.rules)


def kill_alerts() -> list[Alert]:
    """Each kill rule of prometheus/rules, firing, with the labels that its scope names."""
    return [
        an_alert(
            alertname=rule["alert"],
            **{name: "x" if name in rule["labels"]["kill_scope"].split(",") else "" for name in DIMENSIONS},
            **{name: text for name, text in rule["labels"].items() if name.startswith("kill_")},
        )
        for file in sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "kill_action" in rule.get("labels", {})
    ]


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("alert", kill_alerts(), ids=lambda alert: alert.name)
def test_no_kill_rule_we_ship_is_refused_by_a_configuration_we_ship(name: str, alert: Alert, tmp_path: Path) -> None:
    decision = decide(alert, policy_of(shipped(name, tmp_path).policy))
    asked = alert.labels["kill_action"]
    # The example grants no flatten before somebody looked: then it is halted.
    granted = "halt" if (name, asked) == ("andon.example.yml", "flatten") else asked
    assert (decision.outcome, decision.action) == (Outcome.TRIP, granted), decision.reason


def test_every_secret_that_is_named_is_made_or_asked_for_and_handed_to_the_webhook() -> None:
    made = (ROOT / "bin" / "secrets.sh").read_text()
    page = (ROOT / "README.md").read_text()
    (handed,) = re.findall(
        r"^hand_out webhook \d+ (.*)$", (ROOT / "bin" / "hand_out_secrets.sh").read_text(), re.MULTILINE
    )
    for name in SHIPPED:
        for secret in named_secrets(name):
            sandbox = re.fullmatch(r"venue_(mm|trend|meanrev)_(api_key|secret)", secret)
            assert sandbox or re.search(rf"\b{secret}\b", made) or f"secrets/{secret}" in page, secret
            assert any(fnmatchcase(secret, pattern.strip("'")) for pattern in handed.split()), secret


def test_the_page_about_the_configuration_is_printed_from_the_models() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), (
        "run: andon check-config --reference > docs/configuration.md"
    )


def test_every_setting_says_what_it_means() -> None:
    for line in reference().splitlines():
        if line.startswith("| `"):
            assert line.split("|")[4].strip(), f"no meaning: {line}"
