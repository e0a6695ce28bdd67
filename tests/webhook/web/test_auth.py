"""Tokens: how they are sent, when they end, and what happens while their files change."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import a_payload
from tests.webhook.web.conftest import INTAKE, Desk
from webhook.access.operators import add_operator
from webhook.access.principal import Role


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        f"Token {INTAKE}",
        f"Bearer {INTAKE}x",
        "Bearer " + "x" * 8000,
        f"Bearer {INTAKE}, Bearer x",
    ],
)
def test_anything_but_the_token_is_401_and_counted(shared_desk: Desk, header: str) -> None:
    before = shared_desk.count('andon_requests_rejected_total{reason="unauthorised"}')
    answer = shared_desk.http.post("/api/v1/alerts", json=a_payload(), headers={"Authorization": header})
    assert answer.status_code == 401
    assert INTAKE not in answer.text
    assert shared_desk.count('andon_requests_rejected_total{reason="unauthorised"}') == before + 1


def test_the_scheme_may_be_written_in_any_case(shared_desk: Desk) -> None:
    answer = shared_desk.http.post(
        "/api/v1/alerts", json=a_payload(alerts=[]), headers={"Authorization": f"bearer {INTAKE}"}
    )
    assert answer.status_code == 200


def test_an_expired_token_is_told_so(desk: Desk) -> None:
    token = add_operator(desk.folder / "operators.json", "eve", Role.RISK, datetime.now(UTC) - timedelta(seconds=1))
    answer = desk.ask(token, "GET", "/api/v1/switches")
    assert (answer.status_code, answer.json["code"]) == (401, "token_expired")


def test_an_operator_is_in_and_out_without_a_restart(desk: Desk) -> None:
    operators = desk.folder / "operators.json"
    before = operators.read_text()
    token = add_operator(operators, "eve", Role.RISK, None)
    assert desk.ask(token, "GET", "/api/v1/switches").status_code == 200
    replacement = desk.folder / "new"
    replacement.write_text(before)
    replacement.replace(operators)
    assert desk.ask(token, "GET", "/api/v1/switches").status_code == 401


def test_the_intake_token_is_rotated_without_a_restart(desk: Desk) -> None:
    token = desk.folder / "token"
    token.write_text("another-token-of-enough-characters\n")
    assert desk.deliver(a_payload(alerts=[])).status_code == 401
    desk.tokens["alertmanager"] = "another-token-of-enough-characters"
    assert desk.deliver(a_payload(alerts=[])).status_code == 200


def test_half_a_written_file_locks_nobody_out_and_is_shown(desk: Desk) -> None:
    operators = desk.folder / "operators.json"
    operators.write_text(operators.read_text()[:20])
    assert desk.ask("rita", "GET", "/api/v1/switches").status_code == 200
    ready = desk.http.get("/readyz").json
    assert ready["checks"]["operators_file"]["ok"] is False
    operators.unlink()
    assert desk.ask("rita", "GET", "/api/v1/switches").status_code == 200


def test_two_names_with_one_token_are_refused(desk: Desk) -> None:
    operators = desk.folder / "operators.json"
    document = json.loads(operators.read_text())
    document["operators"].append(document["operators"][0] | {"name": "someone-else"})
    operators.write_text(json.dumps(document))
    assert desk.ask("vic", "GET", "/api/v1/switches").status_code == 200
    assert "same token" in desk.http.get("/readyz").json["checks"]["operators_file"]["detail"]
