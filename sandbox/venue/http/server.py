"""One small dispatcher over aiohttp's low-level server: a venue must not be the bottleneck of a test."""

import hmac
from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from sandbox.venue.http import ndjson, websocket
from sandbox.venue.http.admin import commands
from sandbox.venue.http.admin.refused import AdminError
from sandbox.venue.http.api import Api
from sandbox.venue.http.metrics import exposition
from sandbox.venue.rest.request import parameters
from sandbox.venue.rest.routes import ROUTES
from sandbox.venue.venue import Venue


class Server:
    """Answers HTTP for one venue."""

    def __init__(self, venue: Venue, *, admin_token: str | None = None) -> None:
        self._venue = venue
        self._api = Api(venue)
        self._admin_token = admin_token

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        route = ROUTES.get((request.method, path))
        if route is not None:
            return await self._api.serve(request, route, path, query)
        if path.startswith("/admin/"):
            return await self._administer(request, path, query)
        if ndjson.serves(path):
            return await ndjson.serve(self._venue, request, query)
        if websocket.serves(path):
            return await websocket.serve(self._venue, request, path, query)
        return self._about_itself(request, path)

    def _about_itself(self, request: web.BaseRequest, path: str) -> web.Response:
        if path == "/healthz":
            return self._health()
        if path == "/metrics":
            return web.Response(body=exposition(self._venue), headers={"Content-Type": "text/plain; version=0.0.4"})
        self._venue.request_log.count("other", request.method, "", 404)
        return _json({"code": -5000, "msg": f"Path {path}, Method {request.method} is invalid"}, 404)

    def _health(self) -> web.Response:
        dead, replay = self._venue.failed(), self._venue.replay
        shown = {
            "ok": dead is None,
            "market": "moving" if dead is None else repr(dead),
            "replays": replay.head.symbol if replay else None,
        }
        return _json(shown, 503 if dead else 200)

    async def _administer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        refused = self._may_not_administer(request)
        if refused:
            return _json({"error": refused}, 403)
        body = await request.read() if request.body_exists else b""
        try:
            content = orjson.loads(body) if body.strip() else {}
            if not isinstance(content, dict):
                return _json({"error": "the body must be a JSON object"}, 400)
            return _json(*commands.answer(self._venue, request.method, path, parameters(query, ""), content))
        except orjson.JSONDecodeError as error:
            return _json({"error": f"the body is not JSON: {error}"}, 400)
        except AdminError as error:
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
