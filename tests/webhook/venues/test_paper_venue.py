"""The paper venue: what drills and demonstrations can make of it."""

import time
from decimal import Decimal

import pytest

from webhook.actions.port import ReduceOrder, Side
from webhook.errors import TemporaryError, UnknownOutcomeError
from webhook.venues.paper import PaperOptions, PaperVenue

SYMBOL = "BTC/USDT:USDT"


def nothing() -> None:
    """Nobody wants to know when the first cancel goes out."""


def test_it_starts_with_what_its_options_say():
    options = PaperOptions.model_validate(
        {
            "symbols": [SYMBOL],
            "orders": [{"symbol": SYMBOL, "side": "sell", "quantity": "0.5", "price": "101", "book": "trigger"}],
            "positions": [{"symbol": SYMBOL, "quantity": "-2"}],
            "marks": {SYMBOL: "50000"},
        }
    )
    venue = PaperVenue(options=options)
    (order,) = venue.open_orders(None, 1.0)
    assert (order.side, order.quantity, order.book) == (Side.SELL, Decimal("0.5"), "trigger")
    (position,) = venue.positions(None, 1.0)
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


def test_its_faults_are_used_up():
    venue = PaperVenue()
    venue.place(SYMBOL)
    venue.faults.reads_failed = 1
    with pytest.raises(TemporaryError):
        venue.open_orders(None, 1.0)
    venue.faults.cancels_ignored = 2
    assert venue.cancel_everything(None, nothing, 1.0).accepted == 2
    assert len(venue.open_orders(None, 1.0)) == 1
    venue.cancel_everything(None, nothing, 1.0)
    assert venue.open_orders(None, 1.0) == ()


def test_a_reduce_order_that_was_not_answered_was_filled_all_the_same():
    venue = PaperVenue()
    venue.hold(SYMBOL, Decimal(1))
    venue.faults.reduces_unanswered = 1
    order = ReduceOrder(SYMBOL, Side.SELL, Decimal(1), Decimal(1), "andon-1")
    with pytest.raises(UnknownOutcomeError):
        venue.reduce(order, 1.0)
    assert venue.positions(None, 1.0) == ()
    assert venue.reduce(order, 1.0).filled == Decimal(1)


def test_what_the_book_does_not_hold_is_not_filled():
    venue = PaperVenue(options=PaperOptions(depth=Decimal("0.25")))
    venue.hold(SYMBOL, Decimal(-1))
    fill = venue.reduce(ReduceOrder(SYMBOL, Side.BUY, Decimal(1), Decimal(1000), "andon-1"), 1.0)
    assert fill.filled == Decimal("0.25")
    (position,) = venue.positions(None, 1.0)
    assert position.quantity == Decimal("-0.75")
