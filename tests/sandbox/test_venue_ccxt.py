"""An unmodified ccxt, sync and async, trades on a real venue process."""

import asyncio
from collections.abc import Iterator

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from tests.sandbox_fixtures import RunningVenue, client_config, running_venue, spot_client, until, usdm_client

SYMBOL = "BTC/USDT:USDT"
PAIR = "ETH/USDT"


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue() as running:
        yield running


@pytest.fixture(autouse=True)
def clean(venue: RunningVenue) -> None:
    venue.clear()


@pytest.fixture(scope="module")
def usdm(venue: RunningVenue):
    return usdm_client(venue, "mm")


@pytest.fixture(scope="module")
def spot(venue: RunningVenue):
    return spot_client(venue, "mm")


def touch(client, symbol: str) -> tuple[float, float]:
    book = client.fetch_order_book(symbol, 5)
    return book["bids"][0][0], book["asks"][0][0]


def far_bid(client, symbol: str = SYMBOL) -> float:
    return float(client.price_to_precision(symbol, touch(client, symbol)[0] * 0.95))


def test_it_loads_ten_perpetuals_and_ten_spot_markets(usdm, spot):
    assert len(usdm.load_markets()) == 10
    markets = spot.load_markets()
    assert len([one for one in markets.values() if one["spot"]]) == 10
    assert len([one for one in markets.values() if one["swap"]]) == 10
    assert usdm.market(SYMBOL)["precision"] == {"amount": 0.001, "price": 0.1, "base": 1e-8, "quote": 1e-8}


def test_its_clock_is_ours(usdm):
    assert abs(usdm.fetch_time() - usdm.milliseconds()) < 1000


def test_market_data_reads_as_everywhere(usdm, spot):
    for client, symbol in ((usdm, SYMBOL), (spot, PAIR)):
        bid, ask = touch(client, symbol)
        assert bid < ask
        until(lambda client=client, symbol=symbol: client.fetch_trades(symbol))
        assert client.fetch_ticker(symbol)["last"] == pytest.approx(bid, rel=0.01)
        assert client.fetch_bids_asks([symbol])[symbol]["bid"] == pytest.approx(bid, rel=0.01)
        assert len(client.fetch_tickers()) >= 10
    assert usdm.fetch_funding_rate(SYMBOL)["markPrice"] == pytest.approx(touch(usdm, SYMBOL)[0], rel=0.01)


def test_a_limit_order_rests_is_found_and_is_cancelled(usdm):
    order = usdm.create_order(SYMBOL, "limit", "buy", 0.01, far_bid(usdm), {"clientOrderId": "mm-btc_1"})
    assert (order["status"], order["clientOrderId"], order["symbol"]) == ("open", "mm-btc_1", SYMBOL)
    assert [one["id"] for one in usdm.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert [one["id"] for one in usdm.fetch_open_orders()] == [order["id"]]
    assert usdm.fetch_order(order["id"], SYMBOL)["status"] == "open"
    assert usdm.fetch_open_order(order["id"], SYMBOL)["status"] == "open"
    assert usdm.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    assert usdm.fetch_open_orders(SYMBOL) == []
    assert usdm.fetch_order(None, SYMBOL, {"origClientOrderId": "mm-btc_1"})["status"] == "canceled"
    assert [one["status"] for one in usdm.fetch_orders(SYMBOL)] == ["canceled"]


def test_an_order_can_be_cancelled_by_the_clients_id(usdm):
    usdm.create_order(SYMBOL, "limit", "buy", 0.01, far_bid(usdm), {"clientOrderId": "mm-btc_2"})
    assert usdm.cancel_order(None, SYMBOL, {"origClientOrderId": "mm-btc_2"})["status"] == "canceled"


def test_a_market_order_opens_a_position_and_reduce_only_closes_it(usdm):
    opened = usdm.create_order(SYMBOL, "market", "buy", 0.1)
    assert (opened["status"], opened["filled"]) == ("closed", 0.1)
    position = usdm.fetch_positions([SYMBOL])[0]
    assert (position["side"], position["contracts"]) == ("long", 0.1)
    assert position["entryPrice"] == opened["average"]
    assert position["maintenanceMargin"] == pytest.approx(0.1 * position["markPrice"] * 0.004)
    balance = usdm.fetch_balance()
    assert balance["USDT"]["used"] == pytest.approx(0.1 * opened["average"] / 20, rel=0.01)
    assert [one["amount"] for one in usdm.fetch_my_trades(SYMBOL)] == [0.1]
    closed = usdm.create_order(SYMBOL, "market", "sell", 0.5, None, {"reduceOnly": True})
    assert (closed["filled"], closed["reduceOnly"]) == (0.1, True)
    assert usdm.fetch_positions() == []


def test_conditional_orders_live_in_a_book_of_their_own(usdm):
    """What fact 3 of the kill-switch page is about: one cancel-all is not all."""
    bid = far_bid(usdm)
    usdm.create_order(SYMBOL, "limit", "buy", 0.01, bid)
    stop = usdm.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": bid, "clientOrderId": "mm-btc_s1"})
    assert (stop["status"], stop["clientOrderId"]) == ("open", "mm-btc_s1")
    usdm.create_order(SYMBOL, "limit", "sell", 0.01, bid, {"triggerPrice": bid})
    usdm.create_order(SYMBOL, "market", "sell", 0.01, None, {"trailingPercent": 5})
    assert len(usdm.fetch_open_orders(SYMBOL)) == 1
    assert len(usdm.fetch_open_orders(SYMBOL, params={"trigger": True})) == 3
    assert usdm.fetch_order(stop["id"], SYMBOL, {"trigger": True})["status"] == "open"

    usdm.cancel_all_orders(SYMBOL)
    assert (len(usdm.fetch_open_orders(SYMBOL)), len(usdm.fetch_open_orders(SYMBOL, params={"trigger": True}))) == (
        0,
        3,
    )
    usdm.cancel_order(stop["id"], SYMBOL, {"trigger": True})
    assert len(usdm.fetch_open_orders(SYMBOL, params={"trigger": True})) == 2
    usdm.cancel_all_orders(SYMBOL, {"trigger": True})
    assert usdm.fetch_open_orders(SYMBOL, params={"trigger": True}) == []


def test_several_orders_are_placed_and_cancelled_in_one_request(usdm):
    bid = far_bid(usdm)
    wanted = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": bid} for _ in range(3)]
    placed = usdm.create_orders(wanted)
    assert [one["status"] for one in placed] == ["open"] * 3
    usdm.cancel_orders([one["id"] for one in placed[:2]], SYMBOL)
    assert [one["id"] for one in usdm.fetch_open_orders(SYMBOL)] == [placed[2]["id"]]
    by_client = usdm.cancel_orders([], SYMBOL, {"origClientOrderIdList": [placed[2]["clientOrderId"]]})
    assert [one["status"] for one in by_client] == ["canceled"]
    with pytest.raises(ccxt.OrderNotFound):
        usdm.cancel_orders([placed[0]["id"]], SYMBOL)


def test_cancelling_everything_twice_is_fine_on_futures_and_an_error_on_spot(usdm, spot):
    assert usdm.cancel_all_orders(SYMBOL)[0]["id"] is None
    assert usdm.cancel_all_orders(SYMBOL)[0]["id"] is None
    with pytest.raises(ccxt.OrderNotFound):
        spot.cancel_all_orders(PAIR)


def test_the_dead_mans_timer_cancels_when_nobody_renews_it(usdm):
    usdm.create_order(SYMBOL, "limit", "buy", 0.01, far_bid(usdm))
    for _ in range(5):
        answer = usdm.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 400})
        assert answer == {"symbol": "BTCUSDT", "countdownTime": "400"}
        assert len(usdm.fetch_open_orders(SYMBOL)) == 1
    until(lambda: not usdm.fetch_open_orders(SYMBOL), seconds=3)


def test_the_dead_mans_timer_can_be_stopped(usdm, venue):
    usdm.create_order(SYMBOL, "limit", "buy", 0.01, far_bid(usdm))
    usdm.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 200})
    assert venue.account("mm")["countdowns"]["BTCUSDT"] <= 0.2
    usdm.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 0})
    assert venue.account("mm")["countdowns"] == {}
    assert len(usdm.fetch_open_orders(SYMBOL)) == 1


def test_leverage_changes_what_an_order_ties_up(usdm):
    usdm.set_leverage(5, SYMBOL)
    usdm.create_order(SYMBOL, "limit", "buy", 0.1, far_bid(usdm))
    assert usdm.fetch_balance()["USDT"]["used"] == pytest.approx(0.1 * far_bid(usdm) / 5, rel=0.02)


def test_times_in_force(usdm):
    bid = far_bid(usdm)
    assert usdm.create_order(SYMBOL, "limit", "buy", 0.01, bid, {"timeInForce": "IOC"})["status"] == "expired"
    assert usdm.create_order(SYMBOL, "limit", "buy", 0.01, bid, {"postOnly": True})["postOnly"] is True
    ask = usdm.price_to_precision(SYMBOL, touch(usdm, SYMBOL)[1] * 1.01)
    with pytest.raises(ccxt.InvalidOrder, match="-5022"):
        usdm.create_order(SYMBOL, "limit", "buy", 0.01, ask, {"postOnly": True})
    with pytest.raises(ccxt.InvalidOrder, match="-5021"):
        usdm.create_order(SYMBOL, "limit", "buy", 0.01, bid, {"timeInForce": "FOK"})
    assert usdm.create_order(SYMBOL, "limit", "buy", 0.01, ask, {"timeInForce": "FOK"})["status"] == "closed"


def test_accounts_do_not_see_each_other_but_keys_of_one_account_do(usdm, venue):
    order = usdm.create_order(SYMBOL, "limit", "buy", 0.01, far_bid(usdm))
    assert usdm_client(venue, "trend").fetch_open_orders(SYMBOL) == []
    killer = usdm_client(venue, "mm", "killer")
    assert killer.cancel_order(order["id"], SYMBOL)["status"] == "canceled"


def test_spot_orders_balances_and_trades(spot):
    bought = spot.create_order(PAIR, "market", "buy", 1)
    assert (bought["status"], bought["filled"], bought["symbol"]) == ("closed", 1.0, PAIR)
    assert bought["fee"]["cost"] == pytest.approx(0.001)
    high = float(spot.price_to_precision(PAIR, touch(spot, PAIR)[1] * 1.05))
    sell = spot.create_order(PAIR, "limit", "sell", 0.5, high, {"clientOrderId": "mm-eth_1"})
    assert (sell["status"], sell["clientOrderId"]) == ("open", "mm-eth_1")
    stop = spot.create_order(PAIR, "market", "sell", 0.3, None, {"stopLossPrice": high * 0.8})
    assert spot.fetch_balance()["ETH"] == {"free": 0.199, "used": 0.8, "total": 0.999}
    assert {one["id"] for one in spot.fetch_open_orders(PAIR)} == {sell["id"], stop["id"]}
    assert spot.fetch_order(None, PAIR, {"origClientOrderId": "mm-eth_1"})["status"] == "open"
    assert spot.cancel_order(sell["id"], PAIR)["status"] == "canceled"
    assert [one["id"] for one in spot.cancel_all_orders(PAIR)] == [stop["id"]]
    assert [one["amount"] for one in spot.fetch_my_trades(PAIR)] == [1.0]
    spent = spot.create_market_buy_order_with_cost(PAIR, 100)
    assert spent["cost"] == pytest.approx(100, rel=0.05)
    maker = spot.create_order(PAIR, "limit", "buy", 0.1, high * 0.8, {"postOnly": True})
    assert maker["type"] == "limit"
    assert spot.fetch_closed_orders(PAIR)


def test_one_client_trades_both_markets_and_never_mixes_them_up(spot):
    spot.create_order(SYMBOL, "limit", "buy", 0.01, far_bid(spot))
    spot.create_order("BTC/USDT", "limit", "buy", 0.01, far_bid(spot, "BTC/USDT"))
    assert [one["symbol"] for one in spot.fetch_open_orders(SYMBOL)] == [SYMBOL]
    assert [one["symbol"] for one in spot.fetch_open_orders("BTC/USDT")] == ["BTC/USDT"]


def test_the_async_client_kills_ten_symbols_at_once(venue: RunningVenue):
    venue.seed("mm", 40)
    venue.seed("mm", 20, book="algo")
    assert venue.account("mm")["open_orders_total"] == 60

    async def kill() -> None:
        client = ccxt_async.binanceusdm(client_config(venue, "mm", "killer"))
        try:
            symbols = list(await client.load_markets())
            cancels = [client.cancel_all_orders(one, params) for one in symbols for params in ({}, {"trigger": True})]
            await asyncio.gather(*cancels)
            assert await client.fetch_open_orders() == []
            assert await client.fetch_open_orders(params={"trigger": True}) == []
        finally:
            await client.close()

    asyncio.run(kill())
    assert venue.account("mm")["open_orders_total"] == 0


def test_coin_margined_markets_are_asked_for_and_absent(venue: RunningVenue):
    assert venue.request("GET", "/dapi/v1/exchangeInfo")[1]["symbols"] == []
