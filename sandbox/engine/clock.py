"""The one place that reads the wall clock, and the one way that a time is written in an event."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present time, aware and in UTC."""


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Write *moment* with microseconds and ``Z``, e.g. ``2026-11-22T22:33:44.123456Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
