"""What both parsers need: JSON that cannot hurt, text that every store can hold, and RFC 3339 times."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook.intake.alert import IntakeError, Limits


class FieldError(ValueError):
    """One field cannot be read; the message names it and what would be right, and holds no value of it."""


def read_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object; raises `IntakeError`, whatever the bytes are."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IntakeError("not_utf8", f"the body must be JSON in UTF-8; byte {error.start} is not") from error
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise IntakeError("too_deep", "the body is nested too deeply for an alert payload") from error
    except ValueError as error:  # also a number with thousands of digits
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise IntakeError("not_json", f"the body must be one JSON object; it cannot be read{where}") from error
    if not isinstance(document, dict):
        raise IntakeError("not_object", f"the body must be one JSON object, not {kind_of(document)}")
    return document


def kind_of(value: object) -> str:
    """What a JSON value is, in JSON's words."""
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),
        (str, "a string"),
        (dict, "an object"),
        (list, "an array"),
    )
    if value is None:
        return "null"
    return next((name for kind, name in names if isinstance(value, kind)), "a number")


def clean(text: str) -> str:
    """Replace what UTF-8 or a database cannot hold (lone surrogates, NUL) by U+FFFD, instead of losing the alert."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_labels(value: object, path: str, limits: Limits) -> dict[str, str]:
    """Read ``labels``; an empty value is the same as no label, as in Prometheus.  Raises `FieldError`."""
    labels: dict[str, str] = {}
    for name, text in _pairs(value, path, limits):
        if len(text) > limits.max_value_length:
            raise FieldError(f"{path}.{name} is longer than {limits.max_value_length} characters")
        if text:
            labels[name] = text
    if not labels.get("alertname"):
        raise FieldError(f"{path}.alertname is missing: every alert of a rule has it")
    return labels


def read_annotations(value: object, path: str, limits: Limits) -> dict[str, str]:
    """Read ``annotations``; absent is none, and a long one is cut.  Raises `FieldError`."""
    if value is None:
        return {}
    most = limits.max_annotation_length
    return {name: text if len(text) <= most else text[:most] + "…" for name, text in _pairs(value, path, limits)}


def _pairs(value: object, path: str, limits: Limits) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise FieldError(f"{path} must be an object of strings, not {kind_of(value)}")
    if len(value) > limits.max_labels:
        raise FieldError(f"{path} has {len(value)} entries; at most {limits.max_labels} are read")
    pairs = []
    for raw, text in value.items():
        name = clean(raw)
        if not name or len(name) > limits.max_name_length:
            raise FieldError(f"{path} has a name that is empty or longer than {limits.max_name_length} characters")
        if not isinstance(text, str):
            raise FieldError(f"{path}.{name} must be a string, not {kind_of(text)}")
        pairs.append((name, clean(text)))
    return pairs


_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,12}))?"
    r"(?P<zone>[Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_ZERO_TIME = datetime(1, 1, 3, tzinfo=UTC)  # Go's zero time, in whatever offset it was printed


def read_time(value: object, path: str) -> datetime | None:
    """Read an RFC 3339 time to UTC, cut (not rounded) to microseconds.

    None for an absent value and for Go's zero time (year 0001), which means "not set"; raises `FieldError`.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise FieldError(f"{path} must be a time like 2026-11-22T10:00:00.123Z, not {kind_of(value)}")
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise FieldError(f"{path} must be a time like 2026-11-22T10:00:00.123Z")
    fraction = (match["fraction"] or "").ljust(6, "0")[:6]
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}.{fraction}").replace(tzinfo=UTC)
        moment -= _offset(match["zone"])
    except OverflowError as error:
        if value.startswith("0001-"):
            return None
        raise FieldError(f"{path} is not a time that can be kept") from error
    except ValueError as error:
        raise FieldError(f"{path} is not a time that exists") from error
    return None if moment < _ZERO_TIME else moment


def _offset(zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
