"""ccxt without the hundred exchanges that nobody configured: half the memory and start-up time of the service.

``import ccxt.async_support`` loads every exchange twice (the blocking and the asynchronous one).  Here its package is
imported with placeholders for them, which are then taken out again; an exchange is loaded when it is asked for, by
whoever asks: ``ccxt.async_support.kraken`` means what it always means.  When ccxt is loaded already, nothing is done.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = ("ccxt", "ccxt.async_support")


def load() -> Any:
    """The package ``ccxt.async_support``."""
    spec = importlib.util.find_spec("ccxt")
    if "ccxt" in sys.modules or spec is None or not spec.submodule_search_locations:
        return importlib.import_module("ccxt.async_support")
    # Every exchange, and nothing else, has a module of this name in `abstract`.
    names = frozenset(path.stem for path in Path(spec.submodule_search_locations[0], "abstract").glob("[a-z]*.py"))
    placeholders = _Placeholders(names)
    sys.meta_path.insert(0, placeholders)
    try:
        package = importlib.import_module("ccxt.async_support")
    finally:
        sys.meta_path.remove(placeholders)
    for name in _PACKAGES:
        _make_lazy(sys.modules[name], names)
    return package


class _Placeholders(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds, for the module of an exchange, one that holds nothing but a name."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol of import
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package in _PACKAGES and name in self._names:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, module.__name__.rpartition(".")[2], None)


def _make_lazy(package: ModuleType, names: frozenset[str]) -> None:
    """Take the placeholders out of *package*, and load what they stand for when it is asked for."""
    for name in names:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)

    class Lazy(ModuleType):
        """An exchange's name means its class here, however its module came to be imported."""

        def __getattr__(self, name: str) -> Any:
            if name not in names:
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
            importlib.import_module(f"{self.__name__}.{name}")
            return vars(self)[name]

        def __setattr__(self, name: str, value: Any) -> None:
            # The import of a module ends with binding it to its name in the package.
            super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)

    package.__class__ = Lazy
