"""Alertmanager's webhook body, version 4, to a `Batch`.

Lenient where Alertmanager grows (unknown keys, absent group fields) and strict where the kill depends on it: each
alert has its own status, labels and start.  One alert that cannot be read never loses the others.
"""

from typing import Any

from webhook.intake.alert import Alert, AlertStatus, Batch, IntakeError, Limits, MalformedAlert, fingerprint
from webhook.intake.body import FieldError, clean, kind_of, read_annotations, read_labels, read_object, read_time

SOURCE = "alertmanager"
_DEFAULT = Limits()
_STATUS = {status.value: status for status in AlertStatus}


def parse(body: bytes, *, limits: Limits = _DEFAULT) -> Batch:
    """Read one delivery; raises `IntakeError` only when no alert of it can be told from another."""
    document = read_object(body)
    if document.get("version") != "4":
        raise IntakeError(
            "wrong_version",
            'version must be "4", the webhook payload of Alertmanager; remove any "payload" template of this receiver',
        )
    entries = document.get("alerts")
    if not isinstance(entries, list):
        raise IntakeError("bad_field", f"alerts must be an array, not {kind_of(entries)}")
    if len(entries) > limits.max_alerts:
        raise IntakeError(
            "too_many_alerts",
            f"alerts has {len(entries)} entries and at most {limits.max_alerts} are read; "
            "group the route by ['...'] so that each alert comes by itself, or raise intake.max_alerts",
        )
    alerts: list[Alert] = []
    problems: list[MalformedAlert] = []
    for index, entry in enumerate(entries):
        try:
            alerts.append(_alert(entry, f"alerts[{index}]", limits))
        except FieldError as error:
            problems.append(MalformedAlert(index, "bad_field", str(error)))
    truncated = document.get("truncatedAlerts", 0)
    if not isinstance(truncated, int) or isinstance(truncated, bool) or truncated < 0:
        problems.append(MalformedAlert(-1, "bad_field", "truncatedAlerts must be a whole number, 0 or more"))
        truncated = 0
    return Batch(
        alerts=tuple(alerts),
        receiver=_text(document, "receiver"),
        group_key=_text(document, "groupKey"),
        truncated=truncated,
        source=SOURCE,
        malformed=tuple(problems),
    )


def _alert(entry: object, path: str, limits: Limits) -> Alert:
    if not isinstance(entry, dict):
        raise FieldError(f"{path} must be an object, not {kind_of(entry)}")
    status = _STATUS.get(str(entry.get("status")))
    if status is None:
        raise FieldError(f'{path}.status must be "firing" or "resolved"')
    labels = read_labels(entry.get("labels"), f"{path}.labels", limits)
    annotations = read_annotations(entry.get("annotations"), f"{path}.annotations", limits)
    starts_at = read_time(entry.get("startsAt"), f"{path}.startsAt")
    if starts_at is None:
        raise FieldError(f"{path}.startsAt is missing: it tells a new alert from a repeat")
    ends_at = read_time(entry.get("endsAt"), f"{path}.endsAt")
    return Alert(
        status=status,
        labels=labels,
        annotations=annotations,
        starts_at=starts_at,
        ends_at=ends_at if status is AlertStatus.RESOLVED else None,
        fingerprint=fingerprint(labels),
    )


def _text(document: dict[str, Any], name: str) -> str:
    """A field that is only journalled: anything that is not text is left out."""
    value = document.get(name)
    return clean(value)[:4_000] if isinstance(value, str) else ""
