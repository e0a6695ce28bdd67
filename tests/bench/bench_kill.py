"""From the POST of an alert to the venue: latency of the answer and of the first cancel, a full book, a storm."""

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

from tests.bench.tables import Report, Row
from tests.bench.webhook_process import SYMBOLS, RunningWebhook, an_alert, running_webhook, write_config
from tests.monitoring import find, wait_until
from tests.ports import free_host
from tests.sandbox_fixtures import RunningVenue, running_venue, usdm_client

ACCOUNTS = ("mm", "trend", "meanrev")
POSTS = 300
WARM_UP = 20


def bench(folder: Path) -> list[Report]:
    """Run all parts on one webhook and one venue."""
    with ExitStack() as stack:
        prometheus = stack.enter_context(an_idle_prometheus(folder))
        venue = stack.enter_context(running_venue(ACCOUNTS))
        config, host = write_config(folder, venue, prometheus=prometheus)
        webhook = stack.enter_context(running_webhook(config, host, folder / "webhook.log"))
        at_first = webhook.resident_mebibytes()
        reports = [one_by_one(webhook, venue), a_thousand_orders(webhook, venue), storm(webhook, venue)]
        memory = webhook.resident_mebibytes()
        reports.append(
            Report(
                "Memory",
                [
                    Row("resident memory of the webhook at the start", [at_first], "MiB"),
                    Row("resident memory of the webhook after all this", [memory], "MiB", 200, 1.0),
                ],
            )
        )
    return reports


@contextmanager
def an_idle_prometheus(folder: Path) -> Iterator[str]:
    """The real Prometheus with nothing to do: the judge whom a resume asks."""
    host = free_host()
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1m}\n")
    process = subprocess.Popen(
        [
            str(find("prometheus")),
            f"--config.file={config}",
            f"--web.listen-address={host}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _answers(f"http://{host}/-/ready"), seconds=30, what="Prometheus")
        yield f"http://{host}"
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def one_by_one(webhook: RunningWebhook, venue: RunningVenue) -> Report:
    """Alerts one after another, each on a scope of its own, resumed before it comes again."""
    answered, wire, stored, empty = [], [], [], []
    connection = webhook.connection()
    for number in range(WARM_UP + POSTS):
        account, symbol = ACCOUNTS[number % 3], SYMBOLS[number // 3 % len(SYMBOLS)]
        scope = f"venue=sandbox,account={account},symbol={symbol}"
        venue.seed(account, 1, symbols=[symbol.replace("/", "").partition(":")[0]])
        before = venue.admin("GET", "requests?limit=0")["last"]
        alert = an_alert(
            "TradingOrderRateRunaway",
            {"venue": "sandbox", "account": account, "symbol": symbol},
            "halt",
            "venue,account,symbol",
        )
        sent = time.monotonic()
        receipt = webhook.post_alerts([alert], connection)
        done = time.monotonic()
        trip = webhook.wait_verified(receipt["outcomes"][0]["trip_id"])
        asked = venue.admin("GET", f"requests?since={before}&account={account}&method=DELETE")["requests"]
        if number >= WARM_UP:
            answered.append((done - sent) * 1000)
            wire.append((asked[0]["monotonic"] - sent) * 1000)
            stored.append(trip["stages"]["stored"] * 1000)
            empty.append(trip["stages"]["empty"] * 1000)
        webhook.resume(scope)
    return Report(
        "Alert POST, one at a time (SQLite, synchronous=FULL; venue without latency)",
        [
            Row("POST to 200", answered, "ms", 15),
            Row("POST to first cancel request at the venue", wire, "ms", 20),
            Row("  of that: request to stored on disk", stored),
            Row("request to verified empty", empty),
        ],
    )


def a_thousand_orders(webhook: RunningWebhook, venue: RunningVenue, rounds: int = 5) -> Report:
    """1,000 orders on 3 accounts and 10 symbols, 20 ms venue latency; and the same orders one by one in a loop."""
    venue.admin("POST", "latency", {"milliseconds": 20})
    ours, loops = [], []
    for _ in range(rounds):
        fill(venue)
        trip = webhook.ask("POST", "/api/v1/trips", {"action": "halt", "scope": "global", "reason": "bench"})
        done = webhook.wait_verified(trip["id"])
        assert standing(venue) == 0
        ours.append(done["stages"]["empty"])
        webhook.resume("global")
    fill(venue)
    loops.append(cancel_in_a_loop(venue))
    assert standing(venue) == 0
    venue.admin("POST", "latency", {"milliseconds": 0})
    ratio = loops[0] / sorted(ours)[len(ours) // 2]
    return Report(
        "1,000 open orders, 3 accounts x 10 symbols, 20 ms venue latency",
        [
            Row("request to verified empty", ours, "s", 0.6, 1.0),
            Row("the same orders cancelled one by one in a loop", loops, "s"),
        ],
        [f"the loop takes {ratio:.0f} times as long as the median kill, and does not verify"],
    )


def fill(venue: RunningVenue) -> None:
    """Rest 1,000 orders; a few of them in the conditional book."""
    venue.admin("POST", "latency", {"milliseconds": 0})
    for count, account in zip((340, 330, 330), ACCOUNTS, strict=True):
        venue.seed(account, count - 20)
        venue.seed(account, 20, book="algo")
    venue.admin("POST", "latency", {"milliseconds": 20})
    assert standing(venue) == 1000


def standing(venue: RunningVenue) -> int:
    """How many orders the venue itself has, in all books."""
    return sum(one["open_orders_total"] for one in venue.admin("GET", "state")["accounts"].values())


def cancel_in_a_loop(venue: RunningVenue) -> float:
    """What a script would do: read the open orders and cancel each, an account after another."""
    started = time.monotonic()
    for account in ACCOUNTS:
        client: Any = usdm_client(venue, account, "killer")
        client.load_markets()
        for book in ({}, {"trigger": True}):
            for order in client.fetch_open_orders(params=book):
                client.cancel_order(order["id"], order["symbol"], params=book)
    return time.monotonic() - started


def storm(webhook: RunningWebhook, venue: RunningVenue) -> Report:
    """300 different kill alerts in one POST, and 200 POSTs at once: none lost, none done twice."""
    venue.clear()
    venue.seed("mm", 100)
    alerts = [
        an_alert("Storm", {"venue": "sandbox", "symbol": f"C{number}/USDT:USDT"}, "halt", "venue,symbol")
        for number in range(300)
    ]
    started = time.monotonic()
    receipt = webhook.post_alerts(alerts)
    one_post = time.monotonic() - started
    outcomes = [one["outcome"] for one in receipt["outcomes"]]
    assert outcomes == ["tripped"] * 300, outcomes
    for one in receipt["outcomes"]:
        webhook.wait_verified(one["trip_id"], 60)
    again = [one["outcome"] for one in webhook.post_alerts(alerts)["outcomes"]]
    assert again == ["already"] * 300, again

    found: list[str] = []
    times: list[float] = []

    def deliver(number: int) -> None:
        alert = an_alert("Wave", {"venue": "sandbox", "symbol": f"W{number % 100}/USDT:USDT"}, "halt", "venue,symbol")
        began = time.monotonic()
        answer = webhook.post_alerts([alert])
        times.append((time.monotonic() - began) * 1000)
        found.append(answer["outcomes"][0]["outcome"])

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {name: found.count(name) for name in sorted(set(found))}
    assert counts == {"already": 100, "tripped": 100}, counts
    journal: list[dict[str, Any]] = []
    while True:
        page = webhook.ask("GET", f"/api/v1/audit?after={journal[-1]['sequence'] if journal else 0}&limit=1000")[
            "records"
        ]
        if not page:
            break
        journal += page
    tripped = [
        json.dumps(one["body"]["scope"])
        for one in journal
        if one["kind"] == "tripped" and one["actor"] in ("Storm", "Wave")
    ]
    assert len(tripped) == len(set(tripped)) == 400, (len(tripped), len(set(tripped)))
    return Report(
        "Storm",
        [
            Row("one POST of 300 different kill alerts, to 200", [one_post], "s"),
            Row("each of 200 POSTs at once, to 200", times),
        ],
        [
            "300 of 300 and 100 of 100 scopes tripped, each once (counted in the journal);",
            "300 repeats and 100 doubles were answered `already`",
        ],
    )
