"""What every venue promises, by what it says it can do.  A new kind of venue joins by a line in `VARIANTS`."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.sandbox_fixtures import RunningVenue, running_venue
from tests.venue_benches import (
    CCXT_VARIANTS,
    PAPER_VARIANTS,
    STRANGER,
    TIMEOUT,
    Bench,
    market_id,
    paper_bench,
    sandbox_bench,
)
from webhook.actions.port import CancelReport, ReduceOrder, Side, Venue
from webhook.errors import PermanentError, TemporaryError
from webhook.venues import VENUES

VARIANTS = [*PAPER_VARIANTS, *CCXT_VARIANTS]
SPOT = [variant for variant in VARIANTS if variant.endswith("spot")]
CONTRACTS = [variant for variant in VARIANTS if variant not in SPOT]


@pytest.fixture(scope="module")
def process() -> Iterator[RunningVenue]:
    with running_venue() as running:
        yield running


only_spot = pytest.mark.parametrize("bench", SPOT, indirect=True)
only_contracts = pytest.mark.parametrize("bench", CONTRACTS, indirect=True)


@pytest.fixture(params=VARIANTS)
def bench(request, process, tmp_path) -> Iterator[Bench]:
    if request.param in PAPER_VARIANTS:
        with paper_bench(**PAPER_VARIANTS[request.param]) as made:
            yield made
    else:
        with sandbox_bench(process, tmp_path, **CCXT_VARIANTS[request.param]) as made:
            yield made


class Sent:
    """Counts how often an adapter said that its first cancel is out."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self) -> None:
        self.times.append(time.monotonic())


def cancel_everything(venue: Venue, symbols: tuple[str, ...] | None = None) -> CancelReport:
    return venue.cancel_everything(symbols, Sent(), TIMEOUT)


def stranger(bench: Bench) -> str:
    return f"{STRANGER}:USDT" if ":" in bench.known[0] else STRANGER


def test_every_kind_of_venue_is_under_contract():
    assert set(VENUES) == {variant.partition("-")[0] for variant in VARIANTS}


def test_it_says_who_it_is(bench):
    venue = bench.venue
    assert (venue.venue, venue.account, venue.mode) == ("sandbox", "mm", "live")
    assert venue.symbols() == bench.known


def test_it_answers_a_ping_in_seconds(bench):
    assert 0 <= bench.venue.ping(TIMEOUT) < TIMEOUT


def test_an_empty_account_reads_as_empty_and_may_be_cancelled_again_and_again(bench):
    assert bench.venue.open_orders(None, TIMEOUT).orders == ()
    for _ in range(2):
        report = cancel_everything(bench.venue)
        assert (report.unknown, report.refused) == (0, 0)


def test_it_knows_its_books_and_a_read_of_its_symbols_covers_them(bench):
    books = bench.venue.order_books(bench.known)
    assert books == {book for symbol in bench.known for book in bench.books(symbol)}
    read = bench.venue.open_orders(bench.known, TIMEOUT)
    assert read.coverage.contains(books, bench.known)
    assert not read.coverage.contains(books, [*bench.known, "NOBODY/USDT"])
    assert not read.coverage.contains(books, None)


def test_a_read_of_the_account_covers_what_it_says_the_account_has_or_says_that_nothing_can(bench):
    books, read = bench.venue.order_books(None), bench.venue.open_orders(None, TIMEOUT)
    if books is None:
        assert read.problems
        assert not read.coverage.contains(bench.books(bench.known[0]), None)
    else:
        assert read.coverage.contains(books, None)
        assert read.coverage.contains(books, [stranger(bench)])
        assert read.problems == ()


def test_it_reads_orders_of_every_book(bench):
    books = bench.books(bench.known[0])
    for book in books:
        bench.rest(bench.known[0], 2, book=book)
    orders = bench.venue.open_orders(None, TIMEOUT).orders
    assert sorted(order.book for order in orders) == sorted([*books] * 2)
    assert {order.symbol for order in orders} == {bench.known[0]}
    assert all(order.client_order_id and order.client_order_id.startswith("mm-btc_") for order in orders)
    assert all(order.remaining and order.remaining > 0 for order in orders)
    assert {order.position_side for order in orders} == {"both"}
    assert len({order.order_id for order in orders}) == len(orders)


def test_it_reads_only_the_symbols_that_it_is_asked_for(bench):
    for symbol in bench.known:
        bench.rest(symbol)
    one = bench.venue.open_orders(bench.known[:1], TIMEOUT).orders
    assert [order.symbol for order in one] == [bench.known[0]]
    several = bench.venue.open_orders(bench.known, TIMEOUT).orders
    assert sorted(order.symbol for order in several) == sorted(bench.known)


def test_a_symbol_is_understood_as_people_write_it_and_what_it_means_can_be_asked_for(bench):
    symbol = bench.known[0]
    other = symbol.partition(":")[0].replace("/", "").lower()
    for text in (symbol, symbol.lower(), other):
        meant = bench.venue.resolve(text)
        assert meant is not None
        assert {symbol, market_id(symbol)} <= meant
    assert bench.venue.resolve("NOSUCHCOIN-PERP") == frozenset()
    bench.rest(symbol)
    assert len(bench.venue.open_orders(bench.venue.resolve(symbol), TIMEOUT).orders) == 1
    bench.venue.cancel_everything(sorted(bench.venue.resolve(symbol)), Sent(), TIMEOUT)
    assert bench.standing() == 0


def test_it_cancels_every_symbol_and_book_of_the_account(bench):
    for symbol in bench.known:
        for book in bench.books(symbol):
            bench.rest(symbol, 3, book=book)
    report = cancel_everything(bench.venue)
    assert bench.standing() == 0
    assert bench.venue.open_orders(None, TIMEOUT).orders == ()
    assert report.accepted == report.requests > 0
    assert (report.unknown, report.refused) == (0, 0)


def test_it_finds_and_cancels_orders_in_a_symbol_that_nobody_configured(bench):
    bench.rest(bench.known[0])
    bench.rest(stranger(bench))
    cancel_everything(bench.venue)
    assert bench.standing() == 0


def test_it_cancels_only_the_symbols_that_it_is_asked_for(bench):
    for symbol in bench.known:
        bench.rest(symbol, 2)
    cancel_everything(bench.venue, bench.known[:1])
    left = bench.venue.open_orders(None, TIMEOUT).orders
    assert sorted({order.symbol for order in left}) == sorted(bench.known[1:])
    assert len(left) == 2 * (len(bench.known) - 1)


def test_it_cancels_just_the_orders_it_is_given(bench):
    for book in bench.books(bench.known[0]):
        bench.rest(bench.known[0], 12, book=book)
    orders = bench.venue.open_orders(None, TIMEOUT).orders
    spared = {orders[0].order_id, orders[-1].order_id}
    sent = Sent()
    report = bench.venue.cancel_orders([one for one in orders if one.order_id not in spared], sent, TIMEOUT)
    assert {one.order_id for one in bench.venue.open_orders(None, TIMEOUT).orders} == spared
    assert (report.unknown, report.refused) == (0, 0)
    assert len(sent.times) >= 1


def test_an_order_that_is_gone_already_counts_as_cancelled(bench):
    bench.rest(bench.known[0], 3)
    orders = bench.venue.open_orders(None, TIMEOUT).orders
    cancel_everything(bench.venue)
    for doomed in (orders, orders[:1]):
        report = bench.venue.cancel_orders(doomed, Sent(), TIMEOUT)
        assert report.accepted == report.requests > 0
        assert (report.unknown, report.refused) == (0, 0)


def test_cancelling_no_orders_sends_nothing(bench):
    sent = Sent()
    assert bench.venue.cancel_orders([], sent, TIMEOUT) == CancelReport()
    assert sent.times == []


def test_it_says_when_its_first_cancel_goes_out(bench):
    bench.rest(bench.known[0])
    sent, started = Sent(), time.monotonic()
    bench.venue.cancel_everything(None, sent, TIMEOUT)
    assert started <= sent.times[0] <= time.monotonic()


def test_a_venue_that_lies_is_found_out_by_reading_again(bench):
    bench.rest(bench.known[0], 2)
    bench.lie_about_cancels()
    cancel_everything(bench.venue)
    assert len(bench.venue.open_orders(None, TIMEOUT).orders) == 2


def test_a_cancel_without_an_answer_is_unknown_and_keeps_the_deadline(bench):
    bench.rest(bench.known[0])
    bench.swallow_answers()
    sent, started = Sent(), time.monotonic()
    report = bench.venue.cancel_everything(bench.known[:1], sent, 0.4)
    assert time.monotonic() - started < 3
    assert report.unknown > 0
    assert report.accepted == 0
    assert report.problems
    assert sent.times


def test_a_venue_that_is_gone_reads_as_an_error_and_never_as_empty(bench):
    bench.vanish()
    for ask in (
        lambda: bench.venue.open_orders(None, 0.5),
        lambda: bench.venue.open_orders(bench.known[:1], 0.5),
        lambda: bench.venue.ping(0.5),
    ):
        with pytest.raises(TemporaryError):
            ask()
    report = bench.venue.cancel_everything(None, Sent(), 0.5)
    assert report.accepted == 0
    assert report.unknown + report.refused > 0


@only_spot
def test_spot_holds_balances_and_is_never_flat(bench):
    assert bench.venue.position_books(None) is None
    assert bench.venue.position_books(bench.known[:1]) is None
    with pytest.raises(PermanentError):
        bench.venue.positions(None, TIMEOUT)


@only_contracts
def test_a_read_of_positions_covers_them(bench):
    symbols = [symbol for symbol in bench.known if ":" in symbol]
    books = bench.venue.position_books(symbols)
    assert books
    assert bench.venue.positions(symbols, TIMEOUT).coverage.contains(books, symbols)


def test_it_quotes_a_book_with_the_rules_that_an_order_must_keep(bench):
    quote = bench.venue.quote(bench.known[0], Decimal("0.005"), TIMEOUT)
    assert quote.bid < quote.ask
    assert abs(quote.mark / quote.bid - 1) < Decimal("0.01")
    assert quote.bid_depth > 0
    assert quote.ask_depth > 0
    assert quote.price_tick > 0
    assert quote.quantity_step > 0
    assert quote.minimum_quantity >= quote.quantity_step
    assert quote.maximum_quantity is None or quote.maximum_quantity > quote.minimum_quantity
    assert quote.bid % quote.price_tick == 0


@only_contracts
@pytest.mark.parametrize("quantity", [Decimal("0.02"), Decimal("-0.02")], ids=["long", "short"])
def test_it_reads_a_position_and_reduces_it_to_nothing(bench, quantity):
    symbol = bench.known[0]
    bench.hold(symbol, quantity)
    position = next(one for one in bench.venue.positions(None, TIMEOUT).positions if one.symbol == symbol)
    assert (position.quantity, position.side) == (quantity, "both")
    assert position.mark_price > 0
    assert position.notional == abs(quantity) * position.mark_price
    others = [other for other in bench.known[1:] if ":" in other]
    assert not others or bench.venue.positions(others, TIMEOUT).positions == ()
    order = closing(bench, symbol, quantity, "andon-1-1")
    fill = bench.venue.reduce(order, TIMEOUT)
    assert fill.filled == abs(quantity)
    assert fill.average_price is not None
    assert bench.held(symbol) == 0
    assert bench.venue.positions(None, TIMEOUT).positions == ()


@only_contracts
def test_the_same_reduce_order_is_never_sent_twice(bench):
    symbol = bench.known[0]
    bench.hold(symbol, Decimal("0.04"))
    order = closing(bench, symbol, Decimal("0.02"), "andon-2-1")
    first = bench.venue.reduce(order, TIMEOUT)
    again = bench.venue.reduce(order, TIMEOUT)
    assert (again.order_id, again.filled) == (first.order_id, Decimal("0.02"))
    assert bench.held(symbol) == Decimal("0.02")


@only_contracts
def test_a_reduce_order_cannot_open_a_position(bench):
    symbol = bench.known[0]
    with pytest.raises(PermanentError) as refused:
        bench.venue.reduce(closing(bench, symbol, Decimal("0.02"), "andon-3-1"), TIMEOUT)
    assert refused.value.reason == "nothing_to_reduce"
    assert bench.held(symbol) == 0


@only_contracts
def test_a_collar_that_the_market_has_left_fills_nothing(bench):
    symbol = bench.known[0]
    bench.hold(symbol, Decimal("0.02"))
    quote = bench.venue.quote(symbol, Decimal("0.005"), TIMEOUT)
    price = quote.ask * Decimal("1.02") // quote.price_tick * quote.price_tick
    fill = bench.venue.reduce(ReduceOrder(symbol, Side.SELL, Decimal("0.02"), price, "andon-4-1"), TIMEOUT)
    assert (fill.filled, fill.average_price) == (Decimal(0), None)
    assert bench.held(symbol) == Decimal("0.02")


def closing(bench: Bench, symbol: str, quantity: Decimal, client_order_id: str) -> ReduceOrder:
    """An order that takes *quantity* away, with a collar that surely crosses."""
    quote = bench.venue.quote(symbol, Decimal("0.005"), TIMEOUT)
    side = Side.SELL if quantity > 0 else Side.BUY
    collar = quote.bid * Decimal("0.99") if side is Side.SELL else quote.ask * Decimal("1.01")
    price = collar // quote.price_tick * quote.price_tick
    return ReduceOrder(symbol, side, abs(quantity), price, client_order_id)
