"""Reading Prometheus' own list of alerts."""

import json
from typing import Any

import pytest

from tests.builders import NOW, a_body, some_labels
from webhook.intake import alertmanager
from webhook.intake.alert import AlertStatus, IntakeError, Limits
from webhook.intake.prometheus import parse


def an_entry(**changes: Any) -> dict[str, Any]:
    return {
        "labels": some_labels(),
        "annotations": {"summary": "drawdown 12 %"},
        "state": "firing",
        "activeAt": "2026-11-22T10:00:00.123456789Z",
        "value": "1.2e-01",
    } | changes


def an_answer(*entries: Any, status: str = "success") -> bytes:
    return json.dumps({"status": status, "data": {"alerts": list(entries)}}).encode()


def test_keeps_only_what_fires():
    batch = parse(an_answer(an_entry(state="pending"), an_entry(), an_entry(state="inactive")))

    assert [alert.status for alert in batch.alerts] == [AlertStatus.FIRING]
    assert (batch.source, batch.truncated, batch.malformed) == ("prometheus", 0, ())


def test_an_alert_is_the_same_one_as_by_alertmanager():
    (polled,) = parse(an_answer(an_entry())).alerts
    (posted,) = alertmanager.parse(a_body()).alerts

    assert polled.fingerprint == posted.fingerprint
    assert polled.starts_at == posted.starts_at == NOW


def test_an_alert_that_cannot_be_read_loses_no_other():
    batch = parse(an_answer(an_entry(labels={}), an_entry(), "x", an_entry(activeAt=None)))

    assert len(batch.alerts) == 1
    assert [problem.index for problem in batch.malformed] == [0, 2, 3]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (an_answer(status="error"), "source_error"),
        (b"{}", "source_error"),
        (b'{"status": "success"}', "bad_field"),
        (b'{"status": "success", "data": []}', "bad_field"),
        (b'{"status": "success", "data": {"alerts": null}}', "bad_field"),
        (b"<html>", "not_json"),
        (b"[]", "not_object"),
    ],
)
def test_anything_else_is_refused(body: bytes, reason: str):
    with pytest.raises(IntakeError) as caught:
        parse(body)
    assert caught.value.reason == reason


def test_there_is_a_limit_of_alerts():
    with pytest.raises(IntakeError) as caught:
        parse(an_answer(*[an_entry()] * 3), limits=Limits(max_alerts=2))
    assert caught.value.reason == "too_many_alerts"
