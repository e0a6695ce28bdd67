"""The plain page, and the headers that every answer has."""

import html
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.rig import settings_document, until
from tests.webhook.web.conftest import Desk, open_desk
from webhook.actions.port import Side

BTC = "BTC/USDT:USDT"


def seen(desk: Desk) -> str:
    """What a reader sees, without the marks."""
    body = desk.http.get("/").text.partition("<body>")[2].replace("<wbr>", "")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_shows_what_is_stopped_and_escapes_what_others_wrote(desk: Desk) -> None:
    body = {"action": "halt", "scope": {"venue": "<img src>"}, "reason": "a test"}
    assert desk.ask("tom", "POST", "/api/v1/trips", body).status_code == 201
    page = desk.http.get("/")
    assert page.status_code == 200
    assert "Halted in part" in page.text
    assert "venue=&lt;img src&gt;" in page.text
    assert "<img" not in page.text
    assert "<script" not in page.text


def test_the_page_shows_how_far_each_target_is_and_why_it_is_not_verified(desk: Desk) -> None:
    mm, shared = desk.rig.venue("sandbox-mm"), desk.rig.venue("sandbox-shared")
    mm.hold(BTC, Decimal(2))
    shared.place(BTC, Side.SELL, Decimal(1), Decimal(110), cancellable=False)
    body = {"action": "halt", "scope": "venue=sandbox", "reason": "odd <b>", "keep": "protective"}
    desk.ask("tom", "POST", "/api/v1/trips", body)
    until(lambda: "200 of BTC/USDT:USDT is not guarded by a stop" in seen(desk), told=lambda: seen(desk))
    until(lambda: "sandbox-shared stuck : 1 order, worth 110" in seen(desk), told=lambda: seen(desk))
    shown = seen(desk)
    assert "venue=sandbox HALTED unverified" in shown
    assert "protective stops are kept" in shown
    assert "sandbox-mm empty" in shown
    assert "engine stopped" in shown
    assert "sandbox-shared has an order that cannot be cancelled" in shown
    assert "by tom" in shown
    assert "odd <b>" in shown
    assert "<b>" not in desk.http.get("/").text


def test_the_page_shows_which_orders_and_positions_shadow_mode_would_have_touched(shadow_desk: Desk) -> None:
    desk = shadow_desk
    venue = desk.rig.venue("sandbox-mm")
    venue.place(BTC, Side.BUY, Decimal("0.5"), Decimal(90), client_order_id="mm-btc_<1>")
    venue.hold(BTC, Decimal(-2))
    assert "Shadow mode: nothing is tripped" in seen(desk)
    trip = {"action": "flatten", "scope": "venue=sandbox,account=mm,strategy=mm-btc", "reason": "x"}
    desk.ask("tom", "POST", "/api/v1/trips", trip)
    until(lambda: "would cancel" in seen(desk))
    shown = seen(desk)
    assert "Shadow mode: halted in part, and nothing is sent; one person clears it" in shown
    assert (
        "sandbox-mm: would cancel mm-btc_<1> of mm-btc: buy 0.5 BTC/USDT:USDT at 90, worth 45.0 "
        "sandbox-mm: would close -2 BTC/USDT:USDT, worth 200 USDT" in shown
    )
    for number in range(130):
        venue.place(BTC, Side.BUY, Decimal(1), Decimal(80), client_order_id=f"by-hand-{number}")
    # 20 lines of 102: a hundred orders, a position, and one line for the 31 orders that no row lists.
    until(lambda: "and 82 more: /api/v1/trips/" in seen(desk), told=lambda: seen(desk))


def test_the_page_does_not_call_halted_what_only_shadow_accounts_were_asked(tmp_path: Path) -> None:
    venues = [one | {"mode": "shadow"} for one in settings_document(tmp_path)["venues"]]
    for desk in open_desk(tmp_path, venues=venues):
        desk.ask("tom", "POST", "/api/v1/trips", {"action": "halt", "scope": "account=mm", "reason": "x"})
        told = "Tripped in part, where every venue account is in shadow mode: nothing was sent there"
        until(lambda: told in seen(desk), told=lambda: seen(desk))  # noqa: B023


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
