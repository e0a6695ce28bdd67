"""A whole service in the test's process: real store, real lines, paper venue and engine, and a Prometheus that says
over HTTP what the test tells it to (the real one is in the tests marked `stack`).
"""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.builders import an_alert
from webhook.bootstrap import Assembly, build
from webhook.clock import Clock
from webhook.engines.paper import PaperEngine
from webhook.intake.alert import Alert, AlertStatus, Batch
from webhook.killswitch.trip import Progress, Trip, TripStatus
from webhook.service.queries import Queries, TripView
from webhook.service.resume import Resumes
from webhook.service.service import Receipt, Service
from webhook.settings import load
from webhook.venues.paper import PaperVenue

POLICY = {
    "rules": [
        {
            "alerts": ["Trading*"],
            "actions": ["page", "reduce", "halt", "flatten"],
            "scopes": ["venue,account,strategy", "venue,account"],
        },
        {"alerts": ["*"], "actions": ["page", "reduce", "halt"], "scopes": ["venue,symbol", "venue", "global"]},
    ]
}


@dataclass
class FakePrometheus:
    """What `GET /api/v1/alerts` says."""

    url: str
    alerts: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False

    def fires(self, alert: Alert) -> None:
        """From now on this alert fires."""
        self.alerts.append(
            {
                "labels": alert.labels,
                "annotations": alert.annotations,
                "state": "firing",
                "activeAt": alert.starts_at.isoformat(),
                "value": "1",
            }
        )


@contextmanager
def a_prometheus() -> Iterator[FakePrometheus]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "success", "data": {"alerts": prometheus.alerts}}).encode()
            self.send_response(503 if prometheus.broken else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    prometheus = FakePrometheus(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield prometheus
    finally:
        server.shutdown()
        server.server_close()


SHARED = {
    "strategies": {
        "mm-btc": {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": ["mm-btc_"], "exclusive": True},
        "grid": {"venue": "sandbox", "account": "shared", "client_order_id_prefixes": ["grid_"]},
        "trend": {"venue": "sandbox", "account": "shared", "client_order_id_prefixes": ["trend_"]},
    },
    "policy": {
        "rules": [
            {"alerts": ["*"], "actions": ["halt"], "scopes": ["venue,account,strategy", "venue,account", "venue"]}
        ]
    },
}
"""Changes for a rig in which two strategies share an account, so that nothing of them can be flattened."""


def settings_document(folder: Path, prometheus_url: str = "http://127.0.0.1:9", **changes: Any) -> dict[str, Any]:
    """A configuration of paper venues `mm` and `shared`; secrets are written into *folder*."""
    token = folder / "token"
    token.write_text("a-token-of-more-than-sixteen-characters\n")
    operators = folder / "operators.json"
    if not operators.exists():
        operators.write_text('{"operators": []}')
    for secret in (token, operators):
        secret.chmod(0o600)
    document: dict[str, Any] = {
        "mode": "live",
        # A busy machine that runs tests is no disk that hangs.
        "store": {"url": f"sqlite:///{folder / 'andon.db'}", "commit_timeout_seconds": 5.0},
        "intake": {"token_file": str(token)},
        "access": {"operators_file": str(operators)},
        "prometheus": {"url": prometheus_url, "poll_seconds": 0.1},
        "limits": {
            "block_timeout_seconds": 0.4,
            "venue_timeout_seconds": 0.4,
            "verify_deadline_seconds": 1.0,
            "flat_deadline_seconds": 2.0,
            "sweep_seconds": 0.1,
        },
        "flatten": {"pause_seconds": 0.0},
        "policy": POLICY,
        "strategies": {
            "mm-btc": {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": ["mm-btc_"], "exclusive": True},
        },
        "venues": [
            {
                "name": "sandbox-mm",
                "venue": "sandbox",
                "account": "mm",
                "adapter": "paper",
                "mode": "live",
                "options": {"symbols": ["BTC/USDT:USDT"]},
            },
            {
                "name": "sandbox-shared",
                "venue": "sandbox",
                "account": "shared",
                "adapter": "paper",
                "mode": "live",
                "options": {"symbols": ["BTC/USDT:USDT"]},
            },
        ],
        "engines": [
            {
                "name": "engine",
                "adapter": "paper",
                "mode": "live",
                "options": {
                    "strategies": {
                        "mm-btc": {"venue": "sandbox", "account": "mm"},
                        "grid": {"venue": "sandbox", "account": "shared"},
                        "trend": {"venue": "sandbox", "account": "shared"},
                    }
                },
            }
        ],
        "notifiers": [{"name": "console", "adapter": "console", "severity": "info"}],
    }
    return document | changes


@dataclass
class Rig:
    """The service and what a test reaches round it for."""

    assembly: Assembly
    prometheus: FakePrometheus
    folder: Path
    delivered: list[Alert] = field(default_factory=list)

    @property
    def service(self) -> Service:
        return self.assembly.service

    @property
    def resumes(self) -> Resumes:
        return self.assembly.resumes

    @property
    def queries(self) -> Queries:
        return self.assembly.queries

    def venue(self, name: str) -> PaperVenue:
        venue = self.assembly.accounts[name].venue
        assert isinstance(venue, PaperVenue)
        return venue

    @property
    def engine(self) -> PaperEngine:
        engine = self.assembly.engines["engine"].engine
        assert isinstance(engine, PaperEngine)
        return engine

    def deliver(self, *alerts: Alert, truncated: int = 0) -> Receipt:
        """As if Alertmanager had delivered these."""
        self.delivered += [alert for alert in alerts if alert.status is AlertStatus.FIRING]
        return self.service.receive(Batch(alerts, "kill", "{}", truncated, "alertmanager"), datetime.now(UTC))

    def all_resolve(self) -> None:
        """As if Alertmanager said that everything it brought has ended."""
        ended, self.delivered = self.delivered, []
        if ended:
            now = datetime.now(UTC)
            self.deliver(*(replace(alert, status=AlertStatus.RESOLVED, ends_at=now) for alert in ended))

    def trip(self, **labels: str) -> Trip:
        """Deliver one firing alert that trips, and return its trip."""
        outcome = self.deliver(an_alert(starts_at=datetime.now(UTC), **labels)).outcomes[0]
        assert outcome.outcome == "tripped", outcome
        return self.view(outcome.trip_id).trip

    def view(self, trip: Trip | str | None) -> TripView:
        """All that is known of a trip now."""
        found = self.queries.trip(trip.id if isinstance(trip, Trip) else trip or "")
        assert found is not None
        return found

    def status(self, trip: Trip) -> TripStatus:
        """How far a trip is now."""
        return self.view(trip).verdict.status

    def row(self, trip: Trip, target: str) -> Progress:
        """How far a trip is at one target now."""
        return next(row for row in self.view(trip).rows if row.target == target)

    def until_verified(self, trip: Trip, seconds: float = 10.0) -> TripView:
        """Wait until the trip is verified, and return what is known of it."""
        until(lambda: self.status(trip) is TripStatus.VERIFIED, seconds, lambda: str(self.view(trip)))
        return self.view(trip)

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the journal's records of one kind; none while the store is out."""
        if self.assembly.commit.out:
            return []
        return [record.body for record in self.queries.records(limit=100_000) if record.kind == kind]


@contextmanager
def a_rig(folder: Path, clock: Clock | None = None, **changes: Any) -> Iterator[Rig]:
    """Build, start, and end a service."""
    with a_prometheus() as prometheus:
        path = folder / "andon.json"
        path.write_text(json.dumps(settings_document(folder, prometheus.url, **changes)))
        assembly = build(load(path, {}), clock)
        assembly.start()
        try:
            yield Rig(assembly, prometheus, folder)
        finally:
            assembly.close()


def until(condition: Callable[[], bool], seconds: float = 10.0, told: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition; fail with what *told* says when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {told()}"
        time.sleep(0.005)


def minutes_ago(minutes: float) -> datetime:
    """A moment in the past."""
    return datetime.now(UTC) - timedelta(minutes=minutes)
