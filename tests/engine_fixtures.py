"""A real engine process on a real venue, for tests: `with running_engine(venue, tmp_path) as engine:`.

It also holds the trading events' schema, read from docs/events.md itself: what the page says is what is checked.
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from tests import sandbox_fixtures
from tests.sandbox_fixtures import ROOT, RunningVenue

TOKEN = "a-token-for-tests"
STRATEGIES = ("mm-btc", "trend-btc", "meanrev-btc")


def until(condition: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Wait for a condition; longer than elsewhere, because two cores may be shared by many processes."""
    return sandbox_fixtures.until(condition, seconds=seconds)


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """An engine that answers; its events are read from the file that it appends to."""

    url: str
    process: subprocess.Popen[str]
    events_file: Path
    log_file: Path

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, timeout: float = 10, **query: Any
    ):
        """(status, parsed answer); the control API's own way to be wrong is a status."""
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                content, status = response.read(), response.status
        except HTTPError as error:
            with error:
                content, status = error.read(), error.code
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode()

    def do(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Ask, and expect success."""
        status, content = self.ask(method, path, body, **query)
        assert status < 300, f"{method} {path}: {status} {content}"
        return content

    def status(self, strategy: str) -> dict[str, Any]:
        return self.do("GET", "/status", strategy=strategy)["strategies"][strategy]

    def set_parameters(self, **parameters: str) -> dict[str, Any]:
        """Change parameters of mm-btc; all of them, as they are then."""
        answer = self.do("POST", "/control/parameters", {"strategy": "mm-btc", "parameters": parameters})
        return answer["parameters"]

    def quote_steadily(self) -> None:
        """Let mm-btc put a missing quote back after 0.2 s, not 1 s, and leave it while the price walks a little."""
        self.set_parameters(requote_seconds="0.2", requote_ratio="0.0005")

    def events(self, *kinds: str, strategy: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Events with a `seq` above *after*, oldest first."""
        if not self.events_file.exists():
            return []
        *lines, _unfinished = self.events_file.read_bytes().split(b"\n")
        found = [json.loads(line) for line in lines]
        return [
            one
            for one in found
            if one["seq"] > after
            and (not kinds or one["type"] in kinds)
            and (strategy is None or one.get("strategy") == strategy)
        ]

    def last_seq(self) -> int:
        return max((one["seq"] for one in self.events()), default=0)


@contextmanager
def running_engine(
    venue_url: str, venue: RunningVenue, folder: Path, args: Sequence[str] = ()
) -> Iterator[RunningEngine]:
    """Start `python -m sandbox engine` on a free port; *folder* keeps its state, events and log over restarts."""
    accounts = {
        "accounts": [
            {
                "name": name,
                "keys": [{"name": "engine", "api_key": keys["engine"].api_key, "secret": keys["engine"].secret}],
            }
            for name, keys in venue.keys.items()
        ]
    }
    (folder / "accounts.json").write_text(json.dumps(accounts))
    (folder / "token").write_text(TOKEN + "\n")
    number = len(list(folder.glob("events-*.jsonl")))
    events_file, log_file = folder / f"events-{number}.jsonl", folder / f"engine-{number}.log"
    events_file.touch()
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox", "engine", "--port", "0", "--venue-url", venue_url),
                *("--accounts", str(folder / "accounts.json"), "--control-token-file", str(folder / "token")),
                *("--state-file", str(folder / "state.json"), "--events-url", "", "--events-file", str(events_file)),
                *args,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def url() -> str | None:
        found = re.search(r"http://\S+", log_file.read_text())
        assert found or process.poll() is None, log_file.read_text()
        return found.group() if found else None

    try:
        yield RunningEngine(until(url, seconds=40), process, events_file, log_file)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


# The schema.

_COMMON = {"v", "type", "time", "engine", "session", "seq", "strategy", "venue", "account", "symbol"}
_NOT_DECIMAL = {
    *("v", "type", "time", "engine", "session", "seq", "strategy", "venue", "account", "symbol", "side", "order_type"),
    *("parent_id", "client_order_id", "order_id", "trade_id", "reduce_only", "code", "reason", "initiator", "currency"),
    *("fee_currency", "liquidity", "state", "started_at", "open_orders"),
}
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def schema() -> dict[str, tuple[set[str], set[str]]]:
    """Type -> (needed fields, optional fields), from the table of docs/events.md."""
    types: dict[str, tuple[set[str], set[str]]] = {}
    page = (ROOT / "docs" / "events.md").read_text().partition("## Types")[2]
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            needed, optional = (set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell))) for cell in cells[1:])
            types[cells[0].strip("`")] = (needed, optional)
    assert {"fill", "equity", "heartbeat"} <= set(types)
    return types


def check_event(event: dict[str, Any], types: dict[str, tuple[set[str], set[str]]]) -> None:
    """Fail when an event is not what docs/events.md says."""
    needed, optional = types[event["type"]]
    missing = (needed | {"v", "type", "time", "engine", "session", "seq"}) - set(event)
    assert not missing, f"{missing} missing in {event}"
    if event["type"] not in {"equity", "heartbeat"}:
        assert event["strategy"] in STRATEGIES
    unknown = set(event) - needed - optional - _COMMON
    assert not unknown, f"{unknown} in {event}"
    assert event["v"] == 1
    assert _TIME.fullmatch(event["time"]), event
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    for name, value in event.items():
        if name in {"v", "seq", "open_orders"}:
            assert type(value) is int, event
        elif name == "reduce_only":
            assert type(value) is bool, event
        else:
            assert type(value) is str, event
            assert name in _NOT_DECIMAL or _DECIMAL.fullmatch(value), f"{name} of {event}"
    assert event.get("side") in {None, "buy", "sell"}
