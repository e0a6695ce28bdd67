"""Which path is answered by what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.venue.rest.request import ApiRequest

Handler = Callable[[ApiRequest], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A path that is served: what answers, whether it must be signed, its request weight, how many orders it is."""

    handler: Handler
    signed: bool = True
    weight: int = 1
    weight_without_symbol: int | None = None
    orders: int = 0


Routes = dict[tuple[str, str], Route]
