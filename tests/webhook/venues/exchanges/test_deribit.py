"""Deribit, as https://docs.deribit.com shows its answers (private/get_open_orders, get_positions, cancel_all, buy)."""

from decimal import Decimal
from typing import Any

from tests.exchange_server import account_at, nothing
from webhook.actions.port import ReduceOrder, Side

API = "/api/v2"


def result(value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False, "result": value}


def an_instrument(name: str, base: str, quote: str, settle: str, kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "tick_size": 0.5, "taker_commission": 0.0005, "settlement_period": "perpetual", "settlement_currency": settle,
        "quote_currency": quote, "min_trade_amount": 10, "maker_commission": 0, "kind": "future", "is_active": True,
        "instrument_type": kind, "instrument_name": name, "expiration_timestamp": 32503708800000,
        "creation_timestamp": 1534167754000, "counter_currency": quote, "contract_size": 10, "base_currency": base,
        **changes,
    }  # fmt: skip


def an_order(order_id: str, instrument: str, **changes: Any) -> dict[str, Any]:
    return {
        "time_in_force": "good_til_cancelled", "reduce_only": False, "price": 50000, "post_only": False,
        "order_type": "limit", "order_state": "open", "order_id": order_id, "max_show": 10,
        "last_update_timestamp": 1550050597036, "label": "mm-btc_1", "is_liquidation": False,
        "instrument_name": instrument, "filled_amount": 0, "direction": "buy", "creation_timestamp": 1550050597036,
        "average_price": 0, "api": True, "amount": 10, **changes,
    }  # fmt: skip


INVERSE = an_instrument("BTC-PERPETUAL", "BTC", "USD", "BTC", "reversed")
LINEAR = an_instrument("ETH_USDC-PERPETUAL", "ETH", "USDC", "USDC", "linear", contract_size=0.01, min_trade_amount=0.01)
SYMBOL = "BTC/USD:BTC"


class Deribit:
    """The account: orders in three currencies and a position."""

    def __init__(self) -> None:
        self.orders = [
            an_order("BTC-1", "BTC-PERPETUAL"),
            an_order("ETH-2", "ETH_USDC-PERPETUAL", amount=0.5, label="mm-eth_1"),
            an_order("SLTS-3", "BTC-PERPETUAL", order_type="stop_market", order_state="untriggered", reduce_only=True,
                     trigger="index_price", price="market_price", direction="sell"),
            an_order("SOL-4", "SOL_USDT", label=""),
        ]  # fmt: skip
        self.position: dict[str, Any] | None = {
            "average_price": 49000.0, "direction": "buy", "floating_profit_loss": 0, "initial_margin": 0.0001,
            "instrument_name": "BTC-PERPETUAL", "kind": "future", "leverage": 34, "maintenance_margin": 0.0001,
            "mark_price": 50123.5, "size": 50, "size_currency": 0.000997, "total_profit_loss": 0.00003,
        }  # fmt: skip
        self.routes: dict[str, Any] = {
            f"GET {API}/public/get_time": result(1550050597036),
            f"GET {API}/public/get_instruments": result([INVERSE, LINEAR]),
            f"GET {API}/private/get_open_orders": lambda _: result(self.orders),
            f"GET {API}/private/get_open_orders_by_instrument": lambda asked: result(
                [one for one in self.orders if one["instrument_name"] == asked["instrument_name"]]
            ),
            f"GET {API}/private/cancel_all": self.cancel_all,
            f"GET {API}/private/get_positions": lambda asked: result(
                [self.position] if self.position and asked.get("currency") == "any" else []
            ),
            f"GET {API}/private/get_order_state_by_label": result([]),
            f"GET {API}/private/sell": self.sell,
        }

    def cancel_all(self, _: Any) -> Any:
        count, self.orders = len(self.orders), []
        return result(count)

    def sell(self, asked: Any) -> Any:
        self.sold = asked
        amount = float(asked["amount"])
        filled = {"filled_amount": amount, "average_price": 50100.0, "order_state": "filled", "label": asked["label"]}
        order = an_order("BTC-9", "BTC-PERPETUAL", direction="sell", amount=amount, **filled)
        return result({"order": order, "trades": []})


def test_orders_of_every_currency_are_read_by_one_request_and_their_owner_by_the_label(tmp_path):
    # ccxt lists one currency, BTC when none is named, and gives no client order id.
    with account_at("deribit", Deribit().routes, tmp_path, symbols=[SYMBOL]) as (venue, server):
        read = venue.open_orders(None, 5.0)
        assert read.coverage.contains(venue.order_books(None), None)
        assert {one.order_id: one.client_order_id for one in read.orders} == {
            "BTC-1": "mm-btc_1", "ETH-2": "mm-eth_1", "SLTS-3": "mm-btc_1", "SOL-4": None,
        }  # fmt: skip
        assert server.asked == [(f"GET {API}/private/get_open_orders", {})]


def test_one_request_cancels_all_of_it_unread(tmp_path):
    account = Deribit()
    with account_at("deribit", account.routes, tmp_path, symbols=[SYMBOL]) as (venue, server):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert (report.requests, report.accepted, account.orders) == (1, 1, [])
        assert server.asked == [(f"GET {API}/private/cancel_all", {})]


def test_amounts_of_an_inverse_contract_are_dollars_and_turn_back_when_it_is_closed(tmp_path):
    account = Deribit()
    with account_at("deribit", account.routes, tmp_path, symbols=[SYMBOL]) as (venue, _):
        venue.prepare(5.0)
        read = venue.positions(None, 5.0)
        (position,) = read.positions
        assert (position.symbol, position.notional, position.currency) == (SYMBOL, Decimal(50), "USD")
        assert abs(position.quantity - 50 / Decimal("50123.5")) < Decimal("1e-9")
        order = ReduceOrder(SYMBOL, Side.SELL, position.quantity, Decimal(49900), "andon-1.2")
        fill = venue.reduce(order, 5.0)
        assert (float(account.sold["amount"]), account.sold["label"]) == (50.0, "andon-1.2")
        assert (account.sold["time_in_force"], account.sold["reduce_only"]) == ("immediate_or_cancel", "true")
        assert fill.filled == position.quantity


def test_spot_on_deribit_makes_its_account_never_flat(tmp_path):
    with account_at("deribit", Deribit().routes, tmp_path, symbols=[SYMBOL]) as (venue, _):
        assert venue.position_books(None) is None
        assert venue.position_books([SYMBOL]) == {"positions"}
    with account_at("deribit", Deribit().routes, tmp_path, products=["derivatives"]) as (venue, _):
        assert venue.position_books(None) == {"positions"}
        assert venue.positions(None, 5.0).coverage.contains({"positions"}, None)
