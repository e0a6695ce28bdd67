"""Each alert leads to a runbook that helps: sections, queries that parse, series that exist, real commands."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.monitoring import MissingProgramError, find
from tests.prometheus.ruleset import RUNBOOKS, Rule, alerts, kill_alerts, metrics_of, rules
from webhook.telemetry.metrics import Telemetry

SECTIONS = ["Meaning", "Impact", "What the kill did by itself", "Diagnosis", "How to come back"]
COMMANDS = {
    "status",
    "trip",
    "resume",
    "approve",
    "withdraw",
    "verify-audit",
    "check-config",
    "drill",
    "serve",
    "operator",
}
OWN = re.compile(r"^(prometheus_|alertmanager_|process_|up$|scrape_|ALERTS$|limit:)")
per_alert = pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.alert)
per_kill = pytest.mark.parametrize("rule", kill_alerts(), ids=lambda rule: rule.alert)


def runbook(name: str) -> str:
    """The text of an alert's runbook."""
    return (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The lines of all fenced blocks of a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in found for line in block.splitlines() if line.strip()]


def queries() -> list[tuple[str, str]]:
    """Every query of every runbook, with the alert's name."""
    return [(path.stem, line) for path in sorted(RUNBOOKS.glob("*.md")) for line in blocks(path.read_text(), "promql")]


@cache
def exported() -> frozenset[str]:
    """What exporters, webhook and rules export."""
    catalogue = (RUNBOOKS.parent / "metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\b(?:trading|market_data|system|exporter|risk|database|anomaly)_[a-z0-9_]+\b", catalogue))
    for family in Telemetry().registry.collect():
        names.add(family.name if family.type != "counter" else f"{family.name}_total")
    return frozenset(names | {rule.record for rule in rules()})


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule.alert for rule in alerts()}


@per_alert
def test_a_runbook_has_every_section_filled(rule: Rule) -> None:
    text = runbook(rule.alert)
    assert text.startswith(f"# {rule.alert}\n")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    for body in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert len(body.strip()) > 10, f"{rule.alert} has an empty section"


@per_alert
def test_a_runbook_begins_with_what_its_alert_says(rule: Rule) -> None:
    begins = runbook(rule.alert).split("\n\n")[1].replace("\n", " ")
    assert begins.startswith(f"{rule.annotations['summary']} Severity `{rule.labels['severity']}`")


@per_alert
def test_a_runbook_shows_what_to_look_at(rule: Rule) -> None:
    text = runbook(rule.alert)
    assert blocks(text, "promql") or blocks(text, "sh")


@per_kill
def test_the_runbook_of_a_kill_says_what_was_done_and_how_two_people_undo_it(rule: Rule) -> None:
    text = runbook(rule.alert)
    assert f"asks for `{rule.labels['kill_action']}`" in text
    assert "andon resume --scope" in text
    assert "andon approve" in text


@per_alert
def test_a_runbook_names_only_commands_and_runbooks_that_exist(rule: Rule) -> None:
    text = runbook(rule.alert)
    for line in blocks(text, "sh") + re.findall(r"`(andon [^`]+)`", text):
        if line.startswith("andon "):
            assert line.split()[1] in COMMANDS, line
    for target in re.findall(r"\]\((\w+)\.md\)", text):
        assert (RUNBOOKS / f"{target}.md").exists()


@pytest.mark.parametrize(("name", "query"), queries(), ids=lambda value: str(value)[:60])
def test_a_query_reads_series_that_are_exported(name: str, query: str) -> None:
    for metric in metrics_of(query):
        family = re.sub(r"_(bucket|sum|count)$", "", metric)
        assert OWN.match(metric) or {metric, family} & exported(), f"{name}: {metric}"


def test_every_query_is_valid(tmp_path: Path) -> None:
    try:
        promtool = find("promtool")
    except MissingProgramError as error:
        pytest.skip(str(error))
    checked = [
        {"record": f"runbook:query{number}:{name}", "expr": query} for number, (name, query) in enumerate(queries())
    ]
    path = tmp_path / "runbooks.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": checked}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
