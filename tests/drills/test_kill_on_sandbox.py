"""A kill by a real webhook process, over ccxt, on a real venue process that breaks in the ways venues do."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.sandbox_fixtures import RunningVenue, running_venue, usdm_client

pytestmark = pytest.mark.stack

HALT = {"venue": "sandbox", "account": "mm"}
LIMITS = {"venue_timeout_seconds": 1.0, "verify_deadline_seconds": 1.0, "sweep_seconds": 0.2}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue(("mm",)) as running:
        yield running


@pytest.fixture(scope="module")
def webhook(venue: RunningVenue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    with a_webhook(tmp_path_factory.mktemp("webhook"), venue, LIMITS) as running:
        yield running


@contextmanager
def a_webhook(folder: Path, venue: RunningVenue, limits: dict[str, Any]) -> Iterator[RunningWebhook]:
    config, host = write_config(folder, venue, prometheus="http://127.0.0.1:9", accounts=("mm",), limits=limits)
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


def test_an_order_that_was_under_way_during_the_cancel_does_not_live(tmp_path: Path, venue: RunningVenue) -> None:
    """It is booked 30 ms after the cancel was answered: reads follow the verdict long before the next sweep."""
    client = usdm_client(venue, "mm")
    client.load_markets()
    with a_webhook(tmp_path, venue, {**LIMITS, "sweep_seconds": 30}) as webhook:
        rest(venue, "SOL")
        venue.admin("POST", "faults", {"kind": "order_late", "account": "mm", "seconds": 0.03, "count": 1})
        order = ("SOL/USDT:USDT", "limit", "buy", 1, 100.0)
        late = threading.Thread(target=client.create_order, args=order, daemon=True)
        late.start()
        asked = {"account": "mm", "method": "POST", "path": "/fapi/v1/order"}
        wait(lambda: bool(venue.admin("GET", "requests", **asked)["requests"]), 5, lambda: "no order is under way")

        trip_id = halt(webhook, "SOL")["trip_id"]
        late.join(10)

        assert not late.is_alive()
        wait(lambda: standing(venue) == 0, 5, lambda: str(webhook.trip(trip_id)))
        webhook.wait_verified(trip_id)


def test_an_order_that_cannot_be_cancelled_is_stuck_and_never_verified(tmp_path: Path, venue: RunningVenue) -> None:
    """Binance answers -2011, which means "no such order" elsewhere: only reading tells the two apart."""
    with a_webhook(tmp_path, venue, LIMITS) as webhook:
        rest(venue, "SOL", 2)
        venue.admin("POST", "faults", {"kind": "cancel_refused", "account": "mm", "path": "/fapi/v1/algo"})
        trip_id = halt(webhook, "SOL")["trip_id"]

        def stuck() -> bool:
            return any(one["stage"] == "stuck" for one in webhook.trip(trip_id)["targets"])

        wait(stuck, 20, lambda: str(webhook.trip(trip_id)))
        assert webhook.trip(trip_id)["status"] == "unverified"
        venue.admin("DELETE", "faults")
        webhook.wait_verified(trip_id)
        assert standing(venue) == 0


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
    with a_webhook(tmp_path, venue, LIMITS) as webhook:
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
    alert = an_alert("TradingOrderRateRunaway", HALT, "halt", "venue,account")
    first, second = (webhook.post_alerts([alert])["outcomes"][0] for _ in range(2))

    assert (first["outcome"], second["outcome"]) == ("tripped", "already")
    assert second["trip_id"] == first["trip_id"]
