"""The public market stream over HTTP: snapshots, sequence, pings, venue times, and what faults do to it."""

import contextlib
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.venue.accounts.accounts_file import AccountsFileError, load_accounts
from tests.sandbox_fixtures import ROOT, SPOT_CAPTURE, USDM_CAPTURE, RunningVenue, running_venue, until

needs_data = pytest.mark.skipif(not USDM_CAPTURE.exists(), reason="the shared recordings are not on this machine")


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue(("mm",), ["--speed", "10"]) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "venue" in request.fixturenames:
        request.getfixturevalue("venue").clear()


class Listener:
    """Reads a stream in a thread and keeps every line with its time."""

    def __init__(self, url: str) -> None:
        self.lines: list[tuple[float, dict[str, Any]]] = []
        self.ended = threading.Event()
        self._response = urllib.request.urlopen(url, timeout=10)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for line in self._response:
                self.lines.append((time.time(), json.loads(line)))
        self.ended.set()

    def of(self, stream: str) -> list[dict[str, Any]]:
        return [one["data"] for _, one in list(self.lines) if one.get("stream") == stream]

    def wait(self, condition: Callable[[], Any], seconds: float = 5) -> Any:
        return until(condition, seconds=seconds)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._response.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._response.close()


@contextlib.contextmanager
def listening(venue: RunningVenue, query: str) -> Iterator[Listener]:
    listener = Listener(f"{venue.url}/stream/v1/ndjson?{query}")
    try:
        yield listener
    finally:
        listener.close()


def whole(updates: list[dict[str, Any]], last: int, *, spot: bool = False) -> bool:
    for one in updates:
        if (one["U"] != last + 1) if spot else (one["pu"] != last):
            return False
        last = one["u"]
    return True


def test_a_stream_begins_with_a_snapshot_of_each_symbol_and_goes_on_without_a_hole(venue):
    with listening(venue, "symbols=BTCUSDT,DOGEUSDT") as listener:
        listener.wait(lambda: len(listener.of("dogeusdt@depth@0ms")) >= 5)
        first, second = (one for _, one in listener.lines[:2])
        assert [(one["type"], one["symbol"]) for one in (first, second)] == [
            ("snapshot", "BTCUSDT"),
            ("snapshot", "DOGEUSDT"),
        ]
        assert float(first["bids"][0][0]) < float(first["asks"][0][0])
        assert whole(listener.of("btcusdt@depth@0ms"), first["lastUpdateId"])
        assert whole(listener.of("dogeusdt@depth@0ms"), second["lastUpdateId"])
        for kind in ("trade", "bookTicker"):
            listener.wait(lambda kind=kind: listener.of(f"btcusdt@{kind}"))


def test_spot_speaks_its_own_shapes(venue):
    with listening(venue, "symbols=ETHUSDT&market=spot") as listener:
        listener.wait(lambda: len(listener.of("ethusdt@depth@100ms")) >= 5 and listener.of("ethusdt@trade"))
        assert whole(listener.of("ethusdt@depth@100ms"), listener.lines[0][1]["lastUpdateId"], spot=True)
        assert set(listener.of("ethusdt@bookTicker")[0]) == {"u", "s", "b", "B", "a", "A"}
        assert "pu" not in listener.of("ethusdt@depth@100ms")[0]


def test_event_times_are_the_venues_now_and_pings_come_every_second(venue):
    with listening(venue, "symbols=ETHUSDT&streams=trade") as listener:

        def pings() -> list[tuple[float, int]]:
            return [(at, one["E"]) for at, one in list(listener.lines) if one.get("type") == "ping"]

        listener.wait(lambda: len(pings()) >= 2 and listener.of("ethusdt@trade"), seconds=6)
        assert all(abs(at - moment / 1000) < 0.5 for at, moment in pings())
        assert 900 <= pings()[1][1] - pings()[0][1] < 2000
        assert {one.get("stream", one.get("type")) for _, one in listener.lines} == {
            "snapshot",
            "ping",
            "ethusdt@trade",
        }
        assert abs(listener.of("ethusdt@trade")[-1]["E"] / 1000 - time.time()) < 2


def test_a_stalled_feed_is_silent_but_for_pings_and_heals_without_a_hole(venue):
    with listening(venue, "symbols=BTCUSDT,ETHUSDT&streams=depth") as listener:
        listener.wait(lambda: listener.of("btcusdt@depth@0ms"))
        number = venue.fault("stalled_feed", symbol="BTCUSDT")
        silent_from = len(listener.of("btcusdt@depth@0ms"))
        others = len(listener.of("ethusdt@depth@0ms"))
        listener.wait(lambda: len(listener.of("ethusdt@depth@0ms")) > others + 4)
        assert len(listener.of("btcusdt@depth@0ms")) <= silent_from + 1  # one may have been on its way
        venue.admin("DELETE", f"faults/{number}")
        listener.wait(lambda: len(listener.of("btcusdt@depth@0ms")) > silent_from + 3)
        assert whole(listener.of("btcusdt@depth@0ms"), listener.lines[0][1]["lastUpdateId"])


def test_a_sequence_gap_is_one_hole(venue):
    with listening(venue, "symbols=BTCUSDT&streams=depth") as listener:
        listener.wait(lambda: listener.of("btcusdt@depth@0ms"))
        venue.fault("sequence_gap", symbol="BTCUSDT", n=3)
        before = len(listener.of("btcusdt@depth@0ms"))
        listener.wait(lambda: len(listener.of("btcusdt@depth@0ms")) > before + 4)
        updates = listener.of("btcusdt@depth@0ms")
        pairs = itertools.pairwise(updates)
        holes = [now["pu"] - past["u"] for past, now in pairs if now["pu"] != past["u"]]
        assert holes == [3]


def test_a_listener_that_stops_reading_is_cut_off_and_the_market_goes_on():
    small = ["--stream-backlog-bytes", "100000", "--speed", "50"]
    every = "BTCUSDT,ETHUSDT,SOLUSDT,BNBUSDT,XRPUSDT,ADAUSDT,DOGEUSDT,LINKUSDT,LTCUSDT,DOTUSDT"
    with running_venue(("mm",), small) as venue, listening(venue, "symbols=ETHUSDT&streams=trade") as quick:
        with socket.socket() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.connect(("127.0.0.1", int(venue.url.rpartition(":")[2])))
            wire.sendall(f"GET /stream/v1/ndjson?symbols={every} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            until(lambda: venue.admin("GET", "state")["stream"]["clients"] == 2)
            cut_off = {"clients": 1, "cut_off": 1}
            until(lambda: cut_off.items() <= venue.admin("GET", "state")["stream"].items(), seconds=10)
        seen = len(quick.of("ethusdt@trade"))
        quick.wait(lambda: len(quick.of("ethusdt@trade")) > seen + 2)


@pytest.mark.parametrize("query", ["symbols=NOPE", "streams=prices", "market=moon", "symbols="])
def test_a_stream_that_does_not_exist_is_refused(venue, query):
    assert venue.request("GET", f"/stream/v1/ndjson?{query}")[0] == 400


@needs_data
@pytest.mark.parametrize("path", [USDM_CAPTURE, SPOT_CAPTURE])
def test_a_recording_drives_both_markets_of_its_symbol_and_feeds_are_live(path):
    with running_venue(("mm",), ["--replay", str(path), "--speed", "5"]) as venue:
        for market, stream, spot in (("usdm", "btcusdt@depth@0ms", False), ("spot", "btcusdt@depth@100ms", True)):
            with listening(venue, f"symbols=BTCUSDT&market={market}") as listener:
                listener.wait(lambda listener=listener, stream=stream: len(listener.of(stream)) >= 10)
                snapshot = listener.lines[0][1]
                assert len(snapshot["bids"]) >= 900
                assert float(snapshot["bids"][0][0]) == pytest.approx(61800, rel=0.01)
                assert whole(listener.of(stream), snapshot["lastUpdateId"], spot=spot)
                delays = [at - one["data"]["E"] / 1000 for at, one in listener.lines if "E" in one.get("data", {})]
                assert sorted(delays)[len(delays) // 2] < 0.1
                assert min(delays) > -0.05
        replay = venue.admin("GET", "state")["replay"]
        assert (replay["symbol"], replay["standing_still"], replay["malformed"]) == ("BTCUSDT", False, 0)
        assert replay["played"] > 100


def test_the_environment_names_the_recording_by_default(tmp_path, monkeypatch):
    """`ANDON_REPLAY` that names nothing usable must be an error that names it, not a silent walk."""
    monkeypatch.setenv("ANDON_REPLAY", str(tmp_path / "nothing.gz"))
    (tmp_path / "accounts.json").write_text('{"accounts": [{"name": "mm", "balances": {}, "keys": []}]}')
    command = [sys.executable, "-m", "sandbox", "venue", "--port", "0", "--accounts", str(tmp_path / "accounts.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "nothing.gz" in done.stderr


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        ("{", "Expecting"),
        ('{"accounts": []}', "no accounts"),
        ('{"accounts": [{"name": "mm"}]}', "'keys' is missing"),
        ('{"accounts": [{"name": "a", "balances": {"USDT": "lots"}, "keys": []}]}', "shape"),
        (
            '{"accounts": [{"name": "a", "balances": {}, "keys": []}, {"name": "a", "balances": {}, "keys": []}]}',
            "twice",
        ),
    ],
)
def test_an_accounts_file_that_cannot_be_used_is_refused(tmp_path, content, why):
    file = tmp_path / "accounts.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(AccountsFileError, match=why):
        load_accounts(file)
