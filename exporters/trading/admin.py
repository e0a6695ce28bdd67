"""What a person with the exporter's own token may ask for: ``POST`` of a JSON body that says who asks, and why."""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Final, TypeVar

from aiohttp import web
from pydantic import StringConstraints, ValidationError

from exporters.section import Name, Section

_MAX_BODY_BYTES: Final = 16_384

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
NameOrEmpty = Name | Annotated[str, StringConstraints(max_length=0)]


class Request(Section):
    """*reason* and *who* go to the log."""

    reason: Sentence
    who: Sentence


class RefusedError(Exception):
    """It cannot be done; *status* is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Asked = TypeVar("Asked", bound=Request)


def route(path: str, kind: type[Asked], act: Callable[[Asked], dict[str, Any]], token: str) -> web.RouteDef:
    """``POST`` *path* for who has *token*; *act* runs in a thread, one at a time, and may raise RefusedError."""
    expected = f"Bearer {token}".encode()
    worker = ThreadPoolExecutor(1, path)  # the state file is written there, not in the way of a scrape

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return web.json_response(
                {"error": "the token is missing or wrong"}, status=401, headers={"WWW-Authenticate": "Bearer"}
            )
        if (request.content_length or 0) > _MAX_BODY_BYTES:
            return web.json_response({"error": f"the body is above {_MAX_BODY_BYTES} bytes"}, status=413)
        try:
            asked = kind.model_validate_json(await request.read())
        except ValidationError as invalid:
            faults = invalid.errors(include_url=False, include_input=False, include_context=False)
            errors = [{"field": ".".join(map(str, each["loc"])), "error": each["msg"]} for each in faults]
            return web.json_response({"error": "the request cannot be read", "errors": errors}, status=422)
        try:
            done = await asyncio.get_running_loop().run_in_executor(worker, act, asked)
        except RefusedError as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        return web.json_response(done)

    return web.post(path, receive)
