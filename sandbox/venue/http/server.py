"""The wire: one small dispatcher over aiohttp's low-level server, because a venue must not be the bottleneck of a test.

The order of things for a request: logged, let in (key, time, signature), charged, delayed, falsified or served.
"""

import asyncio
import hmac
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from sandbox.venue.http import admin
from sandbox.venue.http import ndjson as feed
from sandbox.venue.http import websocket
from sandbox.venue.http import connection as wire
from sandbox.venue.rest.request import Call, CancelFaults, Route
from sandbox.venue.rest.signature import parameters
from sandbox.venue.faults.faults import Fault
from sandbox.venue.http.metrics import exposition
from sandbox.venue.refusal import Refused
from sandbox.venue.venue import ROUTES, Asked, Venue

JSON = "application/json;charset=UTF-8"
HTML = b"<html><head><title>%d</title></head><body><center><h1>The sandbox is out of order</h1></center></body></html>"
SAID_5XX = {
    500: (-1000, "An unknown error occurred while processing the request."),
    503: (-1001, "Internal error; unable to process your request. Please try again."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}


class Server:
    """Answers HTTP for one venue."""

    def __init__(self, venue: Venue, *, admin_token: str | None = None) -> None:
        self._venue = venue
        self._admin_token = admin_token

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        route = ROUTES.get((request.method, path))
        if route is not None:
            return await self._serve(request, route, path, query)
        if path.startswith("/admin/"):
            return await self._administer(request, path, query)
        if path == "/healthz":
            dead = self._venue.failed()
            return _json({"ok": dead is None, "market": "moving" if dead is None else repr(dead)}, 503 if dead else 200)
        if path == "/metrics":
            return web.Response(body=exposition(self._venue), headers={"Content-Type": "text/plain; version=0.0.4"})
        if feed.serves(path) or websocket.serves(path):
            return await self._stream(request, path, query)
        self._count("other", request.method, "", 404)
        return _json({"code": -5000, "msg": f"Path {path}, Method {request.method} is invalid"}, 404)

    async def _stream(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        if feed.serves(path):
            return await feed.serve(self._venue, request, query)
        return await websocket.serve(self._venue, request, path, query)

    async def _serve(self, request: web.BaseRequest, route: Route, path: str, query: str) -> web.StreamResponse:
        venue = self._venue
        method = request.method
        asked = Asked(next(venue.numbers), time.monotonic(), time.time(), method, path)
        venue.asked.append(asked)
        body = (await request.read()).decode("utf-8", "replace") if request.body_exists else ""
        params = parameters(query, body)
        asked.symbol = params.get("symbol")
        headers: dict[str, str] = {"Content-Type": JSON}
        api_key = request.headers.get("X-MBX-APIKEY")
        owner = venue.door.owner(api_key)
        if owner:
            asked.account, asked.key = owner[0].name, owner[1].name
        try:
            call = Call(params, venue.exchange, countdown=venue.count_down)
            if route.signed:
                call.signed_by = venue.door.check(api_key, query, body, params)
            weight = route.weight
            if route.weight_without_symbol is not None and "symbol" not in params:
                weight = route.weight_without_symbol
            used, orders = venue.limiter.charge(api_key or request.remote or "", weight, route.orders)
            headers["X-MBX-USED-WEIGHT-1M"] = str(used)
            if route.orders:
                headers["X-MBX-ORDER-COUNT-10S"] = str(orders)
        except Refused as refused:
            return self._refuse(asked, refused, headers)
        met = venue.faults.meet(method, path, asked.account) if venue.faults else {}
        delay = venue.latency if route.signed else 0.0
        if delay or met:
            return await self._serve_badly(request, route, call, asked, headers, met, delay)
        return self._answer(route, call, asked, headers)

    async def _serve_badly(
        self,
        request: web.BaseRequest,
        route: Route,
        call: Call,
        asked: Asked,
        headers: dict[str, str],
        met: Mapping[str, Fault],
        delay: float,
    ) -> web.StreamResponse:
        late, partial = met.get("cancel_late"), met.get("cancel_partial")
        call.cancels = CancelFaults(
            late=late.params["seconds"] if late else None,
            missing_count=partial.params["n"] if partial else 0,
            missing_ratio=partial.params["ratio"] if partial else 0.0,
            later=self._venue.later,
        )
        extra = met["latency"].params["seconds"] if "latency" in met else 0.0
        # The base latency is a round trip: half of it passes before the order reaches the book.
        if delay / 2 + extra:
            await asyncio.sleep(delay / 2 + extra)
        response = await self._falsified(request, route, call, asked, met)
        if response is None:
            response = self._answer(route, call, asked, headers)
        if delay:
            await asyncio.sleep(delay / 2)
        return response

    async def _falsified(
        self, request: web.BaseRequest, route: Route, call: Call, asked: Asked, met: Mapping[str, Fault]
    ) -> web.StreamResponse | None:
        if fault := met.get("rate_limit"):
            wait, status = fault.params["retry_after"], fault.params["status"]
            return self._refuse(asked, Refused(-1003, "Too many requests.", status=status, retry_after=wait), {})
        for kind in ("error_5xx", "html", "reset"):
            if fault := met.get(kind):
                if fault.params["applied"]:
                    self._answer(route, call, asked, {})
                if kind == "reset":
                    wire.reset(request)
                    return self._raw(asked, 0, b"", {})
                status = fault.params["status"]
                if kind == "html":
                    return self._raw(asked, status, HTML % status, {"Content-Type": "text/html"})
                code, message = SAID_5XX.get(status, SAID_5XX[500])
                return self._refuse(asked, Refused(code, message, status=status), {})
        if fault := met.get("accept_then_timeout"):
            self._answer(route, call, asked, {})
            await _hold(request, fault.params["hold_seconds"])
            return self._raw(asked, 0, b"", {})
        return None

    def _answer(self, route: Route, call: Call, asked: Asked, headers: dict[str, str]) -> web.StreamResponse:
        try:
            content = route.handler(call)
        except Refused as refused:
            return self._refuse(asked, refused, headers)
        return self._raw(asked, 200, orjson.dumps(content), headers)

    def _refuse(self, asked: Asked, refused: Refused, headers: dict[str, str]) -> web.StreamResponse:
        asked.code = refused.code
        if refused.retry_after is not None:
            headers["Retry-After"] = str(refused.retry_after)
        headers["Content-Type"] = JSON
        return self._raw(asked, refused.status, orjson.dumps({"code": refused.code, "msg": refused.message}), headers)

    def _raw(self, asked: Asked, status: int, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
        asked.status = status
        self._count(asked.path, asked.method, asked.account or "", status)
        return web.Response(body=body, status=status or 200, headers=headers)

    def _count(self, path: str, method: str, account: str, status: int) -> None:
        requests = self._venue.requests
        key = path, method, account, status
        requests[key] = requests.get(key, 0) + 1

    async def _administer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        refused = self._may_not_administer(request)
        if refused:
            return _json({"error": refused}, 403)
        body = await request.read() if request.body_exists else b""
        try:
            content = orjson.loads(body) if body.strip() else {}
            if not isinstance(content, dict):
                return _json({"error": "the body must be a JSON object"}, 400)
            return _json(*admin.answer(self._venue, request.method, path, parameters(query, ""), content))
        except orjson.JSONDecodeError as error:
            return _json({"error": f"the body is not JSON: {error}"}, 400)
        except admin.AdminError as error:
            return _json({"error": str(error)}, error.status)

    def _may_not_administer(self, request: web.BaseRequest) -> str | None:
        if "Origin" in request.headers:
            return "not from a browser"
        if self._admin_token is not None:
            given = request.headers.get("Authorization", "")
            if hmac.compare_digest(given.encode(), f"Bearer {self._admin_token}".encode()):
                return None
            return "the admin token is needed: Authorization: Bearer ..."
        try:
            local = ip_address(request.remote or "").is_loopback
        except ValueError:
            local = False
        return None if local else "only from this machine (or start the venue with --admin-token-file)"


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, headers={"Content-Type": "application/json"})


async def _hold(request: web.BaseRequest, seconds: float) -> None:
    """Say nothing until the client is gone or the time is over, then hang up."""
    deadline = time.monotonic() + seconds
    # aiohttp tells nobody that a client left while its request is being served; looking is all one can do.
    while time.monotonic() < deadline and request.transport and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    wire.hang_up(request)
