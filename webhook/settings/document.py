"""Read a YAML file without YAML's surprises: no duplicate keys, no ``no`` that means false, no dates, no octals."""

import math
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from webhook.settings.faults import ConfigFault

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """Plain JSON-able data, the line of every path in it, and what was wrong while reading."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[ConfigFault] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2: only ``true`` and ``false`` are booleans, only decimal numbers are numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as the parent declares it


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), ["<"])


def dotted(path: Path) -> str:
    """``venues[0].options`` from its parts."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse_document(text: str) -> Document:
    """Read *text*; faults are collected, and what could be read is there beside them."""
    document = Document()
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            document.faults.append(ConfigFault("", "is empty; start from webhook/andon.example.yml"))
            return document
        _walk(loader, node, (), document)
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        document.faults.append(ConfigFault("", f"is not YAML: {problem}", line=mark.line + 1 if mark else None))
        return document
    except (ValueError, RecursionError) as error:
        document.faults.append(ConfigFault("", f"cannot be read: {error}"))
        return document
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        document.faults.append(ConfigFault("", f"must be a mapping of settings, not {kind_of(data)}"))
        return document
    document.data = data
    return document


def parse_scalar(text: str) -> Any:
    """The value of an environment variable: read as YAML, so that numbers, booleans and ``[a, b]`` mean themselves."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError):
        return text
    finally:
        loader.dispose()


def kind_of(value: object) -> str:
    """How a person calls the kind of *value*."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _walk(loader: _Loader, node: yaml.Node, path: Path, document: Document) -> None:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _walk(loader, child, (*path, index), document)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                _walk(loader, child, path, document)
                continue
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                shown = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                document.faults.append(
                    ConfigFault(dotted(path), f"the key {shown!r} must be a text: put it into quotes", line=line)
                )
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in seen:
                document.faults.append(
                    ConfigFault(
                        dotted(here), f"is given twice (first in line {seen[key]}); keep one of them", line=line
                    )
                )
            seen[key] = line
            document.lines[here] = line
            _walk(loader, child, here, document)
    elif node.tag == "tag:yaml.org,2002:float":
        value = loader.construct_object(node)
        if not math.isfinite(value):
            document.faults.append(ConfigFault(dotted(path), "must be a finite number", line=node.start_mark.line + 1))
