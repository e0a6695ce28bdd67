"""The shipped files in a real Prometheus and a real Alertmanager: a breach is at the webhook's door within a second.

What stands in is only what lies at both ends: an exporter that serves the series a test sets, and a door that notes
what is posted.  The measured latencies are printed (``pytest -s``).
"""

import json
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.monitoring import Monitoring, wait_until
from tests.prometheus.ruleset import rules

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

BREACHES = 10


class Served:
    """One HTTP server on a free port: GET answers *text*, POST is noted with its time and bearer."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.series: dict[str, float | None] = {}
        self.up = True
        served = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say(200 if served.up else 503, served.page(parse_qs(urlsplit(self.path).query)))

            def do_POST(self) -> None:
                arrived = time.time()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                served.posts.append(Post(arrived, self.path, self.headers.get("Authorization", ""), body))
                self._say(202 if self.path == "/v2/enqueue" else 200, '{"status": "success"}')

            def _say(self, code: int, text: str) -> None:
                body = text.encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def page(self, query: dict[str, list[str]]) -> str:
        """The kill set; nothing for the rest.  A series whose value is None is the time of now."""
        if query.get("set") == ["rest"]:
            return ""
        now = time.time()
        return "".join(f"{name} {now if value is None else value}\n" for name, value in list(self.series.items()))

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class Post:
    """One POST: when (Unix seconds), where, with which ``Authorization``, and what."""

    at: float
    path: str
    authorization: str
    body: dict[str, Any] = field(repr=False)

    def alerts(self) -> list[dict[str, Any]]:
        return list(self.body.get("alerts", []))


@dataclass(frozen=True, slots=True)
class Line:
    """The ends of the way, and the monitoring between them."""

    trading: Served
    door: Served
    monitoring: Monitoring

    def breach(self, strategy: str, drawdown: float) -> float:
        """Set the drawdown of a strategy; returns when (Unix seconds)."""
        labels = f'venue="sandbox",account="{strategy}",strategy="{strategy}"'
        self.trading.series[f"trading_drawdown_ratio{{{labels}}}"] = drawdown
        self.trading.series[f"trading_daily_loss_ratio{{{labels}}}"] = 0.0
        self.trading.series[f'trading_gross_exposure{{{labels},currency="USDT"}}'] = 0.0
        return time.time()

    def posted(self, alert: str, status: str, *, strategy: str | None = None, seconds: float = 10) -> Post:
        """The first POST to the webhook with that alert in that status; waits for it."""

        def look() -> Post | None:
            for post in list(self.door.posts):
                for item in post.alerts():
                    labels = item["labels"]
                    if (labels["alertname"], item["status"]) == (alert, status) and (
                        strategy is None or labels.get("strategy") == strategy
                    ):
                        return post
            return None

        return wait_until(look, seconds=seconds, what=f"a POST of {alert} {status} {strategy or ''}", pause=0.005)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    trading, market, door = Served(), Served(), Served()
    feed = 'venue="sandbox",symbol="BTC/USDT:USDT",stream="depth"'
    market.series |= {
        f"market_data_last_event_timestamp_seconds{{{feed}}}": None,
        f"market_data_last_received_timestamp_seconds{{{feed}}}": None,
        f"market_data_sequence_gaps_total{{{feed}}}": 0.0,
        'market_data_clock_offset_seconds{venue="sandbox"}': 0.0,
    }
    monitoring = Monitoring(
        tmp_path_factory.mktemp("monitoring"),
        hosts={
            "trading-exporter:9103": trading.host,
            "market-data-exporter:9102": market.host,
            "webhook:8700": door.host,
            "pager:8730": door.host,
        },
        # A test need not wait as long as an operator.
        edits={"keep_firing_for: 30s": "keep_firing_for: 1s"},
    )
    line = Line(trading, door, monitoring)
    for number in range(BREACHES):
        line.breach(f"s{number}", 0.01)
        heartbeat = f'trading_strategy_last_heartbeat_timestamp_seconds{{engine="e",strategy="s{number}"}}'
        trading.series[heartbeat] = None
    try:
        with monitoring:
            wait_until(
                lambda: monitoring.value("count(strategy:trading_drawdown_limit:ratio)") == BREACHES,
                seconds=30,
                what="a limit for every strategy",
                hint=monitoring.prometheus.tail,
            )
            yield line
    finally:
        for served in (trading, market, door):
            served.stop()


def test_breaches_reach_the_door_within_a_second_each_with_the_token(line: Line) -> None:
    latencies = []
    for number in range(BREACHES):
        strategy = f"s{number}"
        # Else each breach would come at the same moment between two scrapes, right after the POST of the one before.
        time.sleep(0.047 * number % 0.2)
        at = line.breach(strategy, 0.12)
        post = line.posted("TradingDrawdownBreached", "firing", strategy=strategy)
        latencies.append(post.at - at)
        (alert,) = post.alerts()
        labels = alert["labels"]
        assert post.path == "/api/v1/alerts"
        assert post.authorization == f"Bearer {line.monitoring.token}"
        assert {"venue": "sandbox", "account": strategy, "strategy": strategy} == {
            name: labels[name] for name in labels["kill_scope"].split(",")
        }
        assert labels["kill_action"] == "flatten"
        assert "job" not in labels
        assert "instance" not in labels
    ordered = sorted(latencies)
    print(
        f"\nbreach to POST over {BREACHES}: min {ordered[0]:.3f} s, p50 {statistics.median(ordered):.3f} s, "
        f"max {ordered[-1]:.3f} s"
    )
    assert statistics.median(ordered) < 0.8
    assert ordered[-1] < 3


def test_the_same_breach_pages_people_by_a_way_without_the_webhook(line: Line) -> None:
    line.breach("s0", 0.12)

    def page() -> Post | None:
        return next(
            (
                post
                for post in list(line.door.posts)
                if post.path == "/v2/enqueue" and post.body["payload"]["class"] == "TradingDrawdownBreached"
            ),
            None,
        )

    payload = wait_until(page, seconds=10, what="a page").body
    assert payload["event_action"] == "trigger"
    assert payload["payload"]["severity"] == "critical"
    assert "12% below its peak equity" in payload["payload"]["summary"]
    assert payload["links"][0]["href"].endswith("/docs/runbooks/TradingDrawdownBreached.md")


def test_the_watchdog_arrives_with_the_token(line: Line) -> None:
    post = line.posted("Watchdog", "firing", seconds=20)
    assert post.authorization == f"Bearer {line.monitoring.token}"


def test_a_breach_that_ends_is_told_as_resolved(line: Line) -> None:
    line.breach("s1", 0.12)
    line.posted("TradingDrawdownBreached", "firing", strategy="s1")
    line.breach("s1", 0.0)
    line.posted("TradingDrawdownBreached", "resolved", strategy="s1", seconds=20)


def test_a_restart_of_prometheus_halts_nobody(line: Line) -> None:
    before = len(line.door.posts)
    line.monitoring.prometheus.stop()
    # Longer than the age at which a heartbeat or a feed counts as dead: what Prometheus still has is older than that.
    time.sleep(5.5)
    line.monitoring.prometheus.start(f"http://{line.monitoring.prometheus_host}/-/ready")
    age = "max(time() - strategy:trading_risk_data_last_seen:timestamp_seconds)"
    wait_until(lambda: (line.monitoring.value(age) or 99) < 2, seconds=8, what="fresh risk data")
    wait_until(
        lambda: (
            not [item for item in line.monitoring.alerts() if item["labels"]["alertname"] == "TradingRiskDataMissing"]
        ),
        seconds=5,
        what="no pending alert",
    )
    late = [alert for post in line.door.posts[before:] for alert in post.alerts() if alert["status"] == "firing"]
    assert not [alert["labels"] for alert in late if alert["labels"].get("kill_action") == "halt"]


def test_an_exporter_that_is_gone_halts_every_strategy_after_ten_seconds_and_flattens_none(line: Line) -> None:
    before = len(line.door.posts)
    line.trading.up = False
    gone = time.time()
    try:
        post = line.posted("TradingRiskDataMissing", "firing", strategy="s9", seconds=30)
        assert 8 < post.at - gone < 20
        late = [alert["labels"] for item in line.door.posts[before:] for alert in item.alerts()]
        missing = [labels for labels in late if labels["alertname"] == "TradingRiskDataMissing"]
        assert {labels["kill_action"] for labels in missing} == {"halt"}
    finally:
        line.trading.up = True


def test_an_override_holds_at_once_after_a_reload_and_its_removal_too(line: Line) -> None:
    limits = line.monitoring.directory / "prometheus" / "rules" / "limits.yml"
    shipped = limits.read_text(encoding="utf-8")
    own = """
      - record: limit:trading_drawdown:ratio
        labels: {strategy: s5}
        expr: vector(0.2)
"""

    def holds(limit: float) -> float:
        since = time.monotonic()
        wait_until(
            lambda: line.monitoring.value('strategy:trading_drawdown_limit:ratio{strategy="s5"}') == limit,
            seconds=10,
            what=f"a limit of {limit}",
        )
        return time.monotonic() - since

    for text, limit in ((shipped + own, 0.2), (shipped, 0.1)):
        limits.write_text(text, encoding="utf-8")
        line.monitoring.prometheus.signal(signal.SIGHUP)
        print(f"\nreload to a limit of {limit}: {holds(limit):.2f} s")
    assert line.monitoring.value('strategy:trading_drawdown_limit:ratio{strategy="s4"}') == 0.1


def test_no_rule_fails_and_no_evaluation_is_late(line: Line) -> None:
    assert line.monitoring.value("sum(prometheus_rule_evaluation_failures_total)") in (0.0, None)
    groups = line.monitoring.query('prometheus_rule_group_last_duration_seconds{rule_group=~".*-kill"}')
    for group in groups:
        print(f"\n{group['metric']['rule_group'].rpartition(';')[2]}: {float(group['value'][1]) * 1000:.1f} ms")
    assert len(groups) == len({rule.group for rule in rules() if rule.interval == "200ms"})
    assert all(float(group["value"][1]) < 0.2 for group in groups)
