"""The stand-in pager answers as PagerDuty and Slack say they do, and shows what it was sent."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from tests.sandbox_fixtures import running_program

KEY = "0123456789abcdef0123456789abcdef"
PAYLOAD = {"summary": "drawdown", "source": "andon", "severity": "critical"}


@dataclass
class Client:
    url: str
    process: Any

    def __call__(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, Any, dict]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                content, status, headers = response.read().decode(), response.status, dict(response.headers)
        except HTTPError as error:
            with error:
                content, status, headers = error.read().decode(), error.code, dict(error.headers)
        try:
            return status, json.loads(content), headers
        except ValueError:
            return status, content, headers

    def event(self, **fields: Any) -> tuple[int, Any]:
        status, body, _ = self("POST", "/v2/enqueue", {"routing_key": KEY, "event_action": "trigger", **fields})
        return status, body

    def seen(self) -> Any:
        return self("GET", "/pages")[1]


@pytest.fixture(scope="module")
def pager() -> Iterator[Client]:
    with running_program("pager", []) as (url, process):
        yield Client(url, process)


@pytest.fixture(autouse=True)
def clean(pager: Client) -> None:
    pager("DELETE", "/pages")
    pager("DELETE", "/admin/faults")


def test_an_incident_is_triggered_acknowledged_and_resolved(pager: Client):
    assert pager.event(payload=PAYLOAD, dedup_key="one") == (
        202,
        {"status": "success", "message": "Event processed", "dedup_key": "one"},
    )
    assert pager.event(payload=PAYLOAD, dedup_key="one")[0] == 202
    assert [(one["status"], one["events"]) for one in pager.seen()["incidents"]] == [("triggered", 2)]
    assert pager.event(event_action="acknowledge", dedup_key="one")[0] == 202
    assert pager.seen()["incidents"][0]["status"] == "acknowledged"
    assert pager.event(event_action="resolve", dedup_key="one")[0] == 202
    assert pager.seen()["incidents"][0]["status"] == "resolved"
    assert pager.event(payload=PAYLOAD, dedup_key="one")[0] == 202
    assert [(one["status"], one["events"]) for one in pager.seen()["incidents"]] == [("triggered", 1)]


def test_without_a_dedup_key_each_trigger_gets_one_of_its_own(pager: Client):
    keys = {pager.event(payload=PAYLOAD)[1]["dedup_key"] for _ in range(2)}
    assert len(keys) == 2


def test_a_routing_key_is_never_shown(pager: Client):
    pager.event(payload=PAYLOAD)
    assert KEY not in json.dumps(pager.seen())
    assert KEY not in pager("GET", "/")[1]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"routing_key": ""}, "routing_key"),
        ({"routing_key": "short"}, "32 characters"),
        ({"event_action": "shout"}, "event_action"),
        ({"event_action": "resolve"}, "dedup_key"),
        ({"dedup_key": "x" * 256, "payload": PAYLOAD}, "dedup_key"),
        ({"payload": None}, "payload"),
        ({"payload": {**PAYLOAD, "summary": ""}}, "summary"),
        ({"payload": {**PAYLOAD, "summary": "x" * 1025}}, "1024"),
        ({"payload": {**PAYLOAD, "severity": "bad"}}, "severity"),
        ({"payload": {"summary": "s", "severity": "info"}}, "source"),
    ],
)
def test_an_invalid_event_is_refused_with_what_is_wrong(pager: Client, fields, named):
    status, body = pager.event(**fields)
    assert (status, body["status"], body["message"]) == (400, "invalid event", "Event object is invalid")
    assert any(named in one for one in body["errors"])
    assert pager.seen()["pages"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null"])
def test_what_is_no_event_is_refused(pager: Client, body):
    assert pager("POST", "/v2/enqueue", body)[0] == 400


def test_slack_takes_text_blocks_attachments_and_forms(pager: Client):
    hook = "/services/T0/B0/secret"
    attachment = {"attachments": [{"title": "[FIRING:1] Drawdown", "text": "it bleeds", "fallback": "x"}]}
    blocks = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*halted*"}}]}
    for body in ({"text": "hello"}, attachment, blocks):
        assert pager("POST", hook, body)[:2] == (200, "ok")
    form = urlencode({"payload": json.dumps({"text": "by form"})}).encode()
    assert pager("POST", hook, form, "application/x-www-form-urlencoded")[:2] == (200, "ok")
    texts = [one["text"] for one in pager.seen()["pages"]]
    assert texts == ["hello", "[FIRING:1] Drawdown\nit bleeds", "*halted*", "by form"]
    assert "secret" not in json.dumps(pager.seen())


def test_slack_refuses_as_slack_does(pager: Client):
    hook = "/services/T0/B0/secret"
    assert pager("POST", hook, b"{")[:2] == (400, "invalid_payload")
    assert pager("POST", hook, {"colour": "red"})[:2] == (400, "no_text")


def test_faults_fail_the_next_answers_under_a_path(pager: Client):
    pager("POST", "/admin/faults", {"status": 429, "count": 2, "path": "/services", "retry_after": 3})
    pager("POST", "/admin/faults", {"status": 429, "path": "/v2"})
    for _ in range(2):
        status, text, headers = pager("POST", "/services/T/B/X", {"text": "hello"})
        assert (status, text, headers["Retry-After"]) == (429, "rate_limited", "3")
    assert pager("POST", "/services/T/B/X", {"text": "hello"})[0] == 200
    assert pager.event(payload=PAYLOAD)[1]["status"] == "throttle exceeded"
    assert pager.event(payload=PAYLOAD)[0] == 202
    pager("POST", "/admin/faults", {"status": 500})
    assert pager.event(payload=PAYLOAD)[0] == 500
    assert pager("POST", "/admin/faults", {"status": 1})[0] == 400
    assert pager("POST", "/admin/faults", {})[0] == 400
    assert pager("GET", "/admin/faults")[1] == {"faults": []}


def test_the_page_for_people_shows_open_incidents_and_escapes_them(pager: Client):
    pager.event(payload={**PAYLOAD, "summary": "<script>alert(1)</script>"}, dedup_key="x")
    page = pager("GET", "/")[1]
    assert "1 open incident<" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    pager.event(event_action="resolve", dedup_key="x")
    assert "0 open incidents" in pager("GET", "/")[1]


def test_pages_are_said_aloud_and_counted(pager: Client):
    pager.event(payload=PAYLOAD, dedup_key="loud")
    line = pager.process.stdout.readline()
    while "loud" not in line:
        line = pager.process.stdout.readline()
    assert "trigger" in line
    assert "drawdown" in line
    assert 'sandbox_pager_pages_total{service="pagerduty",action="trigger"}' in pager("GET", "/metrics")[1]
    assert pager("GET", "/healthz")[0] == 200
