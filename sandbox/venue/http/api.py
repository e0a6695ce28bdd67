"""The REST API over HTTP: who asks, how much, what faults do to the answer.

The order of things for a request: logged, let in (key, time, signature), charged, delayed, falsified or served.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from sandbox.venue.faults.cancels import cancel_faults
from sandbox.venue.faults.kinds import Fault
from sandbox.venue.http import connection
from sandbox.venue.refusal import Refused
from sandbox.venue.request_log import LoggedRequest
from sandbox.venue.rest.request import ApiRequest, parameters
from sandbox.venue.rest.route import Route
from sandbox.venue.venue import Venue

OK = 200
JSON = "application/json;charset=UTF-8"
HTML = b"<html><head><title>%d</title></head><body><center><h1>The sandbox is out of order</h1></center></body></html>"
SAID_5XX = {
    500: (-1000, "An unknown error occurred while processing the request."),
    503: (-1001, "Internal error; unable to process your request. Please try again."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}


@dataclass(slots=True)
class Arrived:
    """A request on its way through: as it came by HTTP, who answers it, what it asks for, and its line in the log."""

    http: web.BaseRequest
    route: Route
    asks: ApiRequest
    logged: LoggedRequest
    headers: dict[str, str]


class Api:
    """Serves the routes of one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._log = venue.request_log

    async def serve(self, http: web.BaseRequest, route: Route, path: str, query: str) -> web.StreamResponse:
        """Answer one request, as well as the faults let it be answered."""
        venue = self._venue
        logged = self._log.begin(http.method, path)
        body = (await http.read()).decode("utf-8", "replace") if http.body_exists else ""
        params = parameters(query, body)
        logged.symbol = params.get("symbol")
        headers: dict[str, str] = {"Content-Type": JSON}
        api_key = http.headers.get("X-MBX-APIKEY")
        owner = venue.authenticator.owner(api_key)
        if owner:
            logged.account, logged.key = owner[0].name, owner[1].name
        asks = ApiRequest(params, venue.exchange, countdowns=venue.countdowns)
        try:
            if route.signed:
                asks.signed_by = venue.authenticator.check(api_key, query, body, params)
            weight = route.weight
            if route.weight_without_symbol is not None and "symbol" not in params:
                weight = route.weight_without_symbol
            used, orders = venue.rate_limiter.charge(api_key or http.remote or "", weight, route.orders)
            headers["X-MBX-USED-WEIGHT-1M"] = str(used)
            if route.orders:
                headers["X-MBX-ORDER-COUNT-10S"] = str(orders)
        except Refused as refused:
            return self._refuse(logged, refused, headers)
        arrived = Arrived(http, route, asks, logged, headers)
        met = self._faults_met(arrived) if venue.faults else {}
        delay = venue.latency if route.signed else 0.0
        response = await self._serve_badly(arrived, met, delay) if delay or met else self._answer(arrived)
        if venue.faults.awaits_cancels and http.method == "DELETE" and logged.status == OK:
            venue.faults.cancel_answered(logged.account)
        return response

    def _faults_met(self, arrived: Arrived) -> dict[str, Fault]:
        route, logged = arrived.route, arrived.logged
        return self._venue.faults.meet(
            logged.method, logged.path, logged.account, family=route.family, places_orders=route.orders > 0
        )

    async def _serve_badly(self, arrived: Arrived, met: Mapping[str, Fault], delay: float) -> web.StreamResponse:
        arrived.asks.cancels = cancel_faults(met, self._venue.later)
        resets = self._venue.resets
        # The base latency is a round trip: half of it passes before the order reaches the book.
        await self._wait(arrived, met, delay / 2)
        if self._venue.resets != resets:
            # What was on its way before a reset must not change what comes after it.
            connection.hang_up(arrived.http)
            return self._raw(arrived.logged, 0, b"", {})
        response = await self._falsified(arrived, met)
        if response is None:
            response = self._answer(arrived)
        if delay:
            await asyncio.sleep(delay / 2)
        return response

    async def _wait(self, arrived: Arrived, met: Mapping[str, Fault], seconds: float) -> None:
        """Let the time pass that a request needs to take effect."""
        if fault := met.get("latency"):
            seconds += fault.params["seconds"]
        if seconds:
            await asyncio.sleep(seconds)
        if fault := met.get("hang"):
            await fault.ended.wait()
        if (fault := met.get("order_late")) and arrived.logged.account:
            await self._venue.faults.next_cancel(arrived.logged.account, fault.params["hold_seconds"])
            await asyncio.sleep(fault.params["seconds"])

    async def _falsified(self, arrived: Arrived, met: Mapping[str, Fault]) -> web.StreamResponse | None:
        """What a fault answers instead; None when none does."""
        logged = arrived.logged
        if fault := met.get("rate_limit"):
            wait, status = fault.params["retry_after"], fault.params["status"]
            return self._refuse(logged, Refused(-1003, "Too many requests.", status=status, retry_after=wait), {})
        for kind in ("error_5xx", "html", "reset"):
            if fault := met.get(kind):
                if fault.params["applied"]:
                    self._answer(arrived)
                if kind == "reset":
                    connection.reset(arrived.http)
                    return self._raw(logged, 0, b"", {})
                status = fault.params["status"]
                if kind == "html":
                    return self._raw(logged, status, HTML % status, {"Content-Type": "text/html"})
                code, message = SAID_5XX.get(status, SAID_5XX[500])
                return self._refuse(logged, Refused(code, message, status=status), {})
        if fault := met.get("accept_then_timeout"):
            self._answer(arrived)
            await _hold(arrived.http, fault.params["hold_seconds"])
            return self._raw(logged, 0, b"", {})
        return None

    def _answer(self, arrived: Arrived) -> web.StreamResponse:
        """Let the request take effect."""
        try:
            content: Any = arrived.route.handler(arrived.asks)
        except Refused as refused:
            return self._refuse(arrived.logged, refused, arrived.headers)
        return self._raw(arrived.logged, OK, orjson.dumps(content), arrived.headers)

    def _refuse(self, logged: LoggedRequest, refused: Refused, headers: dict[str, str]) -> web.StreamResponse:
        logged.code = refused.code
        if refused.retry_after is not None:
            headers["Retry-After"] = str(refused.retry_after)
        headers["Content-Type"] = JSON
        return self._raw(logged, refused.status, orjson.dumps({"code": refused.code, "msg": refused.message}), headers)

    def _raw(self, logged: LoggedRequest, status: int, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
        self._log.answered(logged, status)
        return web.Response(body=body, status=status or OK, headers=headers)


async def _hold(http: web.BaseRequest, seconds: float) -> None:
    """Say nothing until the client is gone or the time is over, then hang up."""
    deadline = time.monotonic() + seconds
    # aiohttp tells nobody that a client left while its request is being served; looking is all one can do.
    while time.monotonic() < deadline and http.transport and not http.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    connection.hang_up(http)
