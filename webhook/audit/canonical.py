"""One value, one sequence of bytes: what the hash chain is made over, and what the store keeps.

JSON in ASCII with sorted keys and no spaces.  Floats are written in their shortest exact form; decimals, times and
other words of the project become text, so that reading a body back and writing it again gives the same bytes.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from webhook.killswitch.scope import Scope


def canonical(value: object) -> bytes:
    """Write *value*; raises `TypeError` for a kind of value that has no one way to be written."""
    return canonical_text(value).encode("ascii")


def canonical_text(value: object) -> str:
    """Write *value* as text; see `canonical`."""
    try:
        return _ENCODER.encode(value)
    except ValueError:  # NaN or an infinity, which JSON does not have
        return _ENCODER.encode(_finite(value))


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, always with six digits and ``Z``; raises `TypeError` for a naive time."""
    if moment.tzinfo is None:
        raise TypeError("a time needs its zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _other(value: object) -> Any:
    """What JSON does not know by itself."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | Scope | PurePath | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=canonical_text)
    raise TypeError(f"a journal body cannot hold a {type(value).__name__}")


def _finite(value: object) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


_ENCODER = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_other, check_circular=True
)
