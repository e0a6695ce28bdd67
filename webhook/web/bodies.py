"""Reading what callers send, within bounds, before anything else looks at it."""

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict
from werkzeug.exceptions import RequestEntityTooLarge

from webhook.intake.body import clean
from webhook.web.errors import Problem

SMALL = 64 * 1024
"""Most bytes of a request by a person."""

Body = TypeVar("Body", bound="Asked")


class Asked(BaseModel):
    """A request body: frozen, strict, and a mistyped field is told instead of passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def read_raw(limit: int) -> bytes:
    """The whole JSON body, at most *limit* bytes; raises `Problem` (413 ``too_large``, 415, 400 ``disconnected``)."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(415, "content_encoding", "send the body as it is, without Content-Encoding")
    if request.mimetype != "application/json":
        raise Problem(415, "content_type", "send Content-Type: application/json")
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    # One more than allowed: a body without an announced length is otherwise cut at the limit without a word.
    request.max_content_length = limit + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def read(kind: type[Body]) -> Body:
    """The body as *kind*; raises `pydantic.ValidationError` or `Problem`."""
    return kind.model_validate_json(read_raw(SMALL))


def text(value: str) -> str:
    """*value* as every store can hold it, without surrounding blanks."""
    return clean(value).strip()


def whole_number(name: str, default: int, least: int, most: int) -> int:
    """A query parameter; raises `Problem` 422 when it is not a number within bounds."""
    given = request.args.get(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 18 or not least <= int(given) <= most:
        raise Problem(422, "invalid", f"{name}: a whole number from {least} to {most}")
    return int(given)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"the body is larger than {limit} bytes")
