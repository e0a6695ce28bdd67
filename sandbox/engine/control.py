"""The control API: what a person, or Andon, uses to stop the engine; and to break it, for drills.

All paths but /healthz and /metrics want the bearer token.  A stop is answered when it is true, not before.
"""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable
from json import JSONDecodeError
from typing import Any

import orjson
from aiohttp import web

from sandbox.engine.clock import rfc3339
from sandbox.engine.delivery import Delivery
from sandbox.engine.engine import Engine, Filter
from sandbox.engine.events import plain
from sandbox.engine.faults import FaultError, FaultKind, FaultRequest
from sandbox.engine.gate import TradingState
from sandbox.engine.parameters import ParameterError, described
from sandbox.engine.trader import Trader

OPEN_PATHS = {"/healthz", "/metrics"}
NEVER_HANGING = {"/healthz", "/metrics", "/faults"}
MAXIMUM_BODY = 64 * 1024
_FILTERS = ("strategy", "account", "symbol", "venue")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RefusedError(Exception):
    """A request that is wrong: answered with *status* and the field that is to blame."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


def application(engine: Engine, delivery: Delivery, token: str) -> web.Application:
    """Build the control API of *engine*; *token* is what callers must bear."""
    control = _Control(engine, delivery)
    app = web.Application(
        middlewares=[_answers_faults, _authorises(token), _hangs(engine)], client_max_size=MAXIMUM_BODY
    )
    app.add_routes(
        [
            web.get("/healthz", control.healthz),
            web.get("/metrics", control.metrics),
            web.get("/status", control.status),
            web.post("/control/pause", control.pause),
            web.post("/control/resume", control.resume),
            web.post("/control/reduce-only", control.reduce_only),
            web.post("/control/parameters", control.parameters),
            web.get("/faults", control.list_faults),
            web.post("/faults", control.start_fault),
            web.delete("/faults", control.clear_faults),
        ]
    )
    return app


@web.middleware
async def _answers_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as refused:
        body = {"error": str(refused)} | ({"field": refused.field} if refused.field else {})
        return _json(body, refused.status)
    except web.HTTPException as error:
        return _json({"error": error.reason}, error.status)


def _authorises(token: str) -> Any:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def authorise(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if request.path not in OPEN_PATHS and not hmac.compare_digest(given, expected):
            raise RefusedError(401, "a bearer token is needed, and this is not the right one")
        return await handler(request)

    return authorise


def _hangs(engine: Engine) -> Any:
    @web.middleware
    async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
        if engine.hanging and request.path not in NEVER_HANGING:
            await asyncio.Event().wait()
        return await handler(request)

    return hang


class _Control:
    def __init__(self, engine: Engine, delivery: Delivery) -> None:
        self._engine = engine
        self._delivery = delivery

    async def healthz(self, _: web.Request) -> web.Response:
        return _json({"status": "ok", "engine": self._engine.name, "session": self._engine.session})

    async def status(self, request: web.Request) -> web.Response:
        wanted = _filter({name: request.query.get(name) for name in _FILTERS})
        return _json(
            {
                "engine": self._engine.name,
                "session": self._engine.session,
                "started_at": rfc3339(self._engine.started_at),
                "pid": os.getpid(),
                "state": self._engine.state.value,
                "state_stored": self._engine.state_stored,
                "strategies": {
                    name: _described(trader) for name, trader in self._engine.traders.items() if wanted.matches(trader)
                },
            }
        )

    async def pause(self, request: web.Request) -> web.Response:
        return await self._set_state(request, TradingState.PAUSED)

    async def reduce_only(self, request: web.Request) -> web.Response:
        return await self._set_state(request, TradingState.REDUCE_ONLY)

    async def resume(self, request: web.Request) -> web.Response:
        return await self._set_state(request, TradingState.RUNNING)

    async def _set_state(self, request: web.Request, state: TradingState) -> web.Response:
        body = await _body(request)
        # A word we do not know makes a stop wider than meant, which is safe; a resume it must not make wider.
        known = {*_FILTERS, "reason", "cancel"}
        unknown = sorted(set(body) - known)
        if unknown and state is TradingState.RUNNING:
            raise RefusedError(400, f"is not known here; known are {', '.join(sorted(known))}", unknown[0])
        cancel = body.get("cancel", False)
        if not isinstance(cancel, bool):
            raise RefusedError(400, "must be true or false", "cancel")
        meant = await self._engine.set_state(_filter(body), state, cancel=cancel)
        return _json(
            {
                "strategies": {trader.name: {"state": trader.gate.state.value} for trader in meant},
                "matched": len(meant),
                "stored": self._engine.state_stored,
            }
        )

    async def parameters(self, request: web.Request) -> web.Response:
        body = await _body(request)
        trader = self._engine.traders.get(str(body.get("strategy")))
        if trader is None:
            raise RefusedError(404, f"must be one of {', '.join(self._engine.traders)}", "strategy")
        changes = body.get("parameters")
        if not isinstance(changes, dict) or not changes:
            raise RefusedError(400, "must be an object of at least one parameter", "parameters")
        try:
            trader.strategy.adjust(changes)
        except ParameterError as error:
            raise RefusedError(422, error.message, f"parameters.{error.field}") from error
        return _json({"strategy": trader.name, "parameters": described(trader.strategy.parameters)})

    async def list_faults(self, _: web.Request) -> web.Response:
        return _json({"faults": [fault.described() for fault in self._engine.faults]})

    async def start_fault(self, request: web.Request) -> web.Response:
        try:
            wanted = FaultRequest.read(await _body(request), tuple(self._engine.traders))
        except FaultError as error:
            raise RefusedError(422, error.message, error.field) from error
        return _json(self._engine.start_fault(wanted).described(), 201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Take out all faults, or those of ``?kind=`` and ``?strategy=``."""
        kind, strategy = request.query.get("kind"), request.query.get("strategy")
        if kind is not None and kind not in set(FaultKind):
            raise RefusedError(422, f"must be one of {', '.join(FaultKind)}", "kind")
        cleared = self._engine.clear_faults(
            lambda fault: kind in {None, fault.request.kind.value} and strategy in {None, fault.request.strategy}
        )
        return _json({"cleared": [fault.described() for fault in cleared]})

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=_metrics(self._engine, self._delivery), content_type="text/plain", charset="utf-8")


def _described(trader: Trader) -> dict[str, Any]:
    reading = trader.reading
    return {
        "state": trader.gate.state.value,
        "venue": trader.venue,
        "account": trader.assignment.account,
        "symbol": trader.assignment.symbol,
        "position": plain(trader.position) if reading is not None else None,
        "open_orders": len(trader.working()),
        "equity": plain(reading.margin_balance) if reading is not None else None,
        "parameters": described(trader.strategy.parameters),
    }


def _metrics(engine: Engine, delivery: Delivery) -> str:
    """Write the engine's own few series; what it trades is told by events, not here."""
    traders = engine.traders.values()
    per_strategy: list[tuple[str, str, str, Callable[[Trader], int]]] = [
        ("orders_sent_total", "counter", "Orders sent to the venue.", lambda one: one.order_entry.sent),
        ("orders_rejected_total", "counter", "Orders that the venue refused.", lambda one: one.order_entry.rejected),
        ("orders_cancelled_total", "counter", "Orders that ended unfilled.", lambda one: one.order_entry.cancelled),
        ("fills_total", "counter", "Executions.", lambda one: one.order_entry.fills),
        ("orders_open", "gauge", "Orders that may still trade.", lambda one: len(one.working())),
    ]
    whole: list[tuple[str, str, str, int]] = [
        ("venue_requests_total", "counter", "Requests sent to the venue.", engine.requests),
        ("events_total", "counter", "Trading events told.", engine.events.emitted),
        ("events_delivered_total", "counter", "Trading events that the exporter took.", delivery.delivered),
        ("events_dropped_total", "counter", "Trading events dropped because nobody took them.", engine.events.dropped),
        ("events_waiting", "gauge", "Trading events not yet delivered.", len(engine.events)),
        ("event_delivery_failures_total", "counter", "Failed deliveries; each is tried again.", delivery.failures),
        ("faults_on", "gauge", "Faults that were put in by command.", len(engine.faults)),
    ]
    lines: list[str] = []
    for name, kind, meaning, value in per_strategy:
        lines += [f"# HELP sandbox_engine_{name} {meaning}", f"# TYPE sandbox_engine_{name} {kind}"]
        lines += [f'sandbox_engine_{name}{{strategy="{one.name}"}} {value(one)}' for one in traders]
    for name, kind, meaning, number in whole:
        lines += [f"# HELP sandbox_engine_{name} {meaning}", f"# TYPE sandbox_engine_{name} {kind}"]
        lines.append(f"sandbox_engine_{name} {number}")
    lines += [
        "# HELP sandbox_engine_strategy_state Whether the strategy is in the state.",
        "# TYPE sandbox_engine_strategy_state gauge",
    ]
    lines += [
        f'sandbox_engine_strategy_state{{strategy="{one.name}",state="{state}"}} {int(one.gate.state is state)}'
        for one in traders
        for state in TradingState
    ]
    return "\n".join(lines) + "\n"


def _filter(raw: dict[str, Any]) -> Filter:
    for name in _FILTERS:
        if raw.get(name) is not None and not isinstance(raw[name], str):
            raise RefusedError(400, "must be a string or null", name)
    # An empty string is how a template writes "no constraint".
    return Filter(**{name: raw.get(name) or None for name in _FILTERS})


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except JSONDecodeError:
        raise RefusedError(400, "the body is not JSON", "body") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "the body must be a JSON object", "body")
    return body


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
