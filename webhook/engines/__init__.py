"""The trading programs we can tell to stop.  A new kind of engine is one file here and one line in `ENGINES`."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from webhook.actions.port import Engine
from webhook.engines import http, paper


@dataclass(frozen=True, slots=True)
class EngineKind:
    """``options``: the model of ``engines[].options``; ``build(name, mode, scope, options, clock)`` makes one.

    ``build`` reads secrets but calls nobody; it raises `webhook.errors.PermanentError` for what cannot be right.
    """

    options: type[BaseModel]
    build: Callable[..., Engine]


ENGINES: dict[str, EngineKind] = {
    "http": EngineKind(http.Options, http.build),
    "paper": EngineKind(paper.PaperOptions, paper.build),
}
