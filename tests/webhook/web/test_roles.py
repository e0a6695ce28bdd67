"""Each role at each endpoint: who hears what."""

import pytest

from tests.builders import a_payload
from tests.webhook.web.conftest import Desk

ANYBODY = {None, "nonsense", "alertmanager", "vic", "tom", "rita", "ada"}
PEOPLE = {"vic", "tom", "rita", "ada"}
A_SCOPE = "venue=sandbox,account=nobody"
TRIP = {"action": "page", "scope": A_SCOPE, "reason": "a test"}
RESUME = {"scope": A_SCOPE, "reason": "a test"}
# (method, path, body) -> who gets through to the service, and what those hear.
MATRIX = {
    ("POST", "/api/v1/alerts"): (a_payload(alerts=[]), {"alertmanager"}, {200}),
    ("GET", "/api/v1/switches"): (None, PEOPLE, {200}),
    ("GET", "/api/v1/trips"): (None, PEOPLE, {200}),
    ("GET", "/api/v1/trips/none"): (None, PEOPLE, {404}),
    ("GET", "/api/v1/resumes"): (None, PEOPLE, {200}),
    ("GET", "/api/v1/audit"): (None, PEOPLE, {200}),
    ("GET", "/api/v1/configuration"): (None, PEOPLE, {200}),
    ("POST", "/api/v1/trips"): (TRIP, PEOPLE - {"vic"}, {422}),
    ("POST", "/api/v1/resumes"): (RESUME, PEOPLE - {"vic"}, {404, 409, 422}),
    ("POST", "/api/v1/approvals/none"): (None, PEOPLE - {"vic", "tom"}, {404}),
    ("DELETE", "/api/v1/resumes/none"): (None, PEOPLE - {"vic", "tom"}, {404}),
    ("GET", "/healthz"): (None, ANYBODY, {200}),
    ("GET", "/readyz"): (None, ANYBODY, {200, 503}),
    ("GET", "/metrics"): (None, ANYBODY, {200}),
    ("GET", "/"): (None, ANYBODY, {200}),
    ("GET", "/api/v1/openapi.yaml"): (None, ANYBODY, {200}),
}


@pytest.mark.parametrize("who", sorted(ANYBODY, key=str))
@pytest.mark.parametrize("endpoint", MATRIX, ids=" ".join)
def test_a_role_gets_what_it_may_and_nothing_else(
    shared_desk: Desk, endpoint: tuple[str, str], who: str | None
) -> None:
    method, path = endpoint
    body, allowed, statuses = MATRIX[endpoint]
    answer = shared_desk.ask(who, method, path, body)
    if who in allowed:
        assert answer.status_code in statuses, answer.text
    elif who in (None, "nonsense"):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    elif (method, path) == ("DELETE", "/api/v1/resumes/none"):
        # A trader may withdraw what they asked for themselves, so what is not there is 404 or 403.
        assert answer.status_code in {403, 404}
    else:
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), answer.text


def test_the_matrix_names_every_endpoint(shared_desk: Desk) -> None:
    app = shared_desk.http.application
    with app.test_request_context():
        routed = set()
        for method, path in MATRIX:
            endpoint, _ = app.url_map.bind("").match(path, method=method)
            routed.add(endpoint)
    assert routed == {rule.endpoint for rule in app.url_map.iter_rules()}
