"""From a breach in the exporter to the first cancel at the venue, through the whole running line.

Real exporter, Prometheus, Alertmanager, webhook and venue, with the shipped rules and routes.  Fifty strategies share
an account; one after another reports half of its equity gone.  As the account is shared, the webhook must read the open
orders before it may cancel any: the slower of the two ways.
"""

import json
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tests.bench.tables import Report, Row
from tests.bench.webhook_process import INTAKE_TOKEN, running_webhook, write_config
from tests.monitoring import Monitoring, wait_until
from tests.ports import free_host
from tests.sandbox_fixtures import ROOT, running_venue

BREACHES = 50
STRATEGIES = [f"bench-{number:02}" for number in range(BREACHES)]


class Reporting:
    """An engine that reports fifty strategies, twice a second, and one of them bleeding when told."""

    def __init__(self, exporter: str) -> None:
        self._url = f"http://{exporter}/api/v1/events"
        self._equity = dict.fromkeys(STRATEGIES, "100000")
        self._sequence = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def breach(self, strategy: str) -> tuple[float, float]:
        """Halve the equity of a strategy; the monotonic and the wall time just before the exporter is told."""
        self._equity[strategy] = "50000"
        times = time.monotonic(), time.time()
        self._send([strategy])
        return times

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            self._send(STRATEGIES)

    def _send(self, strategies: list[str]) -> None:
        with self._lock:
            lines = []
            for strategy in strategies:
                for body in (
                    {
                        "type": "equity",
                        "currency": "USDT",
                        "equity": self._equity[strategy],
                        "margin_balance": "100000",
                        "maintenance_margin": "100",
                    },
                    {"type": "heartbeat", "state": "running"},
                ):
                    self._sequence += 1
                    lines.append(
                        json.dumps(
                            {
                                "v": 1,
                                "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                                "engine": "bench",
                                "session": "1",
                                "seq": self._sequence,
                                "strategy": strategy,
                                "venue": "sandbox",
                                "account": "mm",
                                **body,
                            }
                        )
                    )
            request = urllib.request.Request(
                self._url, "\n".join(lines).encode(), {"Content-Type": "application/x-ndjson"}
            )
            with urllib.request.urlopen(request, timeout=5) as answer:
                told = json.load(answer)
            assert told["malformed"] == 0, told


@contextmanager
def a_trading_exporter(folder: Path) -> Iterator[str]:
    """The trading exporter as a process."""
    host = free_host()
    config = folder / "exporters.yml"
    config.write_text(f"trading:\n  listen: {{host: 127.0.0.1, port: {host.split(':')[1]}}}\n")
    with (folder / "exporter.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporters", "trading", "--config", str(config)], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        wait_until(
            lambda: _open(f"http://{host}/healthz"),
            seconds=20,
            what="the exporter",
            hint=(folder / "exporter.log").read_text,
        )
        yield host
    finally:
        process.terminate()
        process.wait()


def _open(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def bench(folder: Path) -> list[Report]:
    """Fifty breaches, one after another."""
    with ExitStack() as stack:
        venue = stack.enter_context(running_venue(("mm",)))
        exporter = stack.enter_context(a_trading_exporter(folder))
        strategies = {
            name: {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": [f"{name}_"]} for name in STRATEGIES
        }
        policy = {
            "budget": {"trips": 10_000},
            "rules": [{"alerts": ["*"], "actions": ["halt"], "scopes": ["venue,account,strategy"]}],
        }
        prometheus = free_host()
        config, host = write_config(
            folder, venue, prometheus=f"http://{prometheus}", accounts=("mm",), strategies=strategies, policy=policy
        )
        webhook = stack.enter_context(running_webhook(config, host, folder / "webhook.log"))
        reporting = stack.enter_context(Reporting(exporter))
        monitoring = Monitoring(
            folder / "monitoring",
            hosts={"webhook:8700": host, "trading-exporter:9103": exporter},
            prometheus_host=prometheus,
            token=INTAKE_TOKEN,
        )
        stack.enter_context(monitoring)
        wait_until(lambda: len(monitoring.query("trading_drawdown_ratio")) == BREACHES, seconds=30, what="the series")
        breach_to_cancel, received, cancelled = [], [], []
        for strategy in STRATEGIES:
            venue.seed("mm", 5, prefix=f"{strategy}_")
            before = venue.admin("GET", "requests?limit=0")["last"]
            # Not in step with the scrapes.
            time.sleep(0.3 + random.random() * 0.4)
            mono, wall = reporting.breach(strategy)
            asked = wait_until(
                lambda before=before: venue.admin("GET", f"requests?since={before}&method=DELETE")["requests"],
                seconds=10,
                what=f"a cancel for {strategy}",
                hint=lambda: (folder / "webhook.log").read_text()[-2000:],
            )
            trip = next(
                one for one in webhook.ask("GET", "/api/v1/trips?limit=100")["trips"] if one["scope"].endswith(strategy)
            )
            webhook.wait_verified(trip["id"])
            breach_to_cancel.append(asked[0]["monotonic"] - mono)
            at = datetime.fromisoformat(trip["received_at"]).timestamp()
            received.append(at - wall)
            cancelled.append(asked[0]["wall"] - at)
        left = venue.admin("GET", "state")["accounts"]["mm"]["open_orders_total"]
        assert left == 0, left
        scopes: list[Any] = [one["scope"] for one in webhook.ask("GET", "/api/v1/trips?limit=1000")["trips"]]
        assert len(scopes) == len(set(scopes)) == BREACHES, scopes
    return [
        Report(
            "Breach in the exporter to the first cancel at the venue, through the running stack",
            [
                Row("breach to first cancel request at the venue", breach_to_cancel, "s", 0.6),
                Row("  breach to alert POST received by the webhook", received, "s"),
                Row("  alert POST received to first cancel at the venue", cancelled, "s"),
            ],
            [f"{BREACHES} of {BREACHES} scopes tripped once; no order left at the venue"],
        )
    ]
