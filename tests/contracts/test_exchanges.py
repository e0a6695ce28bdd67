"""What every exchange's data file promises; a new one joins by its line in `CATALOGUE`."""

import re
from collections.abc import Iterator
from pathlib import Path

import ccxt.async_support as ccxt
import pytest

from webhook.venues.ccxt.coverage import coverage_fault, gap, position_fault
from webhook.venues.ccxt.exchanges import CATALOGUE, unknown
from webhook.venues.ccxt.exchanges.model import Exchange, Listing, Numbered, Request, fill, placeholders
from webhook.venues.ccxt.options import Options

DOCUMENT = Path(__file__).parents[2] / "docs/exchanges.md"
KNOWN = frozenset({"$symbol", "$unified", "$id", "$ids", "$client", "$wallet", "$settle"})
OURS = ("andon-3f9a2c71-BTC-17-1", "a.b_c-d", "x" * 36, "andon-3f9a2c71-BTC-17-2")
"""Client order ids as we make them: at most 36 letters, digits and ``-._``."""
TAKEN = {
    "okx": r"[A-Za-z0-9]{1,32}",
    "hyperliquid": r"0x[0-9a-f]{32}",
    "kraken": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "gate": r"t-[A-Za-z0-9_.-]{1,28}",
    "htx": r"[1-9][0-9]{0,18}",
    "mexc": r"[A-Za-z0-9_-]{1,32}",
    "bybit": r"[A-Za-z0-9_-]{1,36}",
}
"""What an exchange takes for a client order id, where that is less than what we make."""

every_exchange = pytest.mark.parametrize("exchange", CATALOGUE.values(), ids=CATALOGUE)


def listings(exchange: Exchange) -> Iterator[Listing]:
    for book in exchange.books:
        yield from (*book.account, *book.symbol)
    for held in exchange.positions:
        yield from held.account
    yield from exchange.lookup.values()
    yield from (values.listing for values in exchange.lists.values())


def requests(exchange: Exchange) -> Iterator[Request]:
    for book in exchange.books:
        single = (one for one in (book.cancel, book.batch) if one is not None)
        yield from (*single, *book.cancel_symbol, *book.cancel_account)


@every_exchange
def test_ccxt_has_every_method_and_parser_that_it_names(exchange):
    client = getattr(ccxt, exchange.name)()
    named = {one.method for one in (*listings(exchange), *requests(exchange))}
    named |= {one.parse for one in (*exchange.books, *exchange.positions)} | set(exchange.prepare)
    assert [name for name in sorted(named) if not callable(getattr(client, name, None))] == []


@every_exchange
def test_its_books_and_products_have_names_of_their_own(exchange):
    for named in (exchange.products, exchange.books, exchange.positions):
        assert len({one.name for one in named}) == len(named)
    products = {product.name for product in exchange.products}
    assert {name for book in exchange.books for name in book.products} <= products
    assert {held.product for held in exchange.positions} <= products
    assert set(exchange.lookup) <= products


@every_exchange
def test_every_order_that_it_lists_can_be_cancelled_by_itself(exchange):
    for book in exchange.books:
        assert book.account or book.symbol, book.name
        assert book.cancel is not None, book.name
        named = placeholders(book.cancel.params) | placeholders(book.cancel.each or {})
        assert named & {"$id", "$ids", "$client"}, book.name


@every_exchange
def test_every_placeholder_can_be_filled_in(exchange):
    known = KNOWN | set(exchange.lists) | {name for book in exchange.books for name in book.remember}
    values = dict.fromkeys(known, "x") | {"$ids": ["x"]}
    for one in (*listings(exchange), *requests(exchange)):
        fill(one.params, values)
        assert placeholders(one.params) <= known


@every_exchange
def test_what_cancels_a_symbol_names_it_and_what_cancels_an_account_does_not(exchange):
    for book in exchange.books:
        for one in book.cancel_symbol:
            assert placeholders(one.params) & {"$symbol", "$unified"}, book.name
        for one in book.cancel_account:
            assert not placeholders(one.params) & {"$symbol", "$unified"}, book.name
        for listing in book.symbol:
            assert placeholders(listing.params) & {"$symbol", "$unified"}, book.name


@every_exchange
def test_no_list_of_positions_has_pages_that_must_be_read_twice(exchange):
    assert not [one for held in exchange.positions for one in held.account if isinstance(one.next, Numbered)]


@every_exchange
def test_a_position_is_read_with_its_size(exchange):
    assert all(held.size for held in exchange.positions)


@every_exchange
def test_our_client_order_ids_become_what_it_takes_one_to_one_and_always_the_same(exchange):
    theirs = [exchange.client_ids.of(one) for one in OURS]
    assert theirs == [exchange.client_ids.of(one) for one in OURS]
    assert len(set(theirs)) == len(OURS)
    shape = TAKEN.get(exchange.name, r"[A-Za-z0-9._-]{1,36}")
    assert [one for one in theirs if not re.fullmatch(shape, one)] == []


@every_exchange
def test_what_it_cannot_cover_is_said_beforehand_with_a_remedy_that_works(exchange):
    options = Options(exchange=exchange.name)
    told = coverage_fault(options)
    reason = gap(exchange, options, exchange.products, account_wide=True)
    assert (told is None) == (reason is None)
    if told is not None and "products: [" in told:
        names = told.rpartition("products: [")[2].rstrip("]").split(", ")
        assert coverage_fault(Options(exchange=exchange.name, products=tuple(names))) is None


@every_exchange
def test_the_documentation_names_it_and_its_products(exchange):
    (line,) = [one for one in DOCUMENT.read_text().splitlines() if f"`{exchange.name}`" in one and one.startswith("|")]
    assert [product.name for product in exchange.products if f"`{product.name}`" not in line] == []


def test_an_exchange_without_a_file_is_said_to_be_never_verified():
    told = coverage_fault(Options(exchange="whitebit"))
    assert told is not None
    assert "never verified" in told
    assert position_fault(Options(exchange="whitebit"))


def test_an_exchange_without_a_file_is_cancelled_order_by_order_unless_it_is_the_whole_account():
    made = unknown(ccxt.whitebit())
    assert not made.known
    assert all(book.cancel_symbol == () and book.cancel is not None for book in made.books)
    assert {book.name for book in unknown(ccxt.xt()).books} == {"normal", "trigger", "trailing"}


def test_a_product_that_the_exchange_does_not_have_is_refused():
    options = Options(exchange="binance", products=("isolatedmargin",))
    for told in (coverage_fault(options), position_fault(options)):
        assert told is not None
        assert "isolated_margin" in told


def test_an_option_of_ccxt_that_moves_an_account_elsewhere_is_never_verified():
    told = coverage_fault(Options(exchange="binanceusdm", options={"portfolioMargin": True}))
    assert told is not None
    assert "portfolioMargin" in told


def test_spot_is_never_called_flat():
    assert "balances" in (position_fault(Options(exchange="binance", products=("spot",))) or "")
    assert position_fault(Options(exchange="binanceusdm")) is None
