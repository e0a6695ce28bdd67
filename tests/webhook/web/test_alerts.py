"""The intake: what is taken, what is not, and what a bad sender can not do."""

import gzip
import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.builders import a_body, a_payload, an_alert_entry, some_labels
from tests.webhook.web.conftest import Desk
from webhook.killswitch.states import State
from webhook.settings import load
from webhook.web.app import create_app


def a_firing_entry(**labels: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return an_alert_entry(labels=some_labels(**labels), startsAt=now)


def test_a_kill_alert_trips_and_is_answered_when_it_is_stored(desk: Desk) -> None:
    answer = desk.deliver(a_payload(a_firing_entry()))
    assert answer.status_code == 200
    assert answer.json["status"] == "stored"
    (outcome,) = answer.json["outcomes"]
    assert (outcome["outcome"], outcome["action"], outcome["scope"]) == (
        "tripped",
        "flatten",
        "venue=sandbox,account=mm,strategy=mm-btc",
    )
    with desk.rig.assembly.commit.store.view() as tx:
        assert tx.trip(outcome["trip_id"]) is not None
    assert desk.count('andon_requests_total{code="200",endpoint="alerts.receive"}') == 1


def test_the_same_delivery_again_trips_nothing_new(desk: Desk) -> None:
    body = a_payload(a_firing_entry())
    first, second = desk.deliver(body).json, desk.deliver(body).json
    assert [first["outcomes"][0]["outcome"], second["outcomes"][0]["outcome"]] == ["tripped", "already"]
    assert len(desk.rig.queries.trips()) == 1


def test_two_hundred_deliveries_at_once_make_one_trip(desk: Desk) -> None:
    body = json.dumps(a_payload(a_firing_entry())).encode()
    statuses: list[int] = []
    gate = threading.Barrier(20)

    def deliver() -> None:
        http = desk.http.application.test_client()
        gate.wait()
        for _ in range(10):
            answer = http.post(
                "/api/v1/alerts",
                data=body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {desk.tokens['alertmanager']}"},
            )
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
    assert len(desk.rig.queries.trips()) == 1


MALFORMED = {
    "nothing": (b"", "not_json"),
    "cut off": (a_body()[:-40], "not_json"),
    "not an object": (b"[1, 2]", "not_object"),
    "not UTF-8": (b'{"version": "4", "alerts": ["\xff\xfe"]}', "not_utf8"),
    "another version": (a_body(version="3"), "wrong_version"),
    "no version": (a_body(version=None), "wrong_version"),
    "alerts that are no list": (a_body(alerts="all"), "bad_field"),
    "very deep": (b"[" * 200_000, "too_deep"),
    "a huge number": (b'{"version": ' + b"9" * 100_000 + b"}", "not_json"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_can_never_succeed_is_400_and_counted(shared_desk: Desk, name: str) -> None:
    body, code = MALFORMED[name]
    before = shared_desk.count(f'andon_requests_rejected_total{{reason="{code}"}}')
    answer = shared_desk.deliver(body)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert answer.content_type == "application/problem+json"
    assert shared_desk.count(f'andon_requests_rejected_total{{reason="{code}"}}') == before + 1
    assert shared_desk.deliver(a_payload(alerts=[])).status_code == 200


def test_one_alert_that_cannot_be_read_does_not_lose_the_others(desk: Desk) -> None:
    answer = desk.deliver(a_payload({"status": "firing"}, a_firing_entry()))
    assert answer.status_code == 200
    assert answer.json["outcomes"][0]["outcome"] == "tripped"
    assert desk.rig.records("alert_malformed")


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_above_the_limit_is_503_so_that_it_keeps_coming(shared_desk: Desk, *, announced: bool) -> None:
    body = b'{"version": "4", "alerts": [' + b" " * (4 * 1024 * 1024) + b"]}"
    before = shared_desk.count('andon_requests_rejected_total{reason="too_large"}')
    if announced:
        answer = shared_desk.deliver(body)
    else:
        # Chunked: the length is known at the end only.
        answer = shared_desk.deliver(body, environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""})
    assert (answer.status_code, answer.json["code"]) == (503, "too_large")
    assert shared_desk.count('andon_requests_rejected_total{reason="too_large"}') == before + 1


def test_a_compressed_body_is_not_unpacked(shared_desk: Desk) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = shared_desk.deliver(bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json["code"]) == (415, "content_encoding")


def test_only_json_is_read(shared_desk: Desk) -> None:
    answer = shared_desk.deliver(a_body(), content_type="text/plain")
    assert (answer.status_code, answer.json["code"]) == (415, "content_type")


def test_a_body_that_ends_early_is_told_as_such(shared_desk: Desk) -> None:
    answer = shared_desk.deliver(b'{"version"', environ_overrides={"CONTENT_LENGTH": "5000"})
    assert (answer.status_code, answer.json["code"]) == (400, "disconnected")


def test_when_the_store_is_out_the_answer_is_503_and_the_kill_runs(desk: Desk) -> None:
    desk.lose_the_store()
    answer = desk.deliver(a_payload(a_firing_entry()))
    assert (answer.status_code, answer.json["code"]) == (503, "store")
    assert answer.headers["Retry-After"] == "1"
    assert desk.count("andon_killed_from_memory_total") == 1
    assert "from memory" in answer.json["detail"]
    (switch,) = [one for one in desk.rig.queries.switches() if one.state is State.HALTED]
    assert str(switch.scope) == "venue=sandbox,account=mm,strategy=mm-btc"


def test_an_error_nobody_expected_is_500_and_says_nothing_of_itself(desk: Desk) -> None:
    class Broken:
        def receive(self, *_: object) -> None:
            raise KeyError("secret-detail")

    made, settings = desk.rig.assembly, load(desk.folder / "andon.json", {})
    app = create_app(Broken(), made.resumes, made.queries, settings, made.telemetry)  # type: ignore[arg-type]
    answer = app.test_client().post(
        "/api/v1/alerts", json=a_payload(), headers={"Authorization": f"Bearer {desk.tokens['alertmanager']}"}
    )
    assert answer.status_code == 500
    assert "secret-detail" not in answer.text
    assert answer.json["instance"].endswith(answer.headers["X-Request-Id"])
    assert desk.count('andon_faults_total{loop="web"}') == 1


def test_no_answer_is_ever_429(shared_desk: Desk) -> None:
    assert {shared_desk.deliver(b"x").status_code for _ in range(100)} == {400}
