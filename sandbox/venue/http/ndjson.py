"""The public market stream: NDJSON over chunked HTTP."""

import socket
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from sandbox.venue.http import connection
from sandbox.venue.instruments import Market
from sandbox.venue.market.stream import KINDS, SEND_BUFFER, Key, Subscriber
from sandbox.venue.rest.request import parameters
from sandbox.venue.venue import Venue

NDJSON_PATH = "/stream/v1/ndjson"


def serves(path: str) -> bool:
    """Whether a path is a stream."""
    return path == NDJSON_PATH


async def serve(venue: Venue, request: web.BaseRequest, query: str) -> web.StreamResponse:
    """Stream until the listener goes or is cut off."""
    params = parameters(query, "")
    try:
        market = Market(params.get("market", Market.USDM))
    except ValueError:
        return _bad(f"market: one of {', '.join(Market)}")
    pairs = venue.exchange.pairs[market]
    symbols = [one for one in params.get("symbols", "BTCUSDT").upper().split(",") if one]
    kinds = [one for one in params.get("streams", ",".join(KINDS)).split(",") if one]
    if not symbols or any(one not in pairs for one in symbols):
        return _bad(f"symbols: some of {', '.join(pairs)}")
    if not kinds or any(one not in KINDS for one in kinds):
        return _bad(f"streams: some of {', '.join(KINDS)}")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    connection.set_option(request, socket.SO_SNDBUF, SEND_BUFFER)
    subscriber = Subscriber(backlog_bytes=venue.stream_backlog, hang_up=partial(connection.hang_up, request))
    # Snapshot and subscription happen in one go, so that the first difference follows the snapshot without a hole.
    for symbol in symbols:
        subscriber.push(_snapshot(venue, market, symbol))
    keys: list[Key] = [(market, symbol, kind) for symbol in symbols for kind in kinds]
    venue.market_stream.subscribe(subscriber, keys)
    try:
        while lines := await subscriber.lines():
            await response.write(b"\n".join(lines) + b"\n")
    except ConnectionError:
        pass  # the listener went away, which is its right, or was cut off
    finally:
        venue.market_stream.unsubscribe(subscriber)
        venue.market_stream.cut_off += subscriber.cut_off
    return response


def _snapshot(venue: Venue, market: Market, symbol: str) -> bytes:
    pair = venue.exchange.pairs[market][symbol]
    bids, asks = pair.snapshot()
    shown: dict[str, Any] = {
        "type": "snapshot",
        "market": market,
        "symbol": symbol,
        "lastUpdateId": pair.last_update_id,
        "E": pair.last_event_ms,
        "bids": bids,
        "asks": asks,
    }
    return orjson.dumps(shown)


def _bad(message: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": message}), status=400, headers={"Content-Type": "application/json"})
