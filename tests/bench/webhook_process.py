"""A real webhook process on a real venue process, as the bench and the end-to-end tests start it."""

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_host
from tests.sandbox_fixtures import ROOT, RunningVenue

INTAKE_TOKEN = "bench-intake-token-0123456789abcdef"
OPERATORS = {"alice": "alice-token-0123456789abcdef0123", "bob": "bob-token-0123456789abcdef012345"}
SYMBOLS = tuple(
    f"{base}/USDT:USDT" for base in ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LINK", "LTC", "DOT")
)


@dataclass(frozen=True)
class RunningWebhook:
    """A webhook that answers."""

    host: str
    process: subprocess.Popen[str]
    folder: Path

    def connection(self) -> http.client.HTTPConnection:
        """A kept-alive connection, as Alertmanager uses."""
        address, _, port = self.host.partition(":")
        return http.client.HTTPConnection(address, int(port), timeout=60)

    def post_alerts(
        self,
        alerts: Sequence[Mapping[str, Any]],
        connection: http.client.HTTPConnection | None = None,
        *,
        expected: int = 200,
    ) -> Any:
        """Deliver alerts as Alertmanager does; the parsed answer."""
        return self.ask(
            "POST",
            "/api/v1/alerts",
            {
                "version": "4",
                "groupKey": "bench",
                "truncatedAlerts": 0,
                "status": "firing",
                "receiver": "kill",
                "groupLabels": {},
                "commonLabels": {},
                "commonAnnotations": {},
                "externalURL": "",
                "alerts": list(alerts),
            },
            token=INTAKE_TOKEN,
            connection=connection,
            expected=expected,
        )

    def resolve(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Say that these alerts have ended: until then nobody may resume what they stopped."""
        ended = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 1))
        self.post_alerts([{**alert, "status": "resolved", "endsAt": ended} for alert in alerts])

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str = "alice",
        token: str | None = None,
        connection: http.client.HTTPConnection | None = None,
        expected: int = 200,
    ) -> Any:
        """One request; raises AssertionError for an answer that is not *expected*, or 201 where that is 200."""
        used = connection or self.connection()
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token or OPERATORS[who]}", "Content-Type": "application/json"}
        used.request(method, path, content, headers)
        answer = used.getresponse()
        text = answer.read()
        if connection is None:
            used.close()
        assert answer.status in {expected, 201 if expected == 200 else expected}, (
            method,
            path,
            answer.status,
            text[:500],
        )
        return json.loads(text) if text else None

    def resume(self, scope: str) -> None:
        """Resume a scope by two people."""
        request = self.ask("POST", "/api/v1/resumes", {"scope": scope, "reason": "bench"})
        self.ask("POST", f"/api/v1/approvals/{request['id']}", who="bob")

    def trip(self, trip_id: str) -> Any:
        """One trip, with how far it is at each target."""
        return self.ask("GET", f"/api/v1/trips/{trip_id}")

    def wait_verified(self, trip_id: str, seconds: float = 30.0) -> Any:
        """The trip once it is verified."""
        deadline = time.monotonic() + seconds
        while True:
            trip = self.trip(trip_id)
            if trip["status"] == "verified":
                return trip
            assert time.monotonic() < deadline, trip
            time.sleep(0.01)

    def resident_mebibytes(self) -> float:
        """Resident memory of all processes of the service, in MiB; a page that two of them share counts once (PSS)."""
        total = 0
        for pid in [self.process.pid, *children(self.process.pid)]:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(rollup.split("Pss:")[1].split()[0])
        return total / 1024


def children(pid: int) -> list[int]:
    """The process ids below *pid*."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *children(child)]
    return found


def an_alert(
    name: str, labels: Mapping[str, str], action: str, scope: str, starts_at: str | None = None
) -> dict[str, Any]:
    """A firing alert as Alertmanager sends it."""
    now = time.time()
    stamp = starts_at or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
    return {
        "status": "firing",
        "labels": {"alertname": name, "severity": "critical", "kill_action": action, "kill_scope": scope, **labels},
        "annotations": {"summary": "A bench."},
        "startsAt": stamp,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "0000000000000000",
    }


def write_config(
    folder: Path,
    venue: RunningVenue,
    *,
    prometheus: str,
    accounts: Sequence[str] = ("mm", "trend", "meanrev"),
    **changes: Any,
) -> tuple[Path, str]:
    """A configuration of ccxt accounts on the sandbox venue; returns its path and the host it will listen on."""
    host = free_host()
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, parents=True)

    def secret(name: str, text: str) -> str:
        path = secrets / name
        path.write_text(text)
        path.chmod(0o400)
        return str(path)

    operators = [
        {"name": name, "role": "risk", "token_sha256": hashlib.sha256(token.encode()).hexdigest(), "expires_at": None}
        for name, token in OPERATORS.items()
    ]
    document: dict[str, Any] = {
        "listen": {"host": "127.0.0.1", "port": int(host.split(":")[1])},
        "store": {"url": f"sqlite:///{folder / 'andon.db'}"},
        "intake": {"token_file": secret("intake", INTAKE_TOKEN)},
        "access": {"operators_file": secret("operators.json", json.dumps({"operators": operators}))},
        "prometheus": {"url": prometheus, "poll_seconds": 0},
        "policy": {
            "budget": {"trips": 10_000},
            "rules": [
                {
                    "alerts": ["*"],
                    "actions": ["halt", "flatten"],
                    "scopes": [
                        "global",
                        "venue",
                        "venue,account",
                        "venue,symbol",
                        "venue,account,symbol",
                        "venue,account,strategy",
                    ],
                }
            ],
        },
        "strategies": {
            name: {"venue": "sandbox", "account": name, "client_order_id_prefixes": [f"{name}_"], "exclusive": True}
            for name in accounts
        },
        "venues": [
            {
                "name": f"sandbox-{name}",
                "venue": "sandbox",
                "account": name,
                "adapter": "ccxt",
                "mode": "live",
                "options": {
                    "exchange": "binanceusdm",
                    "base_url": venue.url,
                    "symbols": list(SYMBOLS),
                    "api_key_file": secret(f"{name}_key", venue.keys[name]["killer"].api_key),
                    "secret_file": secret(f"{name}_secret", venue.keys[name]["killer"].secret),
                },
            }
            for name in accounts
        ],
        "engines": [{"name": "engine", "adapter": "paper", "mode": "live", "options": {}}],
        "notifiers": [{"name": "console", "adapter": "console", "severity": "critical"}],
    } | changes
    path = folder / "andon.json"
    path.write_text(json.dumps(document))
    return path, host


@contextmanager
def running_webhook(config: Path, host: str, log: Path) -> Iterator[RunningWebhook]:
    """Start `andon serve`, wait until it is ready and every venue answers, end it afterwards."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "webhook", "serve", "--config", str(config)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ},
        )
        running = RunningWebhook(host, process, config.parent)
        try:
            wait(lambda: _ready(running, log), 60, lambda: log.read_text()[-3000:])
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                for pid in [*children(process.pid), process.pid]:
                    os.kill(pid, signal.SIGKILL)
                process.wait()


def _ready(running: RunningWebhook, log: Path) -> bool:
    if running.process.poll() is not None:
        raise AssertionError(f"the webhook ended: {log.read_text()[-3000:]}")
    try:
        connection = running.connection()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
    except OSError:
        return False
    ups = [line for line in text.splitlines() if line.startswith("andon_venue_up{")]
    return bool(ups) and all(line.endswith(" 1.0") for line in ups)


def wait(condition: Callable[[], Any], seconds: float, told: Callable[[], str] = str) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)
