"""How many signed requests per second the sandbox venue answers on one core.

The load comes from this process over eight kept-alive loopback connections, one request at a time on each, for a
bounded time per kind.  The venue's own CPU time tells whether it, or the load, was the limit.
"""

import asyncio
import hashlib
import hmac
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psutil

from tests.bench.tables import Report, Row
from tests.sandbox_fixtures import Key, accounts_of, running_venue

CONNECTIONS = 8
SECONDS = 4.0
Maker = Callable[[], bytes]


class Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is complete."""

    def __init__(self, make: Maker, latencies: list[float], until: float, failures: dict[bytes, int]) -> None:
        self.make, self.latencies, self.until, self.failures = make, latencies, until, failures
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        now = time.perf_counter()
        if now > self.until:
            self.transport.close()
            return
        self.sent_at = now
        self.transport.write(self.make())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return
        if b" 200 " not in head.split(b"\r\n")[0]:
            self.failures[rest[:80]] = self.failures.get(rest[:80], 0) + 1
        self.buffer = b""
        self.latencies.append(time.perf_counter() - self.sent_at)
        self.send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(url: str, make: Maker) -> tuple[list[float], dict[bytes, int]]:
    """Run one kind of request for the bounded time: latencies in seconds, failures by body."""
    parts = urlsplit(url)
    latencies: list[float] = []
    failures: dict[bytes, int] = {}
    end = time.perf_counter() + SECONDS
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(make, latencies, end, failures), parts.hostname, parts.port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    return latencies, failures


def signed(method: str, path: str, key: Key, **params: object) -> bytes:
    """One request as ccxt would send it."""
    query = urlencode({"timestamp": int(time.time() * 1000), **params, "recvWindow": 10000})
    query += "&signature=" + hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    if method == "POST":
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {key.api_key}\r\n"
        head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(query)}\r\n\r\n"
        return (head + query).encode()
    return f"{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {key.api_key}\r\n\r\n".encode()


def bench(_: Path) -> list[Report]:
    """One row of latencies and one of the venue's CPU time for each kind of request."""
    report = Report(f"Signed requests at the sandbox venue, {CONNECTIONS} connections, {SECONDS:g} s of each kind")
    with running_venue(accounts_of(("mm", "trend"), "100000000")) as venue:
        key = venue.keys["mm"]["engine"]
        venue.seed("trend", 10, symbols=["BTCUSDT"])
        numbers = itertools.count(1)
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.002"}

        def place() -> bytes:
            ids = {"price": "55000.0", "newClientOrderId": f"b{next(numbers)}", "newOrderRespType": "RESULT"}
            return signed("POST", "/fapi/v1/order", key, **order, **ids)

        reading = "/fapi/v1/openOrders", venue.keys["trend"]["killer"]
        cancelling = "/fapi/v1/allOpenOrders", key
        kinds: list[tuple[str, Maker]] = [
            ("GET openOrders (10 orders)", lambda: signed("GET", *reading, symbol="BTCUSDT")),
            ("DELETE allOpenOrders (empty)", lambda: signed("DELETE", *cancelling, symbol="ETHUSDT")),
            ("POST order (resting limit)", place),
        ]
        for name, make in kinds:
            before, started = cpu_seconds(venue.process.pid), time.perf_counter()
            latencies, failures = asyncio.run(load(venue.url, make))
            elapsed = time.perf_counter() - started
            used = cpu_seconds(venue.process.pid) - before
            assert not failures, failures
            report.rows += [
                Row(name, [one * 1000 for one in latencies]),
                Row("  the venue's CPU time for one", [used / len(latencies) * 1e6], "us", 500, 1.0),
            ]
            report.remarks.append(
                f"{name}: {len(latencies) / elapsed:,.0f} a second, the venue {used / elapsed:.0%} busy"
            )
    report.remarks.append("500 us of CPU for one is 2,000 a second on one core, whatever else the machine does")
    return [report]


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
