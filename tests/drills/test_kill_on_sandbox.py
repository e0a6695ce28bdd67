"""A kill by a real webhook process, over ccxt, on a real venue process that breaks in the ways venues do."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.webhook_process import (
    RunningWebhook,
    an_alert,
    children,
    running_webhook,
    wait,
    write_config,
)
from tests.sandbox_fixtures import RunningVenue, running_venue

pytestmark = pytest.mark.stack

HALT = {"venue": "sandbox", "account": "mm"}
LIMITS = {"venue_timeout_seconds": 1.0, "verify_deadline_seconds": 1.0, "sweep_seconds": 0.2}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue(("mm",)) as running:
        yield running


@pytest.fixture(scope="module")
def webhook(venue: RunningVenue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    folder = tmp_path_factory.mktemp("webhook")
    config, host = write_config(folder, venue, prometheus="http://127.0.0.1:9", accounts=("mm",), limits=LIMITS)
    with running_webhook(config, host, folder / "log") as running:
        yield running


@pytest.fixture(autouse=True)
def clean(venue: RunningVenue) -> Iterator[None]:
    venue.clear()
    venue.admin("DELETE", "faults")
    yield
    venue.admin("DELETE", "faults")


def standing(venue: RunningVenue) -> int:
    return int(venue.account("mm")["open_orders_total"])


def halt(webhook: RunningWebhook, symbol: str) -> Any:
    """Halt one symbol: each test has one of its own, since a halt stays."""
    labels = {**HALT, "symbol": f"{symbol}/USDT:USDT"}
    receipt = webhook.post_alerts([an_alert("TradingOrderRateRunaway", labels, "halt", "venue,account,symbol")])
    return receipt["outcomes"][0]


def rest(venue: RunningVenue, symbol: str, count: int = 12) -> None:
    venue.seed("mm", count, symbols=[f"{symbol}USDT"])
    venue.seed("mm", 3, symbols=[f"{symbol}USDT"], book="algo")


@pytest.mark.parametrize(
    ("symbol", "fault"),
    [
        ("ETH", {"kind": "accept_then_timeout", "method": "DELETE", "count": 2}),
        ("SOL", {"kind": "cancel_late", "seconds": 1.5, "count": 2}),
        ("BNB", {"kind": "cancel_partial", "n": 5, "count": 1}),
        ("XRP", {"kind": "error_5xx", "status": 503, "method": "DELETE", "count": 4}),
        ("ADA", {"kind": "html", "method": "DELETE", "count": 2}),
        ("DOGE", {"kind": "reset", "method": "DELETE", "count": 3}),
        ("LINK", {"kind": "rate_limit", "status": 429, "retry_after": 1, "method": "DELETE", "count": 2}),
        ("LTC", {"kind": "latency", "seconds": 0.4, "for_seconds": 3}),
        ("DOT", {"kind": "clock_skew", "seconds": 30, "for_seconds": 20}),
    ],
    ids=lambda one: one["kind"] if isinstance(one, dict) else one,
)
def test_whatever_the_venue_does_verified_means_empty(
    webhook: RunningWebhook, venue: RunningVenue, symbol: str, fault: dict[str, Any]
) -> None:
    """Both books are empty when the trip says so, and the venue itself agrees."""
    rest(venue, symbol)
    venue.admin("POST", "faults", fault)

    trip = webhook.wait_verified(halt(webhook, symbol)["trip_id"])

    assert standing(venue) == 0, trip


def test_a_venue_that_does_not_answer_is_never_called_empty(webhook: RunningWebhook, venue: RunningVenue) -> None:
    """Reads fail for three seconds: unverified, said as a metric; then the kill ends by itself."""
    rest(venue, "BTC")
    venue.admin("POST", "faults", {"kind": "error_5xx", "status": 503, "for_seconds": 3})

    trip_id = halt(webhook, "BTC")["trip_id"]

    wait(lambda: webhook.trip(trip_id)["status"] == "unverified", 20, lambda: str(webhook.trip(trip_id)))
    assert standing(venue) > 0
    webhook.wait_verified(trip_id)
    assert standing(venue) == 0


def test_a_webhook_killed_in_the_middle_goes_on_when_it_is_back(tmp_path: Path, venue: RunningVenue) -> None:
    """kill -9 of the worker while the venue hangs: gunicorn starts another one, which finishes the kill."""
    config, host = write_config(tmp_path, venue, prometheus="http://127.0.0.1:9", accounts=("mm",), limits=LIMITS)
    with running_webhook(config, host, tmp_path / "log") as webhook:
        rest(venue, "BTC")
        venue.admin("POST", "faults", {"kind": "error_5xx", "status": 503, "for_seconds": 2})
        trip_id = halt(webhook, "BTC")["trip_id"]
        worker = children(webhook.process.pid)[0]
        signal_and_wait(worker)

        def verified() -> bool:
            try:
                return bool(webhook.trip(trip_id)["status"] == "verified")
            except (OSError, AssertionError):
                return False

        wait(verified, 40, lambda: (tmp_path / "log").read_text()[-2000:])
        assert standing(venue) == 0
        records = webhook.ask("GET", "/api/v1/audit?limit=1000")["records"]
        assert [one["kind"] for one in records].count("tripped") == 1


def signal_and_wait(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_duplicate_delivery_is_not_done_twice(webhook: RunningWebhook) -> None:
    """The same alert again, as Alertmanager repeats it, is told so and starts nothing."""
    first = halt(webhook, "ATOM")
    second = halt(webhook, "ATOM")

    assert (first["outcome"], second["outcome"]) == ("tripped", "already")
    assert second["trip_id"] == first["trip_id"]
