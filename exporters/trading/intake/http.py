"""``POST /api/v1/events``: lines by HTTP."""

import asyncio
import hmac
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from exporters.trading.intake.intake import Intake


def route(intake: Intake, token: str | None) -> web.RouteDef:
    """For who has *token*; ``None``: for anyone."""
    expected = None if token is None else f"Bearer {token}".encode()
    worker = ThreadPoolExecutor(1, "intake")  # one: what was sent first is applied first

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if expected is not None and not hmac.compare_digest(given, expected):
            return web.json_response(
                {"error": "the token is missing or wrong"}, status=401, headers={"WWW-Authenticate": "Bearer"}
            )
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"error": "the body is above the limit: send fewer events at once"}, status=413)
        receipt = await asyncio.get_running_loop().run_in_executor(worker, intake.feed, body.split(b"\n"), "http")
        return web.json_response(
            {
                "accepted": receipt.accepted,
                "duplicates": receipt.duplicates,
                "malformed": receipt.malformed,
                "errors": [{"line": line, "error": fault} for line, fault in receipt.errors],
            },
            status=202,
        )

    return web.post("/api/v1/events", receive)
