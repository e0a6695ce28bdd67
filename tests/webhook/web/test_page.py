"""The plain page, and the headers that every answer has."""

import pytest

from tests.webhook.web.conftest import Desk


def test_the_page_shows_what_is_stopped_and_escapes_what_others_wrote(desk: Desk) -> None:
    body = {"action": "halt", "scope": {"venue": "<img src>"}, "reason": "a test"}
    assert desk.ask("tom", "POST", "/api/v1/trips", body).status_code == 201
    page = desk.http.get("/")
    assert page.status_code == 200
    assert "Halted in part" in page.text
    assert "venue=&lt;img src&gt;" in page.text
    assert "<img" not in page.text
    assert "<script" not in page.text


def test_the_page_says_that_everything_may_trade(shared_desk: Desk) -> None:
    assert "Everything may trade" in shared_desk.http.get("/").text


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/api/v1/switches", "/nowhere"])
def test_every_answer_has_the_security_headers(shared_desk: Desk, path: str) -> None:
    headers = shared_desk.http.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Request-Id"]


def test_what_is_not_there_is_a_problem_and_one_label_in_the_metrics(shared_desk: Desk) -> None:
    for path in ("/nowhere", "/api/v1/alerts/1", "/%00"):
        answer = shared_desk.http.get(path)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    wrong = shared_desk.http.get("/api/v1/alerts")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "OPTIONS, POST")
    endpoints = {line for line in shared_desk.http.get("/metrics").text.splitlines() if "nowhere" in line}
    assert not endpoints


def test_metrics_are_served_as_prometheus_expects(shared_desk: Desk) -> None:
    assert shared_desk.http.get("/metrics").content_type.startswith("text/plain; version=")
    asked = shared_desk.http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.content_type.startswith("application/openmetrics-text")


def test_readiness_names_each_part(shared_desk: Desk) -> None:
    answer = shared_desk.http.get("/readyz")
    assert {"store", "worker"} <= set(answer.json["checks"])
