"""The trading exporter as a process: events over HTTP and from a file, scrapes, kill -9."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.exporters.lines import TYPES, line
from tests.exporters.running import REPOSITORY, exporter, until

PLACE = 'account="mm",strategy="mm-btc",venue="sandbox"'
BTC = 'account="mm",strategy="mm-btc",symbol="BTC/USDT:USDT",venue="sandbox"'
URL = "/api/v1/events"
pytestmark = pytest.mark.stack


def config(folder, **events: object):
    return {
        "trading": {
            "listen": {"port": 0},
            "state_file": str(folder / "state.json"),
            "events": events,
            "strategies": [
                {
                    "name": "mm-btc",
                    "engine": "sandbox-engine",
                    "venue": "sandbox",
                    "account": "mm",
                    "symbols": ["BTC/USDT:USDT"],
                }
            ],
        }
    }


def body(*lines: bytes):
    return b"\n".join(lines) + b"\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trading")
    token = folder / "token"
    token.write_text("let-me-in\n")
    with exporter("trading", config(folder, token_file=str(token), max_body_bytes=100_000), folder) as running:
        yield running


ALLOWED = {"Authorization": "Bearer let-me-in"}


def now_line(kind, **changes: object):
    return line(kind, time=time.time(), **changes)


def test_events_become_series(shared):
    lines = [now_line(kind, strategy="all", session="all", net_deposits=None) for kind in TYPES]
    answer = shared.ask(URL, body(*lines), ALLOWED)
    assert answer.status == 202
    assert answer.json == {"accepted": len(TYPES), "duplicates": 0, "malformed": 0, "errors": []}
    assert shared.samples()['trading_equity{account="mm",currency="USDT",strategy="all",venue="sandbox"}'] == 1000


def test_malformed_lines_are_named_and_cost_only_themselves(shared):
    good = now_line("order_sent", strategy="careful")
    bad = [b"nonsense", now_line("fill", price="s3cret"), now_line("order_sent").replace(b'"v": 1', b'"v": 3')]
    answer = shared.ask(URL, body(bad[0], good, b"", *bad[1:], good), ALLOWED)
    assert answer.status == 202
    assert answer.json["accepted"] == 1
    assert answer.json["duplicates"] == 1
    assert answer.json["malformed"] == 3
    assert [each["line"] for each in answer.json["errors"]] == [1, 4, 5]
    assert answer.json["errors"][1]["error"].startswith("price:")
    until(lambda: sum(each["event"] == "malformed event" for each in list(shared.log)) >= 3, "the log lines")
    assert "s3cret" not in json.dumps(shared.log)


def test_only_the_first_ten_errors_are_told(shared):
    answer = shared.ask(URL, body(*[b"x"] * 50), ALLOWED)
    assert answer.json["malformed"] == 50
    assert len(answer.json["errors"]) == 10


def test_an_event_from_the_future_is_malformed(shared):
    answer = shared.ask(URL, line("heartbeat", time=time.time() + 3600), ALLOWED)
    assert answer.json["malformed"] == 1
    assert "ahead" in answer.json["errors"][0]["error"]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "let-me-in"}, {"Authorization": "Bearer \xe9"}]
)
def test_nobody_without_the_token_is_heard(shared, headers):
    answer = shared.ask(URL, now_line("order_sent", strategy="stranger"), headers)
    assert answer.status == 401
    assert "stranger" not in str(shared.samples())


def test_a_body_above_the_limit_is_refused_whole(shared):
    assert shared.ask(URL, b"\n" * 100_001, ALLOWED).status == 413


def test_a_small_body_that_unpacks_above_the_limit_is_refused_too(shared):
    bomb = gzip.compress(b"\n" * 50_000_000)
    assert len(bomb) < 100_000
    assert shared.ask(URL, bomb, {**ALLOWED, "Content-Encoding": "gzip"}).status == 413


def test_a_compressed_body_is_understood(shared):
    packed = gzip.compress(now_line("order_sent", strategy="packed"))
    assert shared.ask(URL, packed, {**ALLOWED, "Content-Encoding": "gzip"}).json["accepted"] == 1


def test_an_empty_body_is_nothing(shared):
    assert shared.ask(URL, b"", ALLOWED).json == {"accepted": 0, "duplicates": 0, "malformed": 0, "errors": []}


def test_reading_the_events_back_is_not_offered(shared):
    assert shared.ask(URL).status == 405


def test_the_two_sets_are_disjoint_and_together_everything(shared):
    kill, rest, whole = (set(shared.samples(path)) for path in ("/metrics?set=kill", "/metrics?set=rest", "/metrics"))
    assert kill & rest == set()
    assert kill | rest == whole
    assert f"trading_orders_per_second{{{PLACE}}}" in kill
    assert f"trading_orders_sent_total{{{BTC}}}" in rest
    assert f"trading_fills_total{{{BTC}}}" in rest


def test_another_set_is_refused(shared):
    assert shared.ask("/metrics?set=all").status == 400


@pytest.mark.parametrize("path", ["/metrics", "/metrics?set=kill", "/metrics?set=rest"])
def test_promtool_finds_nothing_to_complain_about(shared, path):
    shared.ask(URL, body(*[now_line(kind, strategy="lint", session="lint") for kind in TYPES]), ALLOWED)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=shared.ask(path).body, capture_output=True, check=False
    )
    assert checked.stdout + checked.stderr == b""
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version="),
        ("text/plain;version=0.0.4", "text/plain; version="),
        (
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2",
            "text/plain; version=",  # what Prometheus asks for: it takes both, and this one is written faster
        ),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=none", "text/plain; version="),
    ],
)
def test_the_content_type_is_what_was_asked_for(shared, accept, content_type):
    answer = shared.ask("/metrics", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.body.endswith(b"# EOF\n") == content_type.startswith("application")


def test_there_is_a_page_that_leads_to_the_metrics(shared):
    page = shared.ask("/")
    assert page.headers["content-type"].startswith("text/html")
    assert b'href="/metrics?set=kill"' in page.body
    assert shared.ask("/healthz").json == {"ok": True, "exporter": "trading"}


def test_a_scrape_is_quick_while_events_pour_in(shared):
    """Five big bodies are under way; the median scrape stays below the 200 ms of the kill job."""
    batch = [
        body(*[now_line("order_sent", strategy="busy", client_order_id=str(n)) for n in range(300)]) for _ in range(20)
    ]
    done = threading.Event()

    def pour():
        for each in batch:
            shared.ask(URL, each, ALLOWED)
        done.set()

    threading.Thread(target=pour, daemon=True).start()
    took = []
    while not done.is_set() or len(took) < 5:
        began = time.perf_counter()
        assert shared.ask("/metrics?set=kill").status == 200
        took.append(time.perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 0.2


def test_peaks_day_starts_and_numbers_survive_kill_9(tmp_path):
    lines = [
        now_line("equity", equity="1000", net_deposits="0"), now_line("equity", equity="800", net_deposits="0"),
        now_line("position", quantity="3"), now_line("order_sent", client_order_id="resting"), now_line("heartbeat"),
    ]  # fmt: skip
    with exporter("trading", config(tmp_path), tmp_path) as first:
        assert first.ask(URL, body(*lines)).json["accepted"] == 5
        until(
            lambda: (
                b'"resting"' in ((tmp_path / "state.json").read_bytes() if (tmp_path / "state.json").exists() else b"")
            ),
            "the state file",
        )
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(10)
    with exporter("trading", config(tmp_path), tmp_path) as second:
        seen = second.samples()
        assert seen[f"trading_drawdown_ratio{{{PLACE}}}"] == pytest.approx(0.2)
        assert seen[f"trading_daily_loss_ratio{{{PLACE}}}"] == pytest.approx(0.2)
        assert seen[f"trading_position_quantity{{{BTC}}}"] == 3
        assert seen[f"trading_orders_open{{{BTC}}}"] == 1
        assert seen[f"trading_orders_sent_total{{{BTC}}}"] == 0
        lower = [now_line("equity", equity="700", net_deposits="0") for _ in range(2)]
        answer = second.ask(URL, body(*lines, *lower))
        assert answer.json["duplicates"] == 5
        assert answer.json["accepted"] == 2
        assert second.samples()[f"trading_drawdown_ratio{{{PLACE}}}"] == pytest.approx(0.3)


def test_a_stop_saves_what_came_last(tmp_path):
    with exporter("trading", config(tmp_path), tmp_path) as first:
        last = now_line("equity", equity="1234")
        first.ask(URL, last)
        first.process.terminate()
        assert first.process.wait(10) == 0
    with exporter("trading", config(tmp_path), tmp_path) as second:
        assert (
            second.samples()['trading_equity{account="mm",currency="USDT",strategy="mm-btc",venue="sandbox"}'] == 1234
        )
        assert second.ask(URL, last).json["duplicates"] == 1


def test_a_followed_file_is_not_counted_twice_over_a_restart(tmp_path):
    events = tmp_path / "events.ndjson"
    events.write_bytes(body(*[now_line("order_sent", client_order_id=str(n)) for n in range(100)]))
    setup = config(tmp_path, files=[str(events)])
    with exporter("trading", setup, tmp_path) as first:
        first.wait_for(f"trading_orders_sent_total{{{BTC}}}", 100)
        first.process.terminate()
        first.process.wait(10)
    with events.open("ab") as file:
        file.write(body(now_line("order_sent"), b"rubbish", now_line("order_sent")))
    with exporter("trading", setup, tmp_path) as second:
        second.wait_for(f"trading_orders_sent_total{{{BTC}}}", 2)
        seen = second.samples()
        assert seen['trading_events_malformed_total{transport="file"}'] == 1
        assert seen['trading_events_duplicate_total{transport="file"}'] == 0


def test_a_spoiled_state_file_is_told_and_does_not_stop_it(tmp_path):
    (tmp_path / "state.json").write_text("{")
    with exporter("trading", config(tmp_path), tmp_path) as running:
        assert running.samples()['exporter_state_load_failures_total{exporter="trading"}'] == 1
        assert any("cannot be read" in each["event"] for each in running.log)
        assert running.ask(URL, now_line("equity")).json["accepted"] == 1


def test_events_can_be_refused_by_http_altogether(tmp_path):
    with exporter("trading", config(tmp_path, http=False), tmp_path) as running:
        assert running.ask(URL, now_line("equity")).status == 404


def test_a_missing_token_file_keeps_it_from_starting(tmp_path):
    file = tmp_path / "c.yml"
    file.write_text(json.dumps(config(tmp_path, token_file=str(tmp_path / "none"))))
    done = subprocess.run(
        [sys.executable, "-m", "exporters", "trading", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 1
    assert str(tmp_path / "none") in done.stderr
