"""What no single setting can know: names that must exist, be unique, or not fight; and the secret files."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from webhook.settings.faults import ConfigFault
from webhook.settings.models import (
    AccessSettings,
    EdgeSettings,
    EngineSettings,
    IntakeSettings,
    NotifierSettings,
    StoreSettings,
    VenueSettings,
)
from webhook.settings.policy import policy_faults
from webhook.settings.secret_files import operators_fault, secret_fault, shared_token_fault, token_fault
from webhook.settings.store_url import in_folder


def resolve_paths(data: dict[str, Any], folder: Path) -> None:
    """Make every relative path absolute, in place: ``*_file`` from ``secrets_dir``, that and SQLite from *folder*."""
    secrets = folder
    if isinstance(given := data.get("secrets_dir"), str):
        secrets = Path(os.path.normpath(folder / Path(given).expanduser()))
        data["secrets_dir"] = str(secrets)

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(key, str) and key.endswith("_file") and isinstance(inner, str) and inner:
                    value[key] = str(secrets / Path(inner).expanduser())
                else:
                    visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)

    visit(data)
    store = data.get("store")
    if isinstance(store, dict) and isinstance(store.get("url"), str):
        store["url"] = in_folder(store["url"], folder)


def check(settings: Mapping[str, Any]) -> list[ConfigFault]:
    """Everything found; *settings* holds the sections that are right by themselves."""
    return [*_secrets(settings), *_unique(settings), *policy_faults(settings)]


def _secrets(settings: Mapping[str, Any]) -> Iterator[ConfigFault]:
    intake, access, store = settings.get("intake"), settings.get("access"), settings.get("store")
    files: list[tuple[str, Path, Callable[[Path], str | None]]] = []
    if isinstance(intake, IntakeSettings):
        files.append(("intake.token_file", intake.token_file, token_fault))
    if isinstance(access, AccessSettings):
        files.append(("access.operators_file", access.operators_file, operators_fault))
    if isinstance(store, StoreSettings) and store.password_file:
        files.append(("store.password_file", store.password_file, secret_fault))
    for section in ("venues", "engines", "notifiers"):
        for index, edge in enumerate(settings.get(section) or ()):
            files.extend(
                (path, Path(value), secret_fault)
                for path, value in _option_files(edge.options, f"{section}[{index}].options")
            )
    for path, file, look in files:
        message = look(file)
        if message:
            yield ConfigFault(path, message)
    if isinstance(intake, IntakeSettings) and isinstance(access, AccessSettings):
        message = shared_token_fault(intake.token_file, access.operators_file)
        if message:
            yield ConfigFault("access.operators_file", message)


def _option_files(options: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(options, dict):
        for key, value in options.items():
            if key.endswith("_file") and isinstance(value, str) and value:
                yield f"{path}.{key}", value
            else:
                yield from _option_files(value, f"{path}.{key}")
    elif isinstance(options, list):
        for index, value in enumerate(options):
            yield from _option_files(value, f"{path}[{index}]")


def _unique(settings: Mapping[str, Any]) -> Iterator[ConfigFault]:
    for section in ("venues", "engines", "notifiers"):
        edges: tuple[EdgeSettings, ...] = settings.get(section) or ()
        yield from _repeated(section, [edge.name for edge in edges], "name", "names must be unique")
    accounts = [
        f"{edge.venue}/{edge.account}" for edge in settings.get("venues") or () if isinstance(edge, VenueSettings)
    ]
    yield from _repeated("venues", accounts, "account", "one account is acted on through one entry")
    # Progress is kept under the bare name of its target.
    venues = {edge.name for edge in settings.get("venues") or () if isinstance(edge, VenueSettings)}
    for index, edge in enumerate(settings.get("engines") or ()):
        if isinstance(edge, EngineSettings) and edge.name in venues:
            yield ConfigFault(f"engines[{index}].name", f"{edge.name!r} is also the name of a venue; choose another")
    for index, edge in enumerate(settings.get("notifiers") or ()):
        if isinstance(edge, NotifierSettings) and len(set(edge.kinds)) != len(edge.kinds):
            yield ConfigFault(f"notifiers[{index}].kinds", "names a kind twice")


def _repeated(section: str, values: list[str], key: str, why: str) -> Iterator[ConfigFault]:
    for index, value in enumerate(values):
        if value in values[:index]:
            first = values.index(value)
            yield ConfigFault(f"{section}[{index}].{key}", f"{value!r} is already used by {section}[{first}]; {why}")
