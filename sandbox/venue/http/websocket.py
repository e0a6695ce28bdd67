"""Binance's websocket market streams, so that an unmodified ccxt.pro reads trades and books from here.

Real Binance has a host for each market, the sandbox one port: paths below `/stream/ws` are spot, `/ws`, `/public/ws`
and `/market/ws` are futures, and combined streams (`/stream?streams=a/b`) are futures unless `&market=spot`.
"""

import asyncio
import re
import socket
from functools import partial
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from sandbox.venue.http import connection
from sandbox.venue.instruments import Market
from sandbox.venue.market.stream import KINDS, SEND_BUFFER, Key, Subscriber
from sandbox.venue.rest.request import parameters
from sandbox.venue.venue import Venue

HEARTBEAT_SECONDS = 30.0
LARGEST_MESSAGE = 64 * 1024
MOST_STREAMS = 1024
_PATHS = re.compile(r"^(?P<group>/public|/market|/stream)?/(?P<kind>ws|stream)(?P<rest>/.*)?$")
_EVENT = b'{"stream":"'
_DATA = b'","data":'


def serves(path: str) -> bool:
    """Whether a path is a websocket."""
    return _PATHS.match(path) is not None


async def serve(venue: Venue, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
    """Talk until the listener goes or is cut off."""
    found = _PATHS.match(path)
    params = parameters(query, "")
    group, kind, rest = found.groups() if found else (None, None, None)
    market = Market.SPOT if group == "/stream" or params.get("market") == Market.SPOT else Market.USDM
    response = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=LARGEST_MESSAGE, compress=False)
    if not response.can_prepare(request):
        return web.Response(status=426, headers={"Upgrade": "websocket"}, body=b"this path speaks websocket")
    await response.prepare(request)
    connection.set_option(request, socket.SO_SNDBUF, SEND_BUFFER)
    conversation = Conversation(venue, request, market, combined=kind == "stream")
    conversation.subscribe([one for one in (rest or "").split("/") if "@" in one])
    conversation.subscribe([one for one in params.get("streams", "").split("/") if one])
    writing = asyncio.ensure_future(conversation.write(response))
    try:
        async for message in response:
            if message.type is WSMsgType.TEXT:
                conversation.hear(message.data)
    finally:
        writing.cancel()
        venue.market_stream.unsubscribe(conversation.subscriber)
        venue.market_stream.cut_off += conversation.subscriber.cut_off
    return response


class Conversation:
    """One listener: what it asked for, under which names, and what it is told."""

    def __init__(self, venue: Venue, request: web.BaseRequest, market: Market, *, combined: bool) -> None:
        hang_up = partial(connection.hang_up, request)
        self.subscriber = Subscriber(backlog_bytes=venue.stream_backlog, pings=False, hang_up=hang_up)
        self._venue = venue
        self._market = market
        self._combined = combined
        # Our name of a stream -> this listener's (`@depth` and `@depth@100ms` are the same here).
        self._names: dict[bytes, bytes] = {}
        self._asked: dict[str, Key] = {}
        venue.market_stream.subscribe(self.subscriber, [])

    def subscribe(self, names: list[str]) -> None:
        """Listen to streams; one that does not exist stays silent, as it does at Binance."""
        for name in names[: MOST_STREAMS - len(self._asked)]:
            symbol, _, stream = name.partition("@")
            kind = stream.partition("@")[0]
            pair = self._venue.exchange.pairs[self._market].get(symbol.upper())
            if pair is None or kind not in KINDS:
                continue
            key = (self._market, pair.symbol, kind)
            self._asked[name] = key
            self._names[pair.streams[kind].encode()] = name.encode()
            self._venue.market_stream.subscribe(self.subscriber, [key])

    def _unsubscribe(self, names: list[str]) -> None:
        for name in names:
            key = self._asked.pop(name, None)
            if key is not None and key not in self._asked.values():
                self._venue.market_stream.unsubscribe(self.subscriber, [key])

    def hear(self, text: str) -> None:
        """Do what the listener says, and tell it so."""
        try:
            said = orjson.loads(text)
            method, number = said["method"], said.get("id")
            names = [str(one) for one in said.get("params") or []]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            self._tell({"error": {"code": 3, "msg": "Invalid JSON: expected a method with params"}, "id": None})
            return
        if method == "SUBSCRIBE":
            self.subscribe(names)
            self._tell({"result": None, "id": number})
        elif method == "UNSUBSCRIBE":
            self._unsubscribe(names)
            self._tell({"result": None, "id": number})
        elif method == "LIST_SUBSCRIPTIONS":
            self._tell({"result": list(self._asked), "id": number})
        else:
            self._tell({"error": {"code": 2, "msg": f"Invalid request: unknown method {method!r}"}, "id": number})

    def _tell(self, content: dict[str, Any]) -> None:
        self.subscriber.push(orjson.dumps(content))

    async def write(self, response: web.WebSocketResponse) -> None:
        """Send what the market stream brings until the connection ends."""
        try:
            while lines := await self.subscriber.lines():
                for line in lines:
                    await response.send_str(self._shaped(line).decode())
        except ConnectionError:
            pass  # the listener went away; the reader sees it too

    def _shaped(self, line: bytes) -> bytes:
        if not line.startswith(_EVENT):
            return line  # an answer to what it said
        stream, _, rest = line[len(_EVENT) :].partition(_DATA)
        if not self._combined:
            return rest[:-1]
        return _EVENT + self._names.get(stream, stream) + _DATA + rest
