"""``docs/configuration.md``, printed from the models, so that it cannot say anything else than they do."""

import types
import typing
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from webhook.settings.models import Section, Settings

_HEAD = """\
# Configuration

<!-- Printed by `andon check-config --reference`: change webhook/settings/models.py, not this page. -->

One YAML file: `andon serve --config FILE`, or `$ANDON_CONFIG`. `andon check-config --config FILE` tells every fault at
once, with its path and what would be right, and starts nothing. Examples: `webhook/andon.sandbox.yml` (everything
armed, on the sandbox) and `webhook/andon.example.yml` (a real exchange, in shadow).

- **Strict.** An unknown key, a key given twice, a value of another kind, a secret that is missing, empty or writable
  by anybody: the service does not start.
- **Environment.** `ANDON__SECTION__KEY=value` lies over the file. Items of lists are named by their `name` or index,
  and `-` is written `_`: `ANDON__VENUES__BINANCE_MAIN__MODE=live`, `ANDON__POLICY__BUDGET__TRIPS=5`. A variable that
  names no setting is a fault.
- **Secrets** are only ever files (`*_file`), named as they are in `secrets_dir`. Every other relative path is taken
  from the folder of the configuration file.
- **Booleans** are `true` and `false`; `yes`, `no`, `on` and `off` are texts.
- **Reload.** `SIGHUP` reads the file again: a faulty one is refused and the one before stays (`listen` needs a
  restart). The intake token and the operators' file are read again by themselves when they change.

What an adapter takes under `options` stands in its own source, one file each: `webhook/venues/`, `webhook/engines/`,
`webhook/notifiers/`.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD, "## Top level\n\n" + _table(Settings, only_plain=True)]
    for name, field in Settings.model_fields.items():
        parts += _sections(name, field.annotation)
    return "\n".join(parts)


def _sections(path: str, annotation: Any) -> list[str]:
    model, suffix = _model(annotation)
    if model is None:
        return []
    title = path + suffix
    made = [f"## `{title}`\n\n{_first_paragraph(model)}\n\n" + _table(model)]
    for name, field in model.model_fields.items():
        made += _sections(f"{title}.{name}", field.annotation)
    return made


def _table(model: type[BaseModel], *, only_plain: bool = False) -> str:
    rows = ["| setting | kind | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        inner, suffix = _model(field.annotation)
        if inner is not None and only_plain:
            continue
        default = _default(field) if inner is None or suffix else "see below"
        rows.append(f"| `{name}` | {_kind(field)} | {default} | {field.description or ''} |")
    return "\n".join(rows) + "\n"


def _model(annotation: Any) -> tuple[type[Section] | None, str]:
    """The section inside an annotation, and how its path goes on."""
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, ""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        inner, _ = _model(arguments[0])
        return inner, "[]"
    if origin is dict:
        inner, _ = _model(arguments[1])
        return inner, ".<name>"
    return None, ""


def _plain(annotation: Any) -> Any:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _plain(next(part for part in typing.get_args(annotation) if part is not type(None)))
    return annotation


def _kind(field: FieldInfo) -> str:
    annotation = _plain(field.annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return "list"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "mapping"
    names: dict[Any, str] = {int: "whole number", float: "number", bool: "`true` or `false`", Path: "path", str: "text"}
    return names.get(annotation, "text") + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    """``, 1 to 65535`` and the like, from the constraints of a number."""
    found = {type(one): one for one in field.metadata}
    low = f"{found[Ge].ge}" if Ge in found else f"above {found[Gt].gt}" if Gt in found else ""
    high = f"{found[Le].le}" if Le in found else ""
    if low and high:
        return f", {low} to {high}"
    return f", {low}" if low else f", at most {high}" if high else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default if field.default is not PydanticUndefined else field.get_default(call_default_factory=True)
    match value:
        case None:
            return "`null`"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple() if len(value) > 3:
            return "`all`"
        case tuple() | dict() if not value:
            return "none"
        case _:
            return f"`{value}`"


def _first_paragraph(model: type[Section]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())
