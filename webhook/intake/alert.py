"""Alert and Batch: the words every later room uses for what came in, whoever brought it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlertStatus(StrEnum):
    """Of one alert, never of the group it came in: one delivery can carry both."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, with its own status.

    ``starts_at`` and ``ends_at`` are UTC; ``ends_at`` is None while it fires.  ``fingerprint`` is `fingerprint` of
    ``labels``, not the one Alertmanager sends, so that the same alert read from Prometheus has the same one.
    """

    status: AlertStatus
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    fingerprint: str

    @property
    def name(self) -> str:
        """The label ``alertname``; the parsers let no alert without it through."""
        return self.labels.get("alertname", "")


@dataclass(frozen=True, slots=True)
class MalformedAlert:
    """Why one alert of a batch could not be read; ``index`` is its place in the body, -1 for the body itself."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything one delivery carried: the alerts that can be read, and what is wrong with the others.

    ``truncated`` counts the alerts that Alertmanager left out (``max_alerts``); ``source`` is ``alertmanager`` or
    ``prometheus``.  ``malformed`` must be shown to a person: each could have been a kill.
    """

    alerts: tuple[Alert, ...]
    receiver: str
    group_key: str
    truncated: int
    source: str
    malformed: tuple[MalformedAlert, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much; lengths are in characters.  A longer annotation is cut, because it is only read by people."""

    max_alerts: int = 10_000
    max_labels: int = 100
    max_name_length: int = 1_000
    max_value_length: int = 4_000
    max_annotation_length: int = 8_000


class IntakeError(Exception):
    """The whole body is of no use; ``reason`` is a short token, the message names the field and what would be right.

    Reasons: ``not_utf8``, ``not_json``, ``too_deep``, ``not_object``, ``wrong_version``, ``bad_field``,
    ``too_many_alerts``, ``source_error``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits over the sorted labels; any change of any label changes it."""
    canonical = json.dumps(sorted(labels.items()), separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()[:16]
