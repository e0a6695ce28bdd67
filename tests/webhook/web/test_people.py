"""A person trips, follows, and two of them resume."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import an_alert
from tests.rig import settings_document, until
from tests.webhook.web.conftest import Desk, open_desk
from webhook.actions.port import Side

SCOPE = "venue=sandbox,account=mm,strategy=mm-btc"


def trip(desk: Desk, action: str = "halt", **changes: object) -> dict:
    answer = desk.ask(
        "tom", "POST", "/api/v1/trips", {"action": action, "scope": SCOPE, "reason": "too fast"} | changes
    )
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_trip_by_hand_is_followed_until_it_is_verified(desk: Desk) -> None:
    made = trip(desk, "flatten")
    path = f"/api/v1/trips/{made['id']}"
    until(lambda: desk.ask("vic", "GET", path).json["verified"])
    found = desk.ask("vic", "GET", path).json
    assert set(found["milestones"]) == {"stored", "stopped", "first_cancel_sent", "empty", "flat"}
    assert [(one["name"], one["kind"], one["stage"]) for one in found["targets"]] == [
        ("sandbox-mm", "account", "flat"),
        ("engine", "engine", "stopped"),
    ]
    assert (found["actor"], found["status"], found["why"]) == ("tom", "verified", [])


def test_a_scope_may_be_an_object(desk: Desk) -> None:
    assert trip(desk, scope={"strategy": "mm-btc", "venue": "sandbox", "account": "mm"})["scope"] == SCOPE


def test_the_answer_says_where_to_follow(desk: Desk) -> None:
    answer = desk.ask("tom", "POST", "/api/v1/trips", {"action": "halt", "scope": SCOPE, "reason": "x"})
    assert answer.headers["Location"] == f"/api/v1/trips/{answer.json['id']}"


def test_what_is_held_already_is_409(desk: Desk) -> None:
    trip(desk)
    answer = desk.ask("tom", "POST", "/api/v1/trips", {"action": "reduce", "scope": SCOPE, "reason": "again"})
    assert (answer.status_code, answer.json["code"]) == (409, "already")


def test_a_halt_may_keep_the_stops_that_can_only_close_and_a_later_one_takes_them(desk: Desk) -> None:
    venue = desk.rig.venue("sandbox-mm")
    venue.hold("BTC/USDT:USDT", Decimal(1))
    venue.place("BTC/USDT:USDT", Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_quote")
    stop = {"client_order_id": "mm-btc_stop", "book": "trigger", "reduce_only": True}
    venue.place("BTC/USDT:USDT", Side.SELL, Decimal(1), Decimal(80), **stop)

    def left() -> list[str | None]:
        return [one.client_order_id for one in venue.open_orders(None, 1.0).orders]

    made = trip(desk, "halt", keep="protective")
    assert made["keep"] == "protective"
    until(lambda: desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["verified"])
    assert left() == ["mm-btc_stop"]
    switches = desk.ask("vic", "GET", "/api/v1/switches").json["switches"]
    assert next(one["keep"] for one in switches if one["scope"] == SCOPE) == "protective"

    second = trip(desk, "halt")
    assert second["keep"] == "nothing"
    until(lambda: left() == [])
    assert desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["status"] == "closed"


def test_reduce_ends_by_itself(desk: Desk) -> None:
    trip(desk, "reduce", duration_seconds=0.2)
    until(lambda: desk.ask("vic", "GET", "/api/v1/switches").json["worst"] == "normal")


WRONG = {
    "no reason": ({"action": "halt", "scope": SCOPE}, 422, "reason"),
    "an empty reason": ({"action": "halt", "scope": SCOPE, "reason": "  "}, 422, "reason"),
    "an unknown action": ({"action": "stop", "scope": SCOPE, "reason": "x"}, 422, "action"),
    "a page": ({"action": "page", "scope": SCOPE, "reason": "x"}, 422, "page"),
    "a mistyped field": ({"action": "halt", "scope": SCOPE, "reason": "x", "duration": 3}, 422, "duration"),
    "an unknown label": ({"action": "halt", "scope": {"exchange": "x"}, "reason": "x"}, 422, "exchange"),
    "a scope that is no text": ({"action": "halt", "scope": "venue", "reason": "x"}, 422, "scope"),
    "a scope of numbers": ({"action": "halt", "scope": {"venue": 1}, "reason": "x"}, 422, "scope"),
    "a halt that ends": ({"action": "halt", "scope": SCOPE, "reason": "x", "duration_seconds": 60}, 422, "duration"),
    "a flatten that keeps stops": (
        {"action": "flatten", "scope": SCOPE, "reason": "x", "keep": "protective"},
        422,
        "keeps no stops",
    ),
    "stops of another kind": ({"action": "halt", "scope": SCOPE, "reason": "x", "keep": "all"}, 422, "keep"),
    "a list": ([1], 422, "(body)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_trip_that_cannot_be_meant_is_refused_in_words(shared_desk: Desk, name: str) -> None:
    body, status, word = WRONG[name]
    answer = shared_desk.ask("tom", "POST", "/api/v1/trips", body)
    assert answer.status_code == status, answer.text
    assert word in answer.json["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"", b"[" * 60_000])
def test_a_body_that_is_no_json_is_400(shared_desk: Desk, body: bytes) -> None:
    answer = shared_desk.ask("tom", "POST", "/api/v1/trips", body)
    assert answer.status_code == 400, answer.text


def test_a_large_body_of_a_person_is_413(shared_desk: Desk) -> None:
    answer = shared_desk.ask("tom", "POST", "/api/v1/trips", b'{"reason": "' + b"x" * 100_000 + b'"}')
    assert answer.status_code == 413


def test_two_people_resume_and_one_cannot(desk: Desk) -> None:
    trip(desk)
    asked = desk.ask("rita", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "checked"})
    assert asked.status_code == 201, asked.text
    approval = f"/api/v1/approvals/{asked.json['id']}"
    own = desk.ask("rita", "POST", approval)
    assert (own.status_code, own.json["code"]) == (409, "same_person")
    listed = desk.ask("vic", "GET", "/api/v1/resumes?status=pending").json["resumes"]
    assert [one["id"] for one in listed] == [asked.json["id"]]
    done = desk.ask("rob", "POST", approval)
    assert (done.status_code, done.json["approved_by"]) == (200, "rob")
    assert desk.ask("vic", "GET", "/api/v1/switches").json["worst"] == "normal"


def test_one_person_clears_what_was_only_shadow(shadow_desk: Desk) -> None:
    """Nothing was stopped, so there is no halt that two people must end; it is journalled with why."""
    desk = shadow_desk
    made = trip(desk)
    until(lambda: desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["status"] == "shadow")
    again = desk.ask("rita", "POST", "/api/v1/trips", {"action": "halt", "scope": SCOPE, "reason": "again"})
    assert (again.status_code, again.json["code"]) == (409, "shadow")

    answer = desk.ask("tom", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "seen"})

    assert answer.status_code == 201, answer.text
    assert (answer.json["status"], answer.json["approved_by"]) == ("approved", "tom")
    assert desk.ask("vic", "GET", "/api/v1/switches").json["worst"] == "normal"
    assert desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["status"] == "closed"
    assert desk.ask("vic", "GET", "/api/v1/resumes?status=pending").json["resumes"] == []
    assert [one["why"] for one in desk.rig.records("resumed")] == ["shadow mode: nothing was stopped"]
    viewer = desk.ask("vic", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "seen"})
    assert (viewer.status_code, viewer.json["code"]) == (403, "forbidden")


def test_one_armed_account_in_reach_takes_two_people(tmp_path: Path) -> None:
    document = settings_document(tmp_path)
    document["venues"][1]["mode"] = "shadow"
    for desk in open_desk(tmp_path, venues=document["venues"]):
        made = trip(desk, scope="venue=sandbox")
        until(lambda: len(desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["targets"]) == 3)  # noqa: B023
        answer = desk.ask("rita", "POST", "/api/v1/resumes", {"scope": "venue=sandbox", "reason": "seen"})
        assert (answer.status_code, answer.json["status"]) == (201, "pending")


def test_what_shadow_mode_would_have_touched_is_shown_by_id_owner_and_value(shadow_desk: Desk) -> None:
    desk = shadow_desk
    venue = desk.rig.venue("sandbox-mm")
    venue.place("BTC/USDT:USDT", Side.BUY, Decimal("0.5"), Decimal(90), client_order_id="mm-btc_1")
    venue.hold("BTC/USDT:USDT", Decimal(-2))
    made = trip(desk, "flatten")

    def account() -> dict:
        targets = desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["targets"]
        return next((one for one in targets if one["stage"] == "shadow" and one["kind"] == "account"), {})

    until(lambda: bool(account()))
    assert (account()["orders"], account()["positions"], account()["notional"]) == (1, 1, "245.0")
    assert account()["detail"]["orders"] == [
        {
            "order_id": "1",
            "client_order_id": "mm-btc_1",
            "symbol": "BTC/USDT:USDT",
            "side": "buy",
            "quantity": "0.5",
            "price": "90",
            "notional": "45.0",
            "owner": "mm-btc",
        }
    ]
    assert account()["detail"]["positions"] == [
        {"symbol": "BTC/USDT:USDT", "side": "both", "quantity": "-2", "notional": "200", "currency": "USDT"}
    ]
    assert len(venue.open_orders(None, 1.0).orders) == 1


def test_a_request_is_withdrawn(desk: Desk) -> None:
    trip(desk)
    asked = desk.ask("tom", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "checked"}).json
    gone = desk.ask("tom", "DELETE", f"/api/v1/resumes/{asked['id']}")
    assert (gone.status_code, gone.json["status"]) == (200, "withdrawn")
    assert desk.ask("rita", "POST", f"/api/v1/approvals/{asked['id']}").status_code == 409


def test_no_resume_while_the_alert_fires_or_nobody_knows(desk: Desk) -> None:
    trip(desk)
    desk.rig.prometheus.fires(an_alert(starts_at=datetime.now(UTC)))
    answer = desk.ask("rita", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "checked"})
    assert (answer.status_code, answer.json["code"]) == (409, "still_firing")
    desk.rig.prometheus.broken = True
    answer = desk.ask("rita", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "checked"})
    assert (answer.status_code, answer.json["code"]) == (409, "prometheus_unknown")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=\u0661", "limit=" + "9" * 400]
)
def test_a_limit_out_of_bounds_is_422(shared_desk: Desk, query: str) -> None:
    assert shared_desk.ask("vic", "GET", f"/api/v1/trips?{query}").status_code == 422


def test_an_unknown_status_is_422(shared_desk: Desk) -> None:
    assert shared_desk.ask("vic", "GET", "/api/v1/resumes?status=maybe").status_code == 422


def test_a_reason_with_what_no_store_can_hold_is_kept_readable(desk: Desk) -> None:
    made = trip(desk, reason="bad\x00byte <script>")
    assert made["reason"] == "bad\ufffdbyte <script>"


def test_the_journal_is_read_page_by_page(desk: Desk) -> None:
    trip(desk)
    first = desk.ask("vic", "GET", "/api/v1/audit?limit=1").json
    assert [one["sequence"] for one in first["records"]] == [1]
    second = desk.ask("vic", "GET", f"/api/v1/audit?after={first['next_after']}").json
    assert all(one["sequence"] > 1 for one in second["records"])


def test_nobody_is_released_while_the_store_is_out(desk: Desk) -> None:
    made = trip(desk)
    until(lambda: desk.ask("vic", "GET", f"/api/v1/trips/{made['id']}").json["verified"])
    desk.lose_the_store()
    answer = desk.ask("rita", "POST", "/api/v1/resumes", {"scope": SCOPE, "reason": "checked"})
    assert (answer.status_code, answer.json["code"]) == (503, "store")
    assert "nothing was changed" in answer.json["detail"]
