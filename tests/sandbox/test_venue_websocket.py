"""An unmodified ccxt.pro reads trades and books from the venue's websocket streams."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from tests.sandbox_fixtures import RunningVenue, client_config, running_venue, urls


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue(("mm",), ["--speed", "10"]) as running:
        yield running


def ws(venue: RunningVenue, path: str) -> str:
    return venue.url.replace("http://", "ws://") + path


def usdm_pro(venue: RunningVenue) -> Any:
    config = client_config(venue, "mm")
    config["urls"]["api"]["ws"] = {"linear": ws(venue, "/ws")}
    return ccxt.pro.binanceusdm(config)


def spot_pro(venue: RunningVenue) -> Any:
    config = client_config(venue, "mm")
    config["options"] |= {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}
    config["urls"] = {"api": {**urls(venue.url), "ws": {"spot": ws(venue, "/stream/ws")}}}
    return ccxt.pro.binance(config)


@pytest.mark.parametrize(("client", "symbol"), [(usdm_pro, "BTC/USDT:USDT"), (spot_pro, "ETH/USDT")])
def test_ccxt_pro_watches_trades_and_a_book_that_is_the_venues(venue: RunningVenue, client, symbol):
    async def watch() -> None:
        exchange = client(venue)
        try:
            await exchange.load_markets()
            trades = await asyncio.wait_for(exchange.watch_trades(symbol), 10)
            assert trades[-1]["symbol"] == symbol
            for _ in range(6):
                book = await asyncio.wait_for(exchange.watch_order_book(symbol), 10)
                assert book["bids"][0][0] < book["asks"][0][0]
            assert abs(book["timestamp"] - exchange.milliseconds()) < 2000
            best = await asyncio.wait_for(exchange.watch_bids_asks([symbol]), 10)
            assert best[symbol]["bid"] == pytest.approx(book["bids"][0][0], rel=0.01)
        finally:
            await exchange.close()

    asyncio.run(watch())


async def watch_for_ever(exchange: Any) -> None:
    while True:
        await asyncio.wait_for(exchange.watch_order_book("BTC/USDT:USDT"), 10)


def test_a_gap_makes_ccxt_pro_raise_and_a_new_watch_heals(venue: RunningVenue):
    async def watch() -> None:
        exchange = usdm_pro(venue)
        try:
            await asyncio.wait_for(exchange.watch_order_book("BTC/USDT:USDT"), 10)
            await asyncio.to_thread(venue.fault, "sequence_gap", symbol="BTCUSDT", n=2)
            with pytest.raises(ccxt.ChecksumError):
                await watch_for_ever(exchange)
            book = await asyncio.wait_for(exchange.watch_order_book("BTC/USDT:USDT"), 10)
            assert book["bids"][0][0] < book["asks"][0][0]
        finally:
            await exchange.close()

    asyncio.run(watch())


def test_combined_streams_carry_their_names_and_raw_ones_only_data(venue: RunningVenue):
    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            combined = ws(venue, "/stream?streams=btcusdt@depth@100ms/ethusdt@trade")
            async with session.ws_connect(combined) as connection:
                names = {(await connection.receive_json(timeout=5))["stream"] for _ in range(20)}
                assert names == {"btcusdt@depth@100ms", "ethusdt@trade"}
            async with session.ws_connect(ws(venue, "/stream?streams=btcusdt@depth&market=spot")) as connection:
                assert "pu" not in (await connection.receive_json(timeout=5))["data"]
            async with session.ws_connect(ws(venue, "/ws/btcusdt@trade")) as connection:
                event = await connection.receive_json(timeout=5)
                assert (event["e"], event["s"]) == ("trade", "BTCUSDT")

    asyncio.run(talk())


def test_a_listener_subscribes_lists_and_unsubscribes(venue: RunningVenue):
    async def talk() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(ws(venue, "/ws")) as connection:

            async def ask(content: Any) -> Any:
                await connection.send_json(content)
                while "e" in (answer := await connection.receive_json(timeout=5)):
                    pass
                return answer

            wanted = ["btcusdt@depth", "nothing@depth", "btcusdt@nothing"]
            assert await ask({"method": "SUBSCRIBE", "params": wanted, "id": 1}) == {"result": None, "id": 1}
            assert (await ask({"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == ["btcusdt@depth"]
            assert (await ask({"method": "UNSUBSCRIBE", "params": wanted, "id": 3}))["id"] == 3
            assert (await ask({"method": "LIST_SUBSCRIPTIONS", "id": 4}))["result"] == []
            assert "error" in await ask({"method": "SING", "id": 5})
            assert "error" in await ask([1, 2])
            assert "error" in await ask("text")

    asyncio.run(talk())


def test_a_plain_request_for_a_websocket_is_told_to_upgrade(venue: RunningVenue):
    assert venue.request("GET", "/ws")[0] == 426
    assert venue.request("GET", "/stream?streams=btcusdt@trade")[0] == 426
