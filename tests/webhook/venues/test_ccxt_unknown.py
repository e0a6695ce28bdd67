"""An exchange without a data file: cancelled as well as ccxt can, never verified."""

from collections.abc import Iterator

import ccxt
import pytest

from tests.exchange_server import account_at, nothing
from tests.sandbox_fixtures import RunningVenue, running_venue
from tests.venue_benches import SPOTS, TIMEOUT, SandboxBench, sandbox_bench
from webhook.errors import AndonError
from webhook.venues.ccxt.coverage import coverage_fault
from webhook.venues.ccxt.exchanges import CATALOGUE
from webhook.venues.ccxt.options import Options

KEYS = ("api_key_file", "secret_file", "password_file", "uid_file", "wallet_address_file", "private_key_file")
SYMBOL_NEEDED = ["bit2c", "bithumb", "bitrue", "bydfi", "deepcoin", "htx", "latoken", "lbank", "phemex"]
"""ccxt refuses to read their whole account at once: an empty answer was made of no request at all."""


@pytest.fixture(scope="module")
def process() -> Iterator[RunningVenue]:
    with running_venue() as running:
        yield running


@pytest.fixture
def bench(process, tmp_path) -> Iterator[SandboxBench]:
    """Binance US speaks like Binance, and has no file."""
    options = {"exchange": "binanceus", "options": {"fetchOpenOrders": {"warnWithoutSymbol": False}}}
    with sandbox_bench(process, tmp_path, symbols=list(SPOTS), **options) as made:
        yield made


@pytest.mark.parametrize("exchange", [name for name in SYMBOL_NEEDED if name in ccxt.exchanges])
def test_without_symbols_nothing_is_read_and_nothing_is_called_empty(tmp_path, exchange):
    with account_at(exchange, {}, tmp_path, keys=KEYS) as (venue, _):
        assert venue.order_books(None) is None
        try:
            read = venue.open_orders(None, 2.0)
        except AndonError:
            return
        assert read.coverage.books == frozenset()
        assert read.problems


def test_it_is_said_beforehand():
    assert "binanceus" not in CATALOGUE
    assert "never verified" in (coverage_fault(Options(exchange="binanceus")) or "")


def test_everything_in_the_account_is_cancelled_and_nothing_is_ever_verified(bench):
    for symbol in SPOTS:
        bench.rest(symbol, 2)
    bench.rest("DOGE/USDT")
    assert bench.venue.order_books(None) is None
    assert bench.venue.order_books(SPOTS[:1]) is None
    assert len(bench.venue.open_orders(None, TIMEOUT).orders) == 7
    bench.venue.cancel_everything(None, nothing, TIMEOUT)
    assert bench.standing() == 0


def test_a_symbol_is_cancelled_order_by_order(bench, process):
    # A cancel-all with a symbol may mean more than the symbol: Kraken's empties the account.
    for symbol in SPOTS:
        bench.rest(symbol, 2)
    bench.venue.cancel_everything(SPOTS[:1], nothing, TIMEOUT)
    assert bench.standing() == 4
    paths = {one["path"] for one in process.admin("GET", "requests?method=DELETE")["requests"]}
    assert paths == {"/api/v3/order"}


def test_orders_are_cancelled_by_their_ids(bench):
    bench.rest(SPOTS[0], 3)
    orders = bench.venue.open_orders(SPOTS[:1], TIMEOUT).orders
    report = bench.venue.cancel_orders(orders[1:], nothing, TIMEOUT)
    assert (bench.standing(), report.accepted) == (1, 2)
