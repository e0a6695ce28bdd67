"""The description is true: every route is in it, and answers are as it says."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import yaml

from tests.builders import a_payload, an_alert_entry
from tests.rig import until
from tests.webhook.web.conftest import Desk
from tests.webhook.web.schema import faults
from webhook.actions.port import Side
from webhook.web.description import document

DESCRIPTION: dict[str, Any] = yaml.safe_load(document())


def test_every_route_is_described_and_every_description_is_routed(shared_desk: Desk) -> None:
    routed = set()
    for rule in shared_desk.http.application.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<string(maxlength=100):{argument}>", f"{{{argument}}}")
        routed |= {(method.lower(), path, rule.endpoint) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    described = {
        (method, path, operation["operationId"])
        for path, operations in DESCRIPTION["paths"].items()
        for method, operation in operations.items()
    }
    assert described == routed


def test_the_service_serves_its_description(shared_desk: Desk) -> None:
    answer = shared_desk.http.get("/api/v1/openapi.yaml")
    assert yaml.safe_load(answer.text)["info"]["title"] == "Andon"


def test_every_reference_leads_somewhere() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target: Any = DESCRIPTION
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(DESCRIPTION)


def check(answer: Any, method: str, path: str) -> Any:
    """That this answer, with its status and type, is described."""
    responses = DESCRIPTION["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not described for {method} {path}"
    response = responses[str(answer.status_code)]
    if "$ref" in response:
        response = DESCRIPTION["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response["content"][answer.mimetype]
    assert faults(DESCRIPTION, content["schema"], answer.json) == []
    return answer.json


def test_answers_are_as_described(desk: Desk) -> None:
    scope = "venue=sandbox,account=mm,strategy=mm-btc"
    desk.rig.venue("sandbox-mm").place("BTC/USDT:USDT", Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_1")
    entry = an_alert_entry(startsAt=datetime.now(UTC).isoformat())
    receipt = check(desk.deliver(a_payload(entry)), "post", "/api/v1/alerts")
    check(desk.deliver(a_payload(entry)), "post", "/api/v1/alerts")
    trip = f"/api/v1/trips/{receipt['outcomes'][0]['trip_id']}"
    until(lambda: desk.ask("vic", "GET", trip).json["verified"])
    check(desk.ask("vic", "GET", trip), "get", "/api/v1/trips/{trip_id}")
    check(desk.ask("vic", "GET", "/api/v1/trips"), "get", "/api/v1/trips")
    check(desk.ask("vic", "GET", "/api/v1/switches"), "get", "/api/v1/switches")
    body = {"action": "reduce", "scope": "venue=sandbox", "reason": "x", "duration_seconds": 60}
    check(desk.ask("tom", "POST", "/api/v1/trips", body), "post", "/api/v1/trips")
    keeping = {"action": "halt", "scope": "account=shared", "reason": "x", "keep": "protective"}
    check(desk.ask("tom", "POST", "/api/v1/trips", keeping), "post", "/api/v1/trips")
    check(desk.deliver(a_payload(entry | {"status": "resolved"})), "post", "/api/v1/alerts")
    asked = check(
        desk.ask("tom", "POST", "/api/v1/resumes", {"scope": scope, "reason": "x"}), "post", "/api/v1/resumes"
    )
    check(desk.ask("vic", "GET", "/api/v1/resumes"), "get", "/api/v1/resumes")
    approval = f"/api/v1/approvals/{asked['id']}"
    check(desk.ask("rita", "POST", approval), "post", "/api/v1/approvals/{request_id}")
    check(desk.ask("rita", "DELETE", f"/api/v1/resumes/{asked['id']}"), "delete", "/api/v1/resumes/{request_id}")
    check(desk.ask("vic", "GET", trip), "get", "/api/v1/trips/{trip_id}")
    check(desk.ask("vic", "GET", "/api/v1/audit"), "get", "/api/v1/audit")
    check(desk.ask("vic", "GET", "/api/v1/configuration"), "get", "/api/v1/configuration")
    check(desk.ask(None, "GET", "/healthz"), "get", "/healthz")
    check(desk.ask(None, "GET", "/readyz"), "get", "/readyz")


def test_a_trip_that_is_not_verified_is_as_described_whatever_is_wrong(desk: Desk) -> None:
    """An order that cannot be cancelled, a venue and an engine that are silent."""
    mm, shared = desk.rig.venue("sandbox-mm"), desk.rig.venue("sandbox-shared")
    mm.place("BTC/USDT:USDT", Side.SELL, None, client_order_id=None, cancellable=False, book="trigger")
    shared.faults.unreachable = True
    desk.rig.engine.faults.unreachable = True
    made = desk.ask("tom", "POST", "/api/v1/trips", {"action": "halt", "scope": "global", "reason": "x"}).json
    path = f"/api/v1/trips/{made['id']}"

    def stages() -> dict[str, str]:
        shown = check(desk.ask("vic", "GET", path), "get", "/api/v1/trips/{trip_id}")
        return {one["name"]: one["stage"] for one in shown["targets"]}

    until(lambda: stages() == {"sandbox-mm": "stuck", "sandbox-shared": "unknown", "engine": "unknown"})
    found = desk.ask("vic", "GET", path).json
    assert (found["status"], found["verified"]) == ("unverified", False)
    assert [why.split(" ")[0] for why in found["why"]] == ["sandbox-mm", "sandbox-shared"]
    (stuck,) = [one for one in found["targets"] if one["stage"] == "stuck"]
    assert stuck["detail"]["orders"][0]["quantity"] is None


def test_what_a_halt_leaves_unguarded_is_as_described(desk: Desk) -> None:
    desk.rig.venue("sandbox-mm").hold("BTC/USDT:USDT", Decimal(2))
    made = desk.ask("tom", "POST", "/api/v1/trips", {"action": "halt", "scope": "account=mm", "reason": "x"}).json

    def account() -> Any:
        shown = check(desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}"), "get", "/api/v1/trips/{trip_id}")
        return next((one for one in shown["targets"] if one["kind"] == "account"), None)

    until(lambda: (found := account()) is not None and found["naked_notional"] == "200", told=lambda: str(account()))
    assert account()["detail"]["naked"] == {"BTC/USDT:USDT": "200"}


def test_a_shadow_trip_is_as_described(shadow_desk: Desk) -> None:
    desk = shadow_desk
    desk.rig.venue("sandbox-mm").place("BTC/USDT:USDT", Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_1")
    desk.rig.venue("sandbox-mm").hold("BTC/USDT:USDT", Decimal(-2))
    entry = an_alert_entry(startsAt=datetime.now(UTC).isoformat())
    receipt = check(desk.deliver(a_payload(entry)), "post", "/api/v1/alerts")
    trip = f"/api/v1/trips/{receipt['outcomes'][0]['trip_id']}"
    until(lambda: desk.ask("vic", "GET", trip).json["status"] == "shadow")
    shown = check(desk.ask("vic", "GET", trip), "get", "/api/v1/trips/{trip_id}")
    (account,) = [one for one in shown["targets"] if one["kind"] == "account"]
    assert account["detail"]["orders"][0]["owner"] == "mm-btc"
    assert account["detail"]["positions"][0]["notional"] == "200"
    assert check(desk.deliver(a_payload(entry)), "post", "/api/v1/alerts")["outcomes"][0]["outcome"] == "shadow"
    check(desk.ask("vic", "GET", "/api/v1/trips"), "get", "/api/v1/trips")


def test_problems_are_as_described(shared_desk: Desk) -> None:
    desk = shared_desk
    check(desk.deliver(b"{"), "post", "/api/v1/alerts")
    check(desk.deliver(b"{}", content_type="text/plain"), "post", "/api/v1/alerts")
    check(desk.ask("tom", "POST", "/api/v1/alerts", {}), "post", "/api/v1/alerts")
    check(desk.ask(None, "POST", "/api/v1/trips", {}), "post", "/api/v1/trips")
    check(desk.ask("tom", "POST", "/api/v1/trips", {"nothing": 1}), "post", "/api/v1/trips")
    check(desk.ask("vic", "GET", "/api/v1/trips/none"), "get", "/api/v1/trips/{trip_id}")
    check(desk.ask("rita", "POST", "/api/v1/approvals/none"), "post", "/api/v1/approvals/{request_id}")
