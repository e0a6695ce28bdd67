"""Parameters of strategies: plain frozen data, and one strict way to change them that names the field that is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, get_args, get_type_hints


@dataclass(frozen=True)
class Bounds:
    """What a parameter must keep, both ends included; put on a field as ``Annotated[Decimal, Bounds("0", "1")]``."""

    low: str
    high: str


class ParameterError(ValueError):
    """A parameter was refused; ``field`` names it, ``message`` says what would be right."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.field = name
        self.message = message


@dataclass(frozen=True, slots=True)
class Parameters:
    """What every set of parameters is: frozen decimals, each with bounds; `check` holds what joins several fields."""

    def check(self) -> None:
        """Raise `ParameterError` where fields do not fit each other."""


AnyParameters = TypeVar("AnyParameters", bound=Parameters)


def changed(current: AnyParameters, changes: Mapping[str, Any]) -> AnyParameters:
    """Give *current* with *changes* (strings or JSON numbers); raises `ParameterError` for the first fault."""
    known = _bounds(type(current))
    values: dict[str, Decimal] = {}
    for name, raw in changes.items():
        if name not in known:
            raise ParameterError(name, f"is no parameter of this strategy; it has {', '.join(sorted(known))}")
        values[name] = _decimal(name, known[name], raw)
    new = replace(current, **values)
    new.check()
    return new


def described(parameters: Parameters) -> dict[str, str]:
    """Give the parameters as decimal strings, for the status page."""
    return {one.name: format(getattr(parameters, one.name), "f") for one in fields(parameters)}


def _bounds(kind: type[Parameters]) -> dict[str, Bounds]:
    hints = get_type_hints(kind, include_extras=True)
    return {one.name: get_args(hints[one.name])[1] for one in fields(kind)}


def _decimal(name: str, bounds: Bounds, raw: object) -> Decimal:
    wanted = f"must be a decimal from {bounds.low} to {bounds.high}"
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ParameterError(name, wanted)
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        raise ParameterError(name, wanted) from None
    if not value.is_finite() or not Decimal(bounds.low) <= value <= Decimal(bounds.high):
        raise ParameterError(name, wanted)
    return value
