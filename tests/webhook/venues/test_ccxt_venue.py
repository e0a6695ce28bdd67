"""The ccxt adapter when the venue misbehaves, against a real venue process that is told how."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import pytest

from tests.sandbox_fixtures import RunningVenue, running_venue, until
from tests.venue_benches import (
    NO_CANCEL_ALL,
    PERPS,
    SPOT,
    TIMEOUT,
    SandboxBench,
    ccxt_options,
    ccxt_venue,
    closed_port,
    sandbox_bench,
)
from webhook.actions.port import ReduceOrder, Side
from webhook.errors import AndonError, PermanentError, TemporaryError, UnknownOutcomeError

BTC = PERPS[0]


@pytest.fixture(scope="module")
def process() -> Iterator[RunningVenue]:
    with running_venue() as running:
        yield running


@pytest.fixture
def bench(process, tmp_path) -> Iterator[SandboxBench]:
    with sandbox_bench(process, tmp_path) as made:
        yield made


@pytest.fixture
def one_symbol(process, tmp_path) -> Iterator[SandboxBench]:
    """One symbol, so that a cancel-all is two requests: one for each book."""
    with sandbox_bench(process, tmp_path, symbols=[BTC]) as made:
        yield made


def nothing() -> None:
    """Nobody wants to know when the first cancel goes out."""


def requests(running: RunningVenue, **wanted: str) -> list[str]:
    """The paths that were asked for since the last reset; *wanted*: account, method, path."""
    return [one["path"] for one in running.admin("GET", f"requests?{urlencode(wanted)}")["requests"]]


def sell(quantity: str, limit: Decimal, client_order_id: str = "andon-1") -> ReduceOrder:
    return ReduceOrder(BTC, Side.SELL, Decimal(quantity), limit, client_order_id)


def collar(bench: SandboxBench) -> Decimal:
    return bench.venue.quote(BTC, Decimal("0.005"), TIMEOUT).bid * Decimal("0.99")


def test_both_books_of_a_symbol_get_their_own_cancel(one_symbol, process):
    one_symbol.venue.cancel_everything(None, nothing, TIMEOUT)
    assert sorted(requests(process, method="DELETE")) == ["/fapi/v1/algoOpenOrders", "/fapi/v1/allOpenOrders"]


def test_spot_has_one_book(process, tmp_path):
    with sandbox_bench(process, tmp_path, **SPOT) as bench:
        assert bench.venue.order_books(None) == {"spot"}
        bench.venue.cancel_everything(None, nothing, TIMEOUT)
        assert requests(process, method="DELETE") == ["/api/v3/openOrders"] * 3


def test_without_cancel_all_orders_go_in_batches_of_ten(process, tmp_path):
    with sandbox_bench(process, tmp_path, **NO_CANCEL_ALL) as bench:
        bench.rest(BTC, 25)
        report = bench.venue.cancel_everything(None, nothing, TIMEOUT)
        assert bench.standing() == 0
        assert report.requests == 3
        assert requests(process, method="DELETE") == ["/fapi/v1/batchOrders"] * 3


def test_a_kill_before_the_markets_are_loaded_does_not_load_them_first(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path, request_timeout_seconds=3.0)) as venue:
        bench = SandboxBench(venue, process, "mm", PERPS)
        bench.rest(BTC, 2)
        bench.rest(PERPS[1], 2, book="usdm algo")
        report = venue.cancel_everything(None, nothing, TIMEOUT)
        assert bench.standing() == 0
        assert report.accepted == report.requests == 6
        assert requests(process, path="/fapi/v1/exchangeInfo") == []


def test_a_position_is_never_read_or_reduced_by_a_guessed_market(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path)) as venue:
        bench = SandboxBench(venue, process, "mm", PERPS)
        bench.hold(BTC, Decimal("0.02"))
        venue.cancel_everything(None, nothing, TIMEOUT)
        fill = venue.reduce(sell("0.02", collar(bench)), TIMEOUT)
        assert fill.filled == Decimal("0.02")
        assert venue.positions(None, TIMEOUT).positions == ()


def test_an_order_in_a_market_that_is_not_known_is_cancelled_by_the_name_the_exchange_gave(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path)) as venue:
        bench = SandboxBench(venue, process, "mm", PERPS)
        bench.rest("DOGE/USDT:USDT", 2)
        assert {order.symbol for order in venue.open_orders(None, TIMEOUT).orders} == {"DOGEUSDT"}
        venue.cancel_everything(None, nothing, TIMEOUT)
        assert bench.standing() == 0
        assert requests(process, path="/fapi/v1/exchangeInfo") == []


def test_an_order_under_a_name_that_nobody_knows_may_be_of_the_symbol_that_was_asked_for(process, tmp_path):
    process.clear()
    symbols = [*PERPS, "XRP/USDT:USDT"]
    with ccxt_venue(ccxt_options(process, "mm", tmp_path, symbols=symbols)) as venue:
        bench = SandboxBench(venue, process, "mm", PERPS)
        bench.rest("DOGE/USDT:USDT")
        read = venue.open_orders(symbols, TIMEOUT)
        assert (read.orders, read.coverage.books) == ((), {"usdm algo"})
        venue.prepare(TIMEOUT)
        assert venue.open_orders(PERPS, TIMEOUT).coverage.books == {"usdm", "usdm algo"}


def test_before_the_markets_are_loaded_no_symbol_is_resolved_and_the_account_can_be_verified(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path)) as venue:
        assert venue.resolve(BTC) is None
        assert venue.open_orders(None, TIMEOUT).coverage.contains(venue.order_books(None), None)
        venue.prepare(TIMEOUT)
        assert venue.resolve("BTC-PERP") == {BTC, "BTCUSDT"}


def test_prepare_names_a_symbol_that_the_exchange_does_not_have_and_leaves_the_venue_usable(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path, symbols=[BTC, "ETHH/USDT:USDT"])) as venue:
        with pytest.raises(PermanentError, match=r"ETHH/USDT:USDT.*did you mean ETH/USDT:USDT") as fault:
            venue.prepare(TIMEOUT)
        assert fault.value.reason == "bad_symbol"
        bench = SandboxBench(venue, process, "mm", PERPS)
        bench.rest(BTC)
        report = venue.cancel_everything(None, nothing, TIMEOUT)
        assert bench.standing() == 0
        assert report.refused == 2
        assert "ETHH" in " ".join(report.problems)


@pytest.mark.parametrize("kind", ["error_5xx", "html", "reset"])
def test_a_cancel_that_fails_once_is_sent_again_at_once(one_symbol, kind):
    one_symbol.rest(BTC, 2)
    one_symbol.running.fault(kind, account="mm", method="DELETE", count=2)
    report = one_symbol.venue.cancel_everything(None, nothing, TIMEOUT)
    assert one_symbol.standing() == 0
    assert report.accepted == report.requests == 2


@pytest.mark.parametrize("kind", ["error_5xx", "html", "reset"])
def test_a_cancel_that_keeps_failing_is_unknown(one_symbol, kind):
    one_symbol.rest(BTC, 2)
    one_symbol.running.fault(kind, account="mm", method="DELETE")
    report = one_symbol.venue.cancel_everything(None, nothing, TIMEOUT)
    assert report.unknown == report.requests == 2
    assert one_symbol.standing() == 2


def test_a_page_of_markup_with_status_200_is_no_success(one_symbol):
    one_symbol.rest(BTC, 2)
    one_symbol.running.fault("html", account="mm", status=200)
    report = one_symbol.venue.cancel_everything(None, nothing, TIMEOUT)
    assert report.unknown == report.requests == 2
    with pytest.raises(TemporaryError):
        one_symbol.venue.open_orders(None, TIMEOUT)
    with pytest.raises(TemporaryError):
        one_symbol.venue.positions(None, TIMEOUT)


def test_a_rate_limit_is_waited_out_as_long_as_the_deadline_allows(bench):
    bench.rest(BTC, 2)
    bench.running.fault("rate_limit", account="mm", method="DELETE", count=6, retry_after=1)
    started = time.monotonic()
    report = bench.venue.cancel_everything(None, nothing, TIMEOUT)
    assert bench.standing() == 0
    assert report.accepted == report.requests == 6
    assert 1.0 <= time.monotonic() - started < 4.5


def test_a_rate_limit_longer_than_the_deadline_is_told_and_not_waited_for(bench):
    bench.running.fault("rate_limit", account="mm", method="DELETE", retry_after=60)
    started = time.monotonic()
    report = bench.venue.cancel_everything(None, nothing, 1.0)
    assert time.monotonic() - started < 3
    assert report.refused == report.requests == 6
    assert "429" in report.problems[0]


def test_a_read_that_meets_a_rate_limit_says_when_to_come_back(bench):
    bench.running.fault("rate_limit", account="mm", retry_after=7)
    with pytest.raises(TemporaryError) as fault:
        bench.venue.open_orders(None, TIMEOUT)
    assert (fault.value.reason, fault.value.retry_after) == ("rate_limited", 7.0)


@pytest.mark.parametrize("seconds", [-30.0, 30.0])
def test_a_clock_that_went_off_is_learnt_again(bench, seconds):
    bench.rest(BTC, 2)
    bench.running.fault("clock_skew", seconds=seconds)
    report = bench.venue.cancel_everything(None, nothing, TIMEOUT)
    assert bench.standing() == 0
    assert report.accepted == report.requests
    assert bench.venue.open_orders(None, TIMEOUT).orders == ()


def test_a_slow_venue_keeps_nobody_longer_than_the_timeout(bench):
    bench.running.fault("latency", account="mm", seconds=30)
    for ask in (
        lambda: bench.venue.open_orders(None, 0.3),
        lambda: bench.venue.positions(None, 0.3),
        lambda: bench.venue.ping(0.3),
        lambda: bench.venue.reduce(sell("0.02", Decimal(1)), 0.3),
    ):
        started = time.monotonic()
        with pytest.raises(TemporaryError):
            ask()
        assert time.monotonic() - started < 3
    started = time.monotonic()
    report = bench.venue.cancel_everything(None, nothing, 0.3)
    assert time.monotonic() - started < 3
    assert report.unknown == report.requests == 6


def test_a_call_that_blocks_the_thread_of_the_account_still_keeps_its_timeout(bench):
    released = threading.Event()
    bench.venue._thread.loop.call_soon_threadsafe(released.wait)
    try:
        started = time.monotonic()
        report = bench.venue.cancel_everything(None, nothing, 0.2)
        assert time.monotonic() - started < 3
        assert (report.accepted, len(report.problems)) == (0, 1)
        with pytest.raises(UnknownOutcomeError):
            bench.venue.open_orders(None, 0.2)
    finally:
        released.set()


def test_a_slow_account_does_not_slow_another(process, tmp_path):
    process.clear()
    (tmp_path / "other").mkdir()
    with (
        ccxt_venue(ccxt_options(process, "mm", tmp_path)) as slow,
        ccxt_venue(ccxt_options(process, "trend", tmp_path / "other"), name="sandbox-trend") as quick,
    ):
        slow.prepare(TIMEOUT)
        quick.prepare(TIMEOUT)
        process.fault("latency", account="mm", seconds=30)
        thread = threading.Thread(target=slow.cancel_everything, args=(None, nothing, 6.0))
        thread.start()
        started = time.monotonic()
        quick.cancel_everything(None, nothing, TIMEOUT)
        assert time.monotonic() - started < 3
        thread.join()
    process.clear()


def test_a_reduce_order_without_an_answer_is_found_when_it_is_sent_again(bench):
    bench.hold(BTC, Decimal("0.04"))
    limit = collar(bench)
    bench.running.fault("accept_then_timeout", account="mm", path="/fapi/v1/order", method="POST", count=1)
    with pytest.raises(UnknownOutcomeError):
        bench.venue.reduce(sell("0.02", limit), 0.4)
    assert bench.held(BTC) == Decimal("0.02")
    fill = bench.venue.reduce(sell("0.02", limit), TIMEOUT)
    assert fill.filled == Decimal("0.02")
    assert bench.held(BTC) == Decimal("0.02")


def test_a_reduce_order_whose_connection_broke_after_it_was_taken_is_looked_up_in_the_same_call(bench):
    bench.hold(BTC, Decimal("0.04"))
    limit = collar(bench)
    bench.running.fault("reset", account="mm", path="/fapi/v1/order", method="POST", count=1, applied=True)
    fill = bench.venue.reduce(sell("0.02", limit), TIMEOUT)
    assert fill.filled == Decimal("0.02")
    assert bench.held(BTC) == Decimal("0.02")


def test_a_reduce_order_is_rounded_towards_less(bench):
    bench.hold(BTC, Decimal("0.04"))
    fill = bench.venue.reduce(sell("0.0209999", collar(bench)), TIMEOUT)
    assert fill.filled == Decimal("0.020")
    with pytest.raises(PermanentError):
        bench.venue.reduce(sell("0.0000001", collar(bench), "andon-2"), TIMEOUT)


def test_a_wrong_key_is_refused_for_good_and_no_secret_is_told(process, tmp_path, caplog):
    process.clear()
    caplog.set_level(logging.DEBUG)
    options = ccxt_options(process, "mm", tmp_path)
    (tmp_path / "secret_file").write_text("not-the-secret-of-this-key\n")
    told = []
    with ccxt_venue(options) as venue:
        for ask in (lambda: venue.ping(TIMEOUT), lambda: venue.open_orders(None, TIMEOUT)):
            with pytest.raises(PermanentError) as fault:
                ask()
            assert fault.value.reason == "signature"
            told += [str(fault.value), repr(fault.value.__cause__)]
        report = venue.cancel_everything(None, nothing, TIMEOUT)
        assert report.refused == report.requests == 6
        told += report.problems
    for text in (*told, caplog.text):
        assert "not-the-secret" not in text
        assert process.keys["mm"]["killer"].api_key not in text
        assert "signature=" not in text


def test_nobody_listening_is_an_outage_and_not_an_unknown_outcome(process, tmp_path):
    options = ccxt_options(process, "mm", tmp_path, base_url=f"http://127.0.0.1:{closed_port()}")
    with ccxt_venue(options) as venue:
        with pytest.raises(TemporaryError) as fault:
            venue.prepare(1.0)
        assert not isinstance(fault.value, UnknownOutcomeError)
        calls = []
        report = venue.cancel_everything(None, lambda: calls.append(1), 1.0)
        assert (report.refused, report.unknown) == (6, 0)
        assert calls == []
        with pytest.raises(TemporaryError) as fault:
            venue.reduce(sell("0.02", Decimal(1)), 1.0)
        assert not isinstance(fault.value, UnknownOutcomeError)


def test_a_shadow_venue_reads_and_sends_nothing(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path), mode="shadow") as venue:
        bench = SandboxBench(venue, process, "mm", PERPS)
        bench.rest(BTC, 2)
        orders = venue.open_orders(None, TIMEOUT).orders
        assert len(orders) == 2
        assert venue.cancel_everything(None, nothing, TIMEOUT).refused == 1
        assert venue.cancel_orders(orders, nothing, TIMEOUT).refused == 1
        with pytest.raises(PermanentError, match="shadow"):
            venue.reduce(sell("0.02", Decimal(1)), TIMEOUT)
        assert bench.standing() == 2
        assert requests(process, account="mm", method="DELETE") == []
        assert requests(process, account="mm", method="POST") == []


def test_connections_are_kept_warm(process, tmp_path):
    process.clear()
    with ccxt_venue(ccxt_options(process, "mm", tmp_path, connections=3, keep_warm_seconds=0.05)) as venue:
        venue.prepare(TIMEOUT)

        def times() -> int:
            return len(requests(process, path="/fapi/v1/time"))

        before = times()
        until(lambda: times() >= before + 6)


def test_a_redirect_is_not_followed_with_our_key(process, tmp_path):
    with redirecting() as (url, seen):
        with ccxt_venue(ccxt_options(process, "mm", tmp_path, base_url=url)) as venue:
            report = venue.cancel_everything((BTC,), nothing, 1.0)
            assert report.accepted == 0
        assert all(path.startswith("/fapi/") for path in seen)


def test_a_closed_venue_answers_with_an_error(process, tmp_path):
    with ccxt_venue(ccxt_options(process, "mm", tmp_path)) as venue:
        venue.close()
        with pytest.raises(AndonError):
            venue.open_orders(None, 0.2)


@contextmanager
def redirecting() -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody elsewhere, and the paths that it was asked for."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            seen.append(self.path)
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()
