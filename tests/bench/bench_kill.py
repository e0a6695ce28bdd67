"""From the POST of an alert to the venue: the answer, the first cancel, a full book, a storm, a store that hangs."""

import json
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
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
BESIDE_A_FLATTEN = 60
OUTAGES = 40
POLICY = {
    "budget": {"trips": 10_000},
    "rules": [
        {"alerts": ["*"], "actions": ["halt"], "scopes": ["global", "venue,account,symbol", "venue,account,strategy"]}
    ],
}
STORM = [f"storm-{number:03}" for number in range(300)]
WAVE = [f"wave-{number:03}" for number in range(100)]


def bench(folder: Path) -> list[Report]:
    """Run all parts on one webhook and one venue."""
    with ExitStack() as stack:
        prometheus = stack.enter_context(an_idle_prometheus(folder))
        venue = stack.enter_context(running_venue(ACCOUNTS))
        # As many strategies as the storm has alerts, a third of them in each account.
        strategies = {
            name: {"venue": "sandbox", "account": ACCOUNTS[number % 3], "client_order_id_prefixes": [f"{name}_"]}
            for number, name in enumerate((*STORM, *WAVE))
        }
        config, host = write_config(
            folder,
            venue,
            prometheus=prometheus,
            strategies=strategies,
            policy=POLICY,
            flatten={"slices": 1000, "pause_seconds": 0.05},
        )
        webhook = stack.enter_context(running_webhook(config, host, folder / "webhook.log"))
        at_first = webhook.resident_mebibytes()
        reports = [
            one_by_one(webhook, venue),
            beside_a_flatten(webhook, venue),
            a_store_that_hangs(webhook, venue, folder / "andon.db"),
            a_thousand_orders(webhook, venue),
            storm(webhook, venue, strategies),
        ]
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
            stored.append(trip["milestones"]["stored"] * 1000)
            empty.append(trip["milestones"]["empty"] * 1000)
        webhook.resolve([alert])
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


def beside_a_flatten(webhook: RunningWebhook, venue: RunningVenue) -> Report:
    """A position of one symbol is being closed in many slices; meanwhile others in the same account are halted."""
    account, flattened = "mm", SYMBOLS[0]
    client: Any = usdm_client(venue, account, "engine")
    client.load_markets()
    client.create_order(flattened, "market", "buy", 2)
    asked = {"account": account, "method": "POST", "path": "/fapi/v1/order"}
    scope = f"venue=sandbox,account={account},symbol={flattened}"
    flatten = webhook.ask("POST", "/api/v1/trips", {"action": "flatten", "scope": scope, "reason": "bench"})
    wait_until(lambda: len(venue.admin("GET", "requests", **asked)["requests"]) > 3, seconds=10, what="slices")
    wire = []
    for number in range(BESIDE_A_FLATTEN):
        symbol = SYMBOLS[1 + number % (len(SYMBOLS) - 1)]
        venue.seed(account, 1, symbols=[symbol.replace("/", "").partition(":")[0]])
        before = venue.admin("GET", "requests?limit=0")["last"]
        labels = {"venue": "sandbox", "account": account, "symbol": symbol}
        alert = an_alert("TradingOrderRateRunaway", labels, "halt", "venue,account,symbol")
        sent = time.monotonic()
        receipt = webhook.post_alerts([alert])
        webhook.wait_verified(receipt["outcomes"][0]["trip_id"])
        cancels = venue.admin("GET", f"requests?since={before}&account={account}&method=DELETE")["requests"]
        wire.append((cancels[0]["monotonic"] - sent) * 1000)
        webhook.resolve([alert])
        webhook.resume(f"venue=sandbox,account={account},symbol={symbol}")
    still = webhook.trip(flatten["id"])
    assert still["status"] != "verified", "it was to take longer than this"
    slices = len(venue.admin("GET", "requests", **asked)["requests"])
    webhook.resume(scope)
    venue.clear()
    return Report(
        "A second scope while another one is flattened, in the same account",
        [Row("POST to first cancel request of the second scope", wire, "ms", 50)],
        [f"{slices} slices were sent meanwhile; the position was not closed yet at the end"],
    )


def a_store_that_hangs(webhook: RunningWebhook, venue: RunningVenue, file: Path) -> Report:
    """Another process holds the lock of the store for as long as it likes; each outage begins just before an alert."""
    wire, answered = [], []
    other = sqlite3.connect(file, isolation_level=None, timeout=10)
    for number in range(OUTAGES):
        account, symbol = ACCOUNTS[number % 3], SYMBOLS[number // 3 % len(SYMBOLS)]
        venue.seed(account, 1, symbols=[symbol.replace("/", "").partition(":")[0]])
        before = venue.admin("GET", "requests?limit=0")["last"]
        labels = {"venue": "sandbox", "account": account, "symbol": symbol}
        alert = an_alert("TradingOrderRateRunaway", labels, "halt", "venue,account,symbol")
        other.execute("BEGIN IMMEDIATE")
        sent = time.monotonic()
        webhook.post_alerts([alert], expected=503)
        answered.append(time.monotonic() - sent)
        cancels = wait_until(
            lambda since=before, of=account: venue.admin("GET", f"requests?since={since}&account={of}&method=DELETE")[
                "requests"
            ],
            seconds=10,
            what="a cancel",
        )
        wire.append(cancels[0]["monotonic"] - sent)
        other.execute("ROLLBACK")
        wait_until(lambda: _is_back(webhook), seconds=30, what="the store to be back")
        (trip,) = [one for one in webhook.ask("GET", "/api/v1/trips?limit=5")["trips"] if one["closed_at"] is None]
        webhook.wait_verified(trip["id"])
        webhook.resolve([alert])
        webhook.resume(f"venue=sandbox,account={account},symbol={symbol}")
    other.close()
    return Report(
        "A store that hangs (its lock is held), from the alert that finds it out",
        [
            Row("POST to first cancel request at the venue", wire, "s", 0.3),
            Row("POST to the answer, that it is not stored", answered, "s"),
        ],
        [f"{OUTAGES} of {OUTAGES} kills were in the store afterwards"],
    )


def _is_back(webhook: RunningWebhook) -> bool:
    """Whether the journal can be read: that is refused while the store is out."""
    try:
        webhook.ask("GET", "/api/v1/audit?limit=1")
    except AssertionError:
        return False
    return True


def a_thousand_orders(webhook: RunningWebhook, venue: RunningVenue, rounds: int = 5) -> Report:
    """1,000 orders on 3 accounts and 10 symbols, 20 ms venue latency; and the same orders one by one in a loop."""
    venue.admin("POST", "latency", {"milliseconds": 20})
    ours, loops = [], []
    for _ in range(rounds):
        fill(venue)
        trip = webhook.ask("POST", "/api/v1/trips", {"action": "halt", "scope": "global", "reason": "bench"})
        done = webhook.wait_verified(trip["id"])
        assert standing(venue) == 0
        ours.append(done["milestones"]["empty"])
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


def storm(webhook: RunningWebhook, venue: RunningVenue, strategies: Mapping[str, Mapping[str, Any]]) -> Report:
    """300 different kill alerts in one POST, and 200 POSTs at once: none lost, none done twice."""
    venue.clear()
    venue.seed("mm", 100)
    labels = {
        name: {"venue": "sandbox", "account": one["account"], "strategy": name} for name, one in strategies.items()
    }
    alerts = [an_alert("Storm", labels[name], "halt", "venue,account,strategy") for name in STORM]
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
        alert = an_alert("Wave", labels[WAVE[number % 100]], "halt", "venue,account,strategy")
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
