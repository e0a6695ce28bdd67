"""``ANDON__SECTION__KEY=value`` lies over the file; a variable that names no setting is a fault like any other."""

import difflib
from collections.abc import Mapping
from typing import Any

from webhook.settings.document import Path, dotted, parse_scalar
from webhook.settings.faults import ConfigFault

PREFIX = "ANDON__"


def overlay(data: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[Path, str], list[ConfigFault]]:
    """Change *data* in place; returns which path came from which variable, and what could not be placed.

    Parts are matched without regard to case, ``-`` and ``_`` being one; an item of a list is named by its index or by
    its ``name``: ``ANDON__VENUES__SANDBOX_MM__MODE=live``.
    """
    origins: dict[Path, str] = {}
    faults: list[ConfigFault] = []
    for variable in sorted(environ):
        if not variable.upper().startswith(PREFIX):
            continue
        parts = variable[len(PREFIX) :].split("__")
        if not all(parts):
            faults.append(ConfigFault(variable, "name a setting as ANDON__SECTION__KEY", origin="the environment"))
            continue
        try:
            origins[_put(data, parts, parse_scalar(environ[variable]))] = variable
        except LookupError as error:
            faults.append(ConfigFault(variable, str(error.args[0]), origin="the environment"))
    return origins, faults


def _put(data: dict[str, Any], parts: list[str], value: Any) -> Path:
    place: Any = data
    path: Path = ()
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(place, list):
            key: str | int = _index(place, part, path)
        elif isinstance(place, dict):
            key = next((known for known in place if _same(known, part)), part.lower())
            if not last and place.get(key) is None:
                place[key] = {}
        else:
            raise LookupError(  # noqa: TRY004 - the caller makes a fault of it
                f"{dotted(path)} is a plain value; it has no part {part.lower()!r}"
            )
        path = (*path, key)
        if last:
            place[key] = value
        else:
            place = place[key]
    return path


def _index(items: list[Any], part: str, path: Path) -> int:
    if part.isdigit() and int(part) < len(items):
        return int(part)
    names = [str(item.get("name")) if isinstance(item, dict) else "" for item in items]
    for index, name in enumerate(names):
        if name and _same(name, part):
            return index
    near = difflib.get_close_matches(part.lower(), [name for name in names if name], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {len(items)} of them, counted from 0"
    raise LookupError(f"{dotted(path)} has no item {part!r}{hint}")


def _same(known: object, part: str) -> bool:
    return str(known).lower().replace("-", "_") == part.lower().replace("-", "_")
