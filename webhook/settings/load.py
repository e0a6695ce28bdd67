"""From a file and the environment to `Settings`, or to the whole list of faults."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from webhook.settings import crosscheck
from webhook.settings.document import Document, dotted, parse_document
from webhook.settings.document import Path as Place
from webhook.settings.environment import overlay
from webhook.settings.faults import ConfigError, ConfigFault
from webhook.settings.models import Settings
from webhook.settings.options import Catalogues, option_faults
from webhook.settings.words import told

_MAX_BYTES = 4 * 1024 * 1024


def load(path: Path, environ: Mapping[str, str], catalogues: Catalogues | None = None) -> Settings:
    """Read *path*, lay ``ANDON__*`` of *environ* over it, check everything; raises `ConfigError` with all faults.

    *catalogues*, where they are given, say which adapters there are and what each takes under ``options``.
    Relative paths of secrets are taken from ``secrets_dir``, all others from the folder of the configuration file.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        if len(raw) > _MAX_BYTES:
            raise ConfigError([ConfigFault("", f"is larger than {_MAX_BYTES} bytes")], source=str(path))
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError([ConfigFault("", "is not UTF-8 text")], source=str(path)) from None
    except OSError as error:
        raise ConfigError([ConfigFault("", f"cannot be read: {error.strerror or error}")], source=str(path)) from None
    document = parse_document(text)
    if document.faults and not document.data:
        raise ConfigError(document.faults, source=str(path))
    origins, faults = overlay(document.data, environ)
    crosscheck.resolve_paths(document.data, path.resolve().parent)
    faults += document.faults
    settings, broken = _validate(document, origins)
    faults += broken
    found = [*crosscheck.check(settings), *option_faults(settings, catalogues or {})]
    faults += [_located(fault, document, origins) for fault in found]
    if faults:
        raise ConfigError(faults, source=str(path))
    return Settings.model_construct(**settings)


def _validate(document: Document, origins: dict[Place, str]) -> tuple[dict[str, Any], list[ConfigFault]]:
    """Each section by itself, so that what is right can still be cross-checked beside what is wrong."""
    try:
        whole = Settings.model_validate_json(_as_json(document.data))
    except ValidationError as error:
        known_already = {fault.path for fault in document.faults}
        faults = [_fault(*one, document, origins) for one in told(error, Settings)]
        faults = [fault for fault in faults if fault.path not in known_already]
        bad = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
        known = {
            name: value for name, value in document.data.items() if name in Settings.model_fields and name not in bad
        }
        for name in ("intake", "access"):
            known.setdefault(name, {"token_file": "-"} if name == "intake" else {"operators_file": "-"})
        rest = Settings.model_validate_json(_as_json(known))
        return {name: getattr(rest, name) for name in Settings.model_fields if name not in bad}, faults
    return {name: getattr(whole, name) for name in Settings.model_fields}, []


def _as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=True, default=str)


def _located(fault: ConfigFault, document: Document, origins: dict[Place, str]) -> ConfigFault:
    """With the line (or the variable) of its place, or of the nearest one above it that stands in the file."""
    named = {dotted(place): place for place in document.lines}
    path = fault.path
    while path and path not in named:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    if not path:
        return fault
    place = named[path]
    return ConfigFault(fault.path, fault.message, document.lines[place], origins.get(place))


def _fault(
    detail: ErrorDetails, place: Place, words: str, document: Document, origins: dict[Place, str]
) -> ConfigFault:
    line = document.lines.get(place)
    if detail["type"] == "missing":
        line = document.lines.get(place[:-1])
    # A variable may have made the whole section that is wrong.
    origin = next((name for path, name in origins.items() if path[: len(place)] == place), None)
    return ConfigFault(dotted(place), words, line, origin if line is None else origins.get(place))
