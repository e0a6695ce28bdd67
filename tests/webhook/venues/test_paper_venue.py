"""The paper venue: what drills and demonstrations can make of it."""

import time
from decimal import Decimal

import pytest

from tests.fakes import FrozenClock
from webhook.actions.port import ReduceOrder, Side
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.venues.paper import PaperOptions, PaperVenue, coverage_fault

SYMBOL = "BTC/USDT:USDT"


def nothing() -> None:
    """Nobody wants to know when the first cancel goes out."""


def paper(**options: object) -> PaperVenue:
    return PaperVenue(options=PaperOptions.model_validate(options))


def test_it_starts_with_what_its_options_say():
    venue = paper(
        symbols=[SYMBOL],
        orders=[{"symbol": SYMBOL, "side": "sell", "quantity": "0.5", "price": "101", "book": "trigger"}],
        positions=[{"symbol": SYMBOL, "quantity": "-2"}],
        marks={SYMBOL: "50000"},
    )
    (order,) = venue.open_orders(None, 1.0).orders
    assert (order.side, order.quantity, order.book, order.trigger) == (Side.SELL, Decimal("0.5"), "trigger", True)
    (position,) = venue.positions(None, 1.0).positions
    assert position.notional == Decimal(100_000)


def test_it_is_live_unless_told_otherwise():
    assert PaperVenue().mode == "live"


def test_its_latency_keeps_the_timeout():
    venue = PaperVenue()
    venue.faults.latency = 10.0
    started = time.monotonic()
    with pytest.raises(UnknownOutcomeError):
        venue.open_orders(None, 0.05)
    assert venue.cancel_everything(None, nothing, 0.05).unknown == 2
    assert time.monotonic() - started < 1.0


def test_one_method_can_hang_while_the_others_answer():
    venue = PaperVenue()
    venue.faults.slow["positions"] = 10.0
    with pytest.raises(UnknownOutcomeError):
        venue.positions(None, 0.02)
    assert venue.open_orders(None, 1.0).orders == ()


def test_one_method_can_fail_while_the_others_answer():
    venue = PaperVenue()
    venue.faults.failing.add("quote")
    with pytest.raises(TemporaryError):
        venue.quote(SYMBOL, Decimal("0.005"), 1.0)
    assert venue.positions(None, 1.0).positions == ()


def test_its_faults_are_used_up():
    venue = PaperVenue()
    venue.place(SYMBOL)
    venue.faults.reads_failed = 1
    with pytest.raises(TemporaryError):
        venue.open_orders(None, 1.0)
    venue.faults.cancels_ignored = 2
    assert venue.cancel_everything(None, nothing, 1.0).accepted == 2
    assert len(venue.open_orders(None, 1.0).orders) == 1
    venue.cancel_everything(None, nothing, 1.0)
    assert venue.open_orders(None, 1.0).orders == ()


def test_a_read_covers_every_book_of_what_was_asked_for():
    venue = PaperVenue()
    books = venue.order_books(None)
    assert books == {"normal", "trigger"}
    assert venue.open_orders(None, 1.0).coverage.contains(books, None)
    one = venue.open_orders([SYMBOL], 1.0).coverage
    assert one.contains(books, [SYMBOL])
    assert not one.contains(books, None)
    assert not one.contains(books, ["ETH/USDT:USDT"])


def test_a_book_that_nobody_reads_is_cancelled_and_missing_from_the_coverage():
    venue = paper(unread_books=["trigger"])
    venue.place(SYMBOL, book="trigger")
    read = venue.open_orders(None, 1.0)
    assert (read.orders, read.coverage.books) == ((), {"normal"})
    assert read.problems
    assert not read.coverage.contains(venue.order_books(None), None)
    venue.cancel_everything(None, nothing, 1.0)
    assert venue.resting() == ()
    assert "trigger" in (coverage_fault(PaperOptions(unread_books=("trigger",))) or "")


def test_books_that_nobody_knows_are_said_to_be_unknown():
    venue = paper(books_known=False)
    assert venue.order_books(None) is None
    assert venue.position_books([SYMBOL]) is None
    assert coverage_fault(PaperOptions(books_known=False))
    assert coverage_fault(PaperOptions()) is None


def test_positions_that_are_balances_are_never_empty():
    venue = paper(has_positions=False)
    assert venue.position_books(None) is None
    with pytest.raises(PermanentError):
        venue.positions(None, 1.0)


def test_a_page_that_may_be_the_first_of_several_is_listed_and_not_covered():
    venue = paper(books=["normal"])
    for _ in range(3):
        venue.place(SYMBOL)
    venue.faults.page = 2
    read = venue.open_orders(None, 1.0)
    assert (len(read.orders), read.coverage.books) == (2, frozenset())
    venue.cancel_orders(read.orders, nothing, 1.0)
    assert venue.open_orders(None, 1.0).coverage.books == {"normal"}


def test_a_late_order_is_not_there_before_its_time():
    clock = FrozenClock()
    venue = PaperVenue(clock=clock)
    venue.place(SYMBOL, late=0.03)
    assert venue.open_orders(None, 1.0).orders == ()
    venue.cancel_everything(None, nothing, 1.0)
    clock.advance(0.03)
    assert len(venue.open_orders(None, 1.0).orders) == 1


def test_an_order_that_refuses_to_be_cancelled_stays_until_it_is_freed():
    venue = PaperVenue()
    stuck = venue.place(SYMBOL, cancellable=False)
    assert venue.cancel_everything(None, nothing, 1.0).accepted == 2
    report = venue.cancel_orders([stuck], nothing, 1.0)
    assert (report.refused, report.accepted) == (1, 0)
    assert stuck.order_id in report.problems[0]
    assert venue.resting() == (stuck,)
    venue.free(stuck.order_id)
    assert venue.cancel_orders([stuck], nothing, 1.0).accepted == 1
    assert venue.resting() == ()


def test_hedge_mode_keeps_both_sides_apart():
    venue = PaperVenue()
    venue.hold(SYMBOL, Decimal(2), side="long")
    venue.hold(SYMBOL, Decimal(-1), side="short")
    venue.reduce(ReduceOrder(SYMBOL, Side.SELL, Decimal(2), Decimal(1), "andon-1", "long"), 1.0)
    (left,) = venue.positions(None, 1.0).positions
    assert (left.side, left.quantity) == ("short", Decimal(-1))


def test_an_order_may_be_of_one_side_and_of_unknown_quantity():
    order = PaperVenue().place(SYMBOL, quantity=None, position_side="long", close_position=True, book="trigger")
    assert (order.remaining, order.notional, order.position_side) == (None, Decimal(0), "long")
    assert order.protective


def test_symbols_are_resolved_by_the_markets_it_is_given():
    venue = paper(markets={"BTC/USDT": ["BTCUSDT"], SYMBOL: ["BTCUSDT"], "ETH/USDT:USDT": ["ETHUSDT"]})
    assert venue.resolve("btcusdt") == {"BTC/USDT", SYMBOL, "BTCUSDT"}
    assert venue.resolve("ETH-PERP") == {"ETH/USDT:USDT", "ETHUSDT"}
    assert venue.resolve("DOGE/USDT:USDT") == frozenset()
    venue.faults.markets_unknown = True
    assert venue.resolve(SYMBOL) is None


def test_without_markets_every_unified_symbol_is_one():
    venue = paper(symbols=[SYMBOL])
    assert venue.resolve("btc/usdt:usdt") == {SYMBOL, "BTCUSDT"}
    assert venue.resolve("DOGE/USDT:USDT") == {"DOGE/USDT:USDT"}
    assert venue.resolve("nonsense") == frozenset()


def test_an_order_above_the_largest_is_refused_and_the_quote_says_so():
    venue = paper(maximum_quantity="0.5")
    venue.hold(SYMBOL, Decimal(1))
    assert venue.quote(SYMBOL, Decimal("0.005"), 1.0).maximum_quantity == Decimal("0.5")
    with pytest.raises(PermanentError):
        venue.reduce(ReduceOrder(SYMBOL, Side.SELL, Decimal(1), Decimal(1), "andon-1"), 1.0)


def test_it_counts_what_it_was_asked():
    venue = PaperVenue()
    venue.open_orders(None, 1.0)
    venue.cancel_everything(None, nothing, 1.0)
    assert venue.count("open_orders") == 1
    assert venue.count("cancel_request") == 2
    assert [call.method for call in venue.calls][:2] == ["open_orders", "cancel_everything"]


def test_a_reduce_order_that_was_not_answered_was_filled_all_the_same():
    venue = PaperVenue()
    venue.hold(SYMBOL, Decimal(1))
    venue.faults.reduces_unanswered = 1
    order = ReduceOrder(SYMBOL, Side.SELL, Decimal(1), Decimal(1), "andon-1")
    with pytest.raises(UnknownOutcomeError):
        venue.reduce(order, 1.0)
    assert venue.positions(None, 1.0).positions == ()
    assert venue.reduce(order, 1.0).filled == Decimal(1)


def test_what_the_book_does_not_hold_is_not_filled():
    venue = paper(depth="0.25")
    venue.hold(SYMBOL, Decimal(-1))
    fill = venue.reduce(ReduceOrder(SYMBOL, Side.BUY, Decimal(1), Decimal(1000), "andon-1"), 1.0)
    assert fill.filled == Decimal("0.25")
    assert venue.held(SYMBOL) == Decimal("-0.75")
