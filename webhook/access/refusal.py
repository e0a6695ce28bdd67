"""A refusal is a value: somebody asked for something that the rules do not give, and is told why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """``code`` is a short token for metrics and clients (``same_person``, ``still_firing``, ``forbidden``, ...);
    ``message`` is a sentence for the person who asked: what was refused, why, and what would be accepted.
    """

    code: str
    message: str
