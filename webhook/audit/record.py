"""An entry of the journal."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of the audit journal; ``hash`` covers ``previous`` and the canonical bytes of everything else.

    ``sequence`` counts from 1 without a hole; ``kind`` and ``version`` name the shape of ``body``.
    """

    sequence: int
    at: datetime
    kind: str
    version: int
    actor: str
    body: dict[str, Any]
    previous: str
    hash: str
