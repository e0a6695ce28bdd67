"""Requests as templates: placeholders in URLs and JSON bodies, filled so that a value can never change their shape.

A placeholder is a name of `PLACEHOLDERS` in braces.  In a URL its value is percent-quoted; in a body it only ever
replaces text inside a JSON string, after the YAML was parsed.  Values are not searched for placeholders again.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from webhook.killswitch.scope import DIMENSIONS, Scope

PLACEHOLDERS = (*DIMENSIONS, "scope", "reason")
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")

Values = Mapping[str, str | None]
"""What each placeholder stands for; None when the scope leaves it free."""


def values_of(scope: Scope, reason: str, known: tuple[str, ...]) -> dict[str, str | None]:
    """The values for *scope*; a dimension that the engine does not know stays free, which makes the request wider."""
    narrowed = Scope(tuple((name, value) for name, value in scope.constraints if name in known))
    return {**{name: narrowed.get(name) for name in DIMENSIONS}, "scope": str(narrowed), "reason": reason}


def names_in(template: Any) -> set[str]:
    """The placeholders used anywhere in a string, list or mapping."""
    if isinstance(template, str):
        return set(_PLACEHOLDER.findall(template))
    if isinstance(template, Mapping):
        return set().union(*(names_in(part) for part in template.values()))
    if isinstance(template, list | tuple):
        return set().union(*(names_in(part) for part in template))
    return set()


def fill_url(template: str, values: Values) -> str | None:
    """The URL with quoted values; None when it names a placeholder that is free."""
    if any(values[name] is None for name in names_in(template)):
        return None
    return _PLACEHOLDER.sub(lambda found: quote(values[found.group(1)] or "", safe=""), template)


def fill_body(template: Any, values: Values) -> Any:
    """The body with values; a string that names a free placeholder becomes null as a whole."""
    if isinstance(template, str):
        if any(values[name] is None for name in names_in(template)):
            return None
        return _PLACEHOLDER.sub(lambda found: values[found.group(1)] or "", template)
    if isinstance(template, Mapping):
        return {name: fill_body(part, values) for name, part in template.items()}
    if isinstance(template, list | tuple):
        return [fill_body(part, values) for part in template]
    return template


def select(document: Any, path: str) -> list[Any]:
    """Everything in a JSON document that *path* names: keys or list positions joined by dots, ``*`` for all of them.

    The empty path names the document itself; what is missing is left out.
    """
    found = [document]
    for step in path.split(".") if path else ():
        found = [inner for outer in found for inner in _children(outer, step)]
    return found


def select_named(document: Any, path: str) -> list[tuple[str, Any]]:
    """As `select`, with the last key (or position) of each thing found; its own name is empty for the document."""
    if not path:
        return [("", document)]
    parent, _, last = path.rpartition(".")
    named = []
    for outer in select(document, parent):
        if last != "*":
            named += [(last, inner) for inner in _children(outer, last)]
        elif isinstance(outer, Mapping):
            named += [(str(name), inner) for name, inner in outer.items()]
        elif isinstance(outer, list):
            named += [(str(number), inner) for number, inner in enumerate(outer)]
    return named


def _children(outer: Any, step: str) -> list[Any]:
    if isinstance(outer, Mapping):
        return list(outer.values()) if step == "*" else [outer[step]] if step in outer else []
    if isinstance(outer, list):
        if step == "*":
            return outer
        return [outer[int(step)]] if step.isdigit() and int(step) < len(outer) else []
    return []
