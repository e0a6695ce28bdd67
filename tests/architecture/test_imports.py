"""What import-linter cannot say: that a room knows nothing but this."""

import sys

import grimp
import pytest

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
