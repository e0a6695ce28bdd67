"""What docs/tuning.md tells a user to write is tried as it stands there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.monitoring import ROOT, MissingProgramError, find
from tests.prometheus.ruleset import RULES, rules

PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")


@pytest.fixture
def promtool() -> Path:
    try:
        return find("promtool")
    except MissingProgramError as error:
        pytest.skip(str(error))


def written(target: Path) -> dict[str, Path]:
    """The YAML blocks of the page that begin with a file name, written below *target*."""
    found = {}
    for name, text in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        found[name] = path
    return found


def test_the_files_that_the_page_shows_load_and_their_test_passes(promtool: Path, tmp_path: Path) -> None:
    files = written(tmp_path)
    assert set(files) == {"prometheus/rules/limits.ours.yml", "prometheus/rules/ours.alerts.yml", "ours.test.yml"}
    shown = [str(path) for name, path in files.items() if name.startswith("prometheus/")]
    shipped = [str(path) for path in sorted(RULES.glob("*.yml"))]
    for command in (["check", "rules", "--lint-fatal", *shown, *shipped], ["test", "rules", "ours.test.yml"]):
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_lists_every_limit_of_a_kill_rule_with_its_default() -> None:
    acting = {
        f"limit:{rule.labels['limit']}"
        for rule in rules()
        if rule.record == "limits:plausible:maximum" and rule.labels["acts"] == "kill"
    }
    for rule in rules():
        if rule.file == "limits.yml" and rule.record in acting:
            default = rule.expr.removeprefix("vector(").removesuffix(")")
            assert re.search(rf"\| `{rule.record}` \| {re.escape(default)}[ |]", PAGE), f"{rule.record} is {default}"
