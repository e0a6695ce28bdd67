"""Hooks and CI run what the Makefile runs, on every version of Python that is promised."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
GITHUB = ROOT / ".github"


def checks() -> set[str]:
    """The tools of `make check`, without their options."""
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    return {
        " ".join(word for word in line.split() if word[0].isalpha()) for line in re.findall(r"\.venv/bin/(.*)", recipe)
    }


def test_each_hook_is_a_check_of_make_check():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    entries = [shlex.split(hook["entry"]) for hook in local["hooks"]]
    assert all(words[0].startswith(".venv/bin/") for words in entries)
    hooks = {
        " ".join(word for word in words if not word.startswith("-")).removeprefix(".venv/bin/") for words in entries
    }
    assert hooks == {"ruff check", "ruff format", "mypy", "lint-imports"}
    assert hooks <= checks()


def test_ci_runs_make_check_and_make_test_on_every_promised_python():
    (job,) = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make check", "make test"]
    promised = (ROOT / "README.md").read_text()
    first, last = re.findall(r"Python 3\.(\d+) to 3\.(\d+)", promised)[0]
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(int(first), int(last) + 1)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">=3.{first}"


@pytest.mark.parametrize("form", sorted(GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml")), ids=lambda form: form.stem)
def test_an_issue_form_asks_for_something(form):
    document = yaml.safe_load(form.read_text())
    assert document["name"]
    assert document["description"]
    asked = [field for field in document["body"] if field["type"] != "markdown"]
    assert any(field.get("validations", {}).get("required") for field in asked)
    assert len({field["id"] for field in asked}) == len(asked)
    assert all(field["attributes"]["label"] for field in asked)


def test_the_editor_is_told_what_the_formatter_does():
    told = (ROOT / ".editorconfig").read_text()
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert told.startswith("root = true")
    assert f"max_line_length = {ruff['line-length']}" in told
    assert re.search(r"^\[Makefile\]\nindent_style = tab$", told, re.MULTILINE)
