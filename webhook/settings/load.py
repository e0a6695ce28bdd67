"""From a file and the environment to `Settings`, or to the whole list of faults."""

import difflib
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from webhook.settings import crosscheck
from webhook.settings.document import Document, dotted, kind_of, parse_document
from webhook.settings.document import Path as Place
from webhook.settings.environment import overlay
from webhook.settings.faults import ConfigError, Fault
from webhook.settings.models import Settings

_MAX_BYTES = 4 * 1024 * 1024


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read *path*, lay ``ANDON__*`` of *environ* over it, check everything; raises `ConfigError` with all faults.

    Relative paths of secrets are taken from ``secrets_dir``, all others from the folder of the configuration file.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        if len(raw) > _MAX_BYTES:
            raise ConfigError([Fault("", f"is larger than {_MAX_BYTES} bytes")], source=str(path))
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError([Fault("", "is not UTF-8 text")], source=str(path)) from None
    except OSError as error:
        raise ConfigError([Fault("", f"cannot be read: {error.strerror or error}")], source=str(path)) from None
    document = parse_document(text)
    if document.faults and not document.data:
        raise ConfigError(document.faults, source=str(path))
    origins, faults = overlay(document.data, environ)
    crosscheck.resolve_paths(document.data, path.resolve().parent)
    faults += document.faults
    settings, broken = _validate(document, origins)
    faults += broken
    faults += [_located(fault, document, origins) for fault in crosscheck.check(settings)]
    if faults:
        raise ConfigError(faults, source=str(path))
    return Settings.model_construct(**settings)


def _validate(document: Document, origins: dict[Place, str]) -> tuple[dict[str, Any], list[Fault]]:
    """Each section by itself, so that what is right can still be cross-checked beside what is wrong."""
    try:
        whole = Settings.model_validate_json(_as_json(document.data))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        told = {fault.path for fault in document.faults}
        faults = [_fault(detail, document, origins) for detail in details if not _echo(detail, details)]
        faults = [fault for fault in faults if fault.path not in told]
        bad = {detail["loc"][0] for detail in details if detail["loc"]}
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


def _located(fault: Fault, document: Document, origins: dict[Place, str]) -> Fault:
    for place, line in document.lines.items():
        if dotted(place) == fault.path:
            return Fault(fault.path, fault.message, line, origins.get(place))
    return fault


def _fault(detail: ErrorDetails, document: Document, origins: dict[Place, str]) -> Fault:
    place: Place = tuple(part for part in detail["loc"] if part != "[key]")
    line = document.lines.get(place)
    if detail["type"] == "missing":
        line = document.lines.get(place[:-1])
    # A variable may have made the whole section that is wrong.
    origin = next((name for path, name in origins.items() if path[: len(place)] == place), None)
    return Fault(dotted(place), _words(detail, place), line, origin if line is None else origins.get(place))


def _echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """A list is called too short when its items are what is wrong; the items say it better."""
    loc = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in details
    )


def _words(detail: ErrorDetails, place: Place) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        allowed = _keys_at(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), allowed, n=1, cutoff=0.6)
        if near:
            return f"is not a setting; did you mean {near[0]!r}?"
        return f"is not a setting; here there are: {', '.join(allowed)}" if allowed else "is not a setting"
    if kind == "missing":
        meaning = _meaning(place)
        return "is required" + (f": {meaning}" if meaning else "")
    if kind == "too_short":
        return "needs at least one item"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be a mapping of settings, not {kind_of(given)}"
    message = detail["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "must be").replace("valid ", "")
    for jargon, plain in (
        ("a integer", "a whole number"),
        ("a array", "a list"),
        ("a tuple", "a list"),
        ("a string", "a text"),
        ("a boolean", "true or false"),
    ):
        message = message.replace(jargon, plain)
    message = message[:1].lower() + message[1:]
    shown = f", got {given!r}" if isinstance(given, str | int | float) and kind != "value_error" else ""
    if kind != "value_error" and not shown:
        shown = f", not {kind_of(given)}"
    return message + shown


def _annotation_at(place: Place) -> Any:
    """The declared type at *place*, or None where anything goes."""
    here: Any = Settings
    for part in place:
        here = _unwrap(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            found = here.model_fields.get(str(part))
            here = found.annotation if found else None
        elif typing.get_origin(here) is tuple:
            here = typing.get_args(here)[0]
        elif typing.get_origin(here) is dict:
            here = typing.get_args(here)[1]
        else:
            return None
    return _unwrap(here)


def _unwrap(annotation: Any) -> Any:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def _keys_at(place: Place) -> list[str]:
    here = _annotation_at(place)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _meaning(place: Place) -> str:
    here = _annotation_at(place[:-1])
    if isinstance(here, type) and issubclass(here, BaseModel) and str(place[-1]) in here.model_fields:
        return here.model_fields[str(place[-1])].description or ""
    return ""
