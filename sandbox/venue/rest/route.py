"""Which path is answered by what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.venue.faults.kinds import Family
from sandbox.venue.rest.request import ApiRequest

Handler = Callable[[ApiRequest], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A path that is served: what answers, whether it must be signed, its request weight, how many orders it places.

    `family` is what it is about, for faults that meet all paths of one subject.
    """

    handler: Handler
    signed: bool = True
    weight: int = 1
    weight_without_symbol: int | None = None
    orders: int = 0
    family: Family | None = None


Routes = dict[tuple[str, str], Route]
"""(method, path) -> route."""


def of_family(family: Family, routes: Mapping[tuple[str, str], Route]) -> Routes:
    """The routes, marked as one family."""
    return {key: replace(route, family=family) for key, route in routes.items()}
