"""The configurations we ship are right, and the page about them is what the models say."""

import re
from pathlib import Path

import pytest
import yaml

from webhook.bootstrap import validate
from webhook.settings import Settings, load
from webhook.settings.reference import reference

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ["andon.sandbox.yml", "andon.example.yml"]


def shipped(name: str, folder: Path) -> Settings:
    """A shipped file, with its secrets where they would be."""
    text = (ROOT / "webhook" / name).read_text()
    for secret in set(re.findall(r"/run/secrets/[\w.]+", text)):
        file = folder / Path(secret).name
        file.write_text('{"operators": []}' if file.name == "operators.json" else "0123456789abcdef0123456789abcdef")
        if file.name == "slack_webhook_url":
            file.write_text("https://hooks.slack.example/services/x")
        file.chmod(0o444)
    path = folder / name
    path.write_text(text.replace("/run/secrets/", f"{folder}/"))
    return load(path, {})


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


def test_every_kill_alert_we_ship_is_granted_what_it_asks_for(tmp_path: Path) -> None:
    settings = shipped("andon.sandbox.yml", tmp_path)
    for file in sorted((ROOT / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                labels = rule.get("labels", {})
                if labels.get("kill_action", "page") == "page":
                    continue
                granted = [
                    one
                    for one in settings.policy.rules
                    if any(re.fullmatch(pattern.replace("*", ".*"), rule["alert"]) for pattern in one.alerts)
                    and labels["kill_action"] in one.actions
                    and labels["kill_scope"] in one.scopes
                ]
                assert granted, f"{rule['alert']} asks for {labels['kill_action']} of {labels['kill_scope']}"


def test_the_page_about_the_configuration_is_printed_from_the_models() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), (
        "run: andon check-config --reference > docs/configuration.md"
    )


def test_every_setting_says_what_it_means() -> None:
    for line in reference().splitlines():
        if line.startswith("| `"):
            assert line.split("|")[4].strip(), f"no meaning: {line}"
