"""Prometheus' own list of alerts (``GET /api/v1/alerts``) to a `Batch`: the second way in, when Alertmanager fails.

Only firing alerts are kept; there is no "resolved" here, and an alert that is missing proves nothing.  Two things
differ from what Alertmanager sends for the same alert: ``external_labels`` are not on it, and its start is the first
evaluation that was true (before any ``for``), not the one that fired.
"""

from webhook.intake.alert import Alert, AlertStatus, Batch, IntakeError, Limits, MalformedAlert, fingerprint
from webhook.intake.body import FieldError, kind_of, read_annotations, read_labels, read_object, read_time

SOURCE = "prometheus"
_DEFAULT = Limits()


def parse(body: bytes, *, limits: Limits = _DEFAULT) -> Batch:
    """Read the answer; raises `IntakeError` when it is not Prometheus' or says that it failed."""
    document = read_object(body)
    if document.get("status") != "success":
        raise IntakeError("source_error", 'status must be "success": Prometheus could not list its alerts')
    data = document.get("data")
    entries = data.get("alerts") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise IntakeError("bad_field", f"data.alerts must be an array, not {kind_of(entries)}")
    alerts: list[Alert] = []
    problems: list[MalformedAlert] = []
    for index, entry in enumerate(entries):
        try:
            alert = _alert(entry, f"data.alerts[{index}]", limits)
        except FieldError as error:
            problems.append(MalformedAlert(index, "bad_field", str(error)))
            continue
        if alert is not None:
            alerts.append(alert)
    if len(alerts) > limits.max_alerts:
        raise IntakeError("too_many_alerts", f"{len(alerts)} alerts fire and at most {limits.max_alerts} are read")
    return Batch(tuple(alerts), "", "", 0, SOURCE, tuple(problems))


def _alert(entry: object, path: str, limits: Limits) -> Alert | None:
    if not isinstance(entry, dict):
        raise FieldError(f"{path} must be an object, not {kind_of(entry)}")
    if entry.get("state") != "firing":
        return None
    labels = read_labels(entry.get("labels"), f"{path}.labels", limits)
    annotations = read_annotations(entry.get("annotations"), f"{path}.annotations", limits)
    starts_at = read_time(entry.get("activeAt"), f"{path}.activeAt")
    if starts_at is None:
        raise FieldError(f"{path}.activeAt is missing: it tells a new alert from a repeat")
    return Alert(AlertStatus.FIRING, labels, annotations, starts_at, None, fingerprint(labels))
