"""A new venue, engine, notifier, exporter or sandbox program is one file and one line; here the line is missed."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from pydantic import BaseModel

from exporters.catalogue import EXPORTERS
from sandbox.__main__ import PROGRAMS
from webhook.engines import ENGINES
from webhook.notifiers import NOTIFIERS
from webhook.venues import VENUES

ROOT = Path(__file__).resolve().parents[2]
EDGES = {"webhook.venues": VENUES, "webhook.engines": ENGINES, "webhook.notifiers": NOTIFIERS}


@pytest.mark.parametrize("package", EDGES)
def test_every_edge_that_can_be_built_is_in_its_catalogue(package):
    folder = str(ROOT / package.replace(".", "/"))
    found = [one.name for one in pkgutil.walk_packages([folder], f"{package}.")]
    modules = [importlib.import_module(name) for name in found]
    builders = {module.build for module in modules if inspect.isfunction(getattr(module, "build", None))}
    assert builders == {kind.build for kind in EDGES[package].values()}


@pytest.mark.parametrize("package", EDGES)
def test_every_kind_says_which_options_it_takes_and_refuses_others(package):
    for name, kind in EDGES[package].items():
        assert issubclass(kind.options, BaseModel), name
        assert kind.options.model_config.get("extra") == "forbid", name


def test_every_exporter_is_in_the_catalogue():
    folders = {
        path.name.replace("_", "-") for path in (ROOT / "exporters").iterdir() if (path / "__init__.py").exists()
    }
    assert folders == EXPORTERS.keys()


def test_every_sandbox_program_is_in_the_catalogue():
    programs = {path.stem for path in (ROOT / "sandbox").iterdir() if not path.name.startswith("_")} - {"Dockerfile"}
    assert programs == PROGRAMS.keys()
    for module, what in PROGRAMS.values():
        assert callable(importlib.import_module(module).main), what
