"""What import-linter cannot say: that a room knows nothing but this."""

import re
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]

PURE = ("access", "audit", "intake", "killswitch", "notify", "policy")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("webhook", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("room", PURE)
def test_a_room_that_decides_knows_the_standard_library_pydantic_and_its_like(graph: grimp.ImportGraph, room: str):
    allowed = {*sys.stdlib_module_names, "pydantic", *(f"webhook.{one}" for one in PURE)}
    for module in (f"webhook.{room}", *graph.find_descendants(f"webhook.{room}")):
        known = {
            ".".join(one.split(".")[:2]) if one.startswith("webhook.") else one
            for one in graph.find_modules_directly_imported_by(module)
        }
        assert known <= allowed, f"{module} knows {sorted(known - allowed)}"


def test_the_page_about_the_architecture_shows_the_layers_that_are_checked():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if one.get("containers") == ["webhook"]]
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## The webhook inside")[2].split("```")[1]
    shown = [set(re.split(r" {2,}", line)[0].split()) for line in page.strip().splitlines()]
    assert shown == [set(re.findall(r"\w+", layer)) for layer in layers if layer != "__main__"]
