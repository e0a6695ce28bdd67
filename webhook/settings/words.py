"""What pydantic found, in words that a person can act on."""

import difflib
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from webhook.settings.document import Path, kind_of


def told(
    error: ValidationError, root: type[BaseModel], *, quoting: bool = True
) -> Iterator[tuple[ErrorDetails, Path, str]]:
    """For each fault that *root* found: where it is, and what is wrong.  *quoting*: texts may be shown."""
    details = error.errors(include_url=False, include_context=False)
    for detail in details:
        if not _echo(detail, details):
            place: Path = tuple(part for part in detail["loc"] if part != "[key]")
            yield detail, place, _words(detail, place, root, quoting=quoting)


def _echo(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """A list is called too short when its items are what is wrong; the items say it better."""
    loc = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in details
    )


def _words(detail: ErrorDetails, place: Path, root: type[BaseModel], *, quoting: bool) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        allowed = _keys_at(place[:-1], root)
        near = difflib.get_close_matches(str(place[-1]), allowed, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else f"; here there are: {', '.join(allowed)}" if allowed else ""
        return "is not a setting" + hint
    if kind == "missing":
        meaning = _meaning(place, root)
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
    if kind == "value_error" or (isinstance(given, str) and not quoting):
        return message
    return message + (f", got {given!r}" if isinstance(given, str | int | float) else f", not {kind_of(given)}")


def _annotation_at(place: Path, root: type[BaseModel]) -> Any:
    """The declared type at *place*, or None where anything goes."""
    here: Any = root
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


def _keys_at(place: Path, root: type[BaseModel]) -> list[str]:
    here = _annotation_at(place, root)
    if not (isinstance(here, type) and issubclass(here, BaseModel)):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _meaning(place: Path, root: type[BaseModel]) -> str:
    here = _annotation_at(place[:-1], root)
    if isinstance(here, type) and issubclass(here, BaseModel) and str(place[-1]) in here.model_fields:
        return here.model_fields[str(place[-1])].description or ""
    return ""
