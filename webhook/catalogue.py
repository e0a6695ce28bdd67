"""What a folder of adapters offers: a catalogue names each kind, with the options it takes and how one is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

Built = TypeVar("Built")


@dataclass(frozen=True, slots=True)
class Kind(Generic[Built]):
    """One kind of adapter.

    ``options``: the model of what stands under ``options`` in the configuration.  ``build`` makes one, by keywords;
    it reads secrets but calls nobody, and raises `webhook.errors.PermanentError` for what cannot be right.
    """

    options: type[BaseModel]
    build: Callable[..., Built]
