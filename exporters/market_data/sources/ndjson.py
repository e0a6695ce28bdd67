"""The sandbox venue's market stream: JSON lines over one long HTTP answer, joined again whenever it ends."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode, urlsplit

import structlog

from exporters.logs import LogBudget
from exporters.market_data.feed import Feed
from exporters.market_data.markets import Markets
from exporters.market_data.sources.binance import parse, server_time, statuses
from exporters.market_data.ticks import Pulse, Snapshot, TickError

PATH: Final = "/stream/v1/ndjson"
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_READ_BYTES: Final = 1 << 16
_MAX_LINE: Final = 4 << 20
_MAX_TIME_ANSWER: Final = 4096
_MAX_STATUS_ANSWER: Final = 64 << 20
_MAX_SNAPSHOT: Final = 16 << 20
_HEAL_EVERY: Final = 0.25
_HEAL_FIRST: Final = 0.25
_HEAL_LONGEST: Final = 30.0
_HEALED_AFTER: Final = 10.0


class FeedRefusedError(Exception):
    """The venue answered, but not with a stream; the message holds the status."""


class NdjsonSource:
    """One connection in a thread of its own, and one that asks for the books anew that have missed an update.

    With ``time_path`` another thread asks the venue for its time, with ``status_path`` another for its symbols.
    """

    def __init__(
        self,
        url: str,
        feed: Feed,
        markets: Markets,
        *,
        market: str,
        streams: tuple[str, ...],
        idle_seconds: float,
        time_path: str | None = None,
        time_every_seconds: float = 5.0,
        status_path: str | None = None,
        status_every_seconds: float = 10.0,
    ) -> None:
        """*streams* in the venue's words (``bookTicker``); silence of *idle_seconds* ends a connection."""
        self._url = urlsplit(url)
        self._feed = feed
        self._markets = markets
        self._market = market
        self._streams = streams
        self._idle = idle_seconds
        self._time_path = None if time_path is None else f"{self._url.path.rstrip('/')}{time_path}"
        self._time_every = time_every_seconds
        self._status_path = None if status_path is None else f"{self._url.path.rstrip('/')}{status_path}"
        self._status_every = status_every_seconds
        feed.has_status = status_path is not None
        feed.status_seconds = 3 * (status_every_seconds + idle_seconds)
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._threads = [threading.Thread(target=self._follow, name=f"feed {feed.venue.name}", daemon=True)]
        if self._time_path is not None:
            self._threads.append(
                threading.Thread(target=self._keep_asking, name=f"time {feed.venue.name}", daemon=True)
            )
        if self._status_path is not None:
            self._threads.append(
                threading.Thread(target=self._keep_status, name=f"status {feed.venue.name}", daemon=True)
            )
        if "depth" in streams:
            self._threads.append(
                threading.Thread(target=self._keep_healing, name=f"heal {feed.venue.name}", daemon=True)
            )
        self._asked_status = threading.Event()
        self._budget = LogBudget(1)
        self._log = structlog.get_logger(exporter="market-data", venue=feed.venue.name)

    def start(self) -> None:
        """Begin to listen."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._stop.set()
        self._hang_up()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(self._idle + 1)

    def _hang_up(self) -> None:
        listening = self._socket
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)

    def _target(self, symbols: Iterable[str], streams: Iterable[str]) -> str:
        query = urlencode(
            {"symbols": ",".join(symbols), "streams": ",".join(streams), "market": self._market}, safe=","
        )
        return f"{self._url.path.rstrip('/')}{PATH}?{query}"

    def _follow(self) -> None:
        if self._status_path is not None:  # one symbol that the venue does not know would cost all the others
            self._asked_status.wait(self._idle)
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            reason = "the venue ended it"
            try:
                self._listen()
            except FeedRefusedError as refused:
                reason = str(refused)
            except Exception as fault:  # noqa: BLE001  # the border: a feed that died must not look connected
                reason = type(fault).__name__
            heard = self._feed.connected
            with self._markets.lock:
                self._feed.lost()
                if not self._stop.is_set():
                    self._feed.venue.reconnects += 1
            if self._stop.is_set():
                return
            held_back = self._budget.take()
            if held_back is not None:
                self._log.warning("not connected to the market stream", reason=reason, held_back=held_back)
            pause = _FIRST_PAUSE if heard else min(_LONGEST_PAUSE, pause * 2)
            self._stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311  # spreads reconnects, guards nothing

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=self._idle)

    def _listen(self) -> None:
        connection = self._connection()
        try:
            connection.connect()
            self._socket = connection.sock
            known = [symbol for symbol in self._feed.markets if symbol not in self._feed.unknown]
            target = self._target(known or self._feed.markets, self._streams)
            connection.request("GET", target, headers={"Accept": "application/x-ndjson"})
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise FeedRefusedError(f"status {answer.status}")
            partial = b""
            while not self._stop.is_set():
                chunk = answer.read1(_READ_BYTES)
                received_ns = time.time_ns()
                if not chunk:
                    return
                *lines, partial = (partial + chunk).split(b"\n")
                if len(partial) > _MAX_LINE:
                    raise TickError("line too long")
                if lines:
                    self._take(lines, received_ns)
        finally:
            self._socket = None
            connection.close()

    def _take(self, lines: list[bytes], received_ns: int) -> None:
        found = []
        for line in lines:
            if not line or line.isspace():
                continue
            try:
                found.append(parse(line))
            except TickError as fault:
                with self._markets.lock:
                    self._feed.venue.refuse(fault)
                held_back = self._budget.take()
                if held_back is not None:
                    self._log.warning("malformed message", fault=str(fault), held_back=held_back)
        with self._markets.lock:
            self._feed.connected = True
            for each in found:
                if isinstance(each, Pulse):
                    if each.event_ns is not None:
                        self._feed.timed(each.event_ns, received_ns)
                elif isinstance(each, Snapshot):
                    self._feed.restore(each, received_ns)
                else:
                    self._feed.observe(each, received_ns)

    def _keep_healing(self) -> None:
        """Ask for each book that has missed an update; the longer it does not help, the longer we wait."""
        due: dict[str, tuple[float, float, float]] = {}  # symbol -> when next, the pause after that, when last asked
        while not self._stop.wait(_HEAL_EVERY):
            with self._markets.lock:
                broken = self._feed.unhealed() if self._feed.connected else []
            now = time.monotonic()
            for symbol in broken:
                at, pause, asked = due.get(symbol, (now + _HEAL_FIRST, _HEAL_FIRST, 0.0))
                if asked and now - asked > pause + _HEALED_AFTER:  # it was well in between
                    at, pause, asked = now, _HEAL_FIRST, 0.0
                if now >= at and not self._stop.is_set():
                    self._heal(symbol)
                    pause, asked = min(_HEAL_LONGEST, pause * 2), time.monotonic()
                    at = asked + pause
                due[symbol] = (at, pause, asked)

    def _heal(self, symbol: str) -> None:
        connection = self._connection()
        with self._markets.lock:
            book = self._feed.markets[symbol].book
            if book is not None:
                book.resubscribes += 1
        try:
            connection.request("GET", self._target([symbol], ["depth"]))
            answer = connection.getresponse()
            found = parse(answer.readline(_MAX_SNAPSHOT)) if answer.status == http.HTTPStatus.OK else None
            if isinstance(found, Snapshot):
                with self._markets.lock:
                    self._feed.restore(found, time.time_ns())
        except (OSError, http.client.HTTPException, TickError) as fault:
            held_back = self._budget.take()
            if held_back is not None:
                self._log.warning("no snapshot", symbol=symbol, error=type(fault).__name__, held_back=held_back)
        finally:
            connection.close()

    def _keep_status(self) -> None:
        while True:
            connection = self._connection()
            try:
                connection.request("GET", self._status_path or "/")
                answer = connection.getresponse()
                body = answer.read(_MAX_STATUS_ANSWER)
                said = statuses(body) if answer.status == http.HTTPStatus.OK else None
                if said is not None:
                    with self._markets.lock:
                        before = self._feed.unknown
                        self._feed.said_status(said, time.time_ns())
                    if before - self._feed.unknown:  # to ask for what is listed now
                        self._hang_up()
            except (OSError, http.client.HTTPException):
                pass  # what it said before grows old and is then unknown
            finally:
                connection.close()
                self._asked_status.set()
            if self._stop.wait(self._status_every):
                return

    def _keep_asking(self) -> None:
        connection = self._connection()
        while not self._stop.is_set():
            try:
                if connection.sock is None:
                    connection.connect()  # apart, so that the answer's time is not that of making the connection
                sent_ns = time.time_ns()
                began = time.perf_counter_ns()
                connection.request("GET", self._time_path or "/")
                answer = connection.getresponse()
                body = answer.read(_MAX_TIME_ANSWER)
                received_ns = sent_ns + time.perf_counter_ns() - began
                answer.close()
                venue_ns = server_time(body) if answer.status == http.HTTPStatus.OK else None
                if venue_ns is not None:
                    with self._markets.lock:
                        self._feed.venue.clock.trips.observe(sent_ns, venue_ns, received_ns)
            except (OSError, http.client.HTTPException):
                connection.close()  # the estimate grows old and is then dropped; the next question connects again
            self._stop.wait(self._time_every)
        connection.close()
