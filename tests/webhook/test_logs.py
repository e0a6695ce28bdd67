"""Logs: one JSON object a line, no secret in any of them, and never in the way."""

import io
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from webhook.telemetry import logs

SECRET = "s3cr3t-value-0123456789"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    logs.configure("debug", "json", out)
    yield out
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    structlog.configure(**before)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    logs.flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_time_level_and_place(stream: io.StringIO) -> None:
    structlog.get_logger("webhook.test").warning("something.happened", scope="global", count=3)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"], line["count"]) == (
        "something.happened",
        "warning",
        "webhook.test",
        3,
    )
    assert line["timestamp"].endswith("Z")


def test_what_libraries_log_is_json_too(stream: io.StringIO) -> None:
    logging.getLogger("somebody.else").error("went %s", "wrong")
    assert lines(stream)[0]["event"] == "went wrong"


@pytest.mark.parametrize(
    "fields",
    [
        {"token": SECRET},
        {"api_key": SECRET},
        {"Authorization": SECRET},
        {"error": f"401 for Bearer {SECRET}"},
        {"url": f"https://user:{SECRET}@host/path"},
        {"url": f"https://api.example/order?symbol=X&signature={SECRET}"},
        {"error": f"refused: apiKey: '{SECRET}'"},
        {"error": f'{{"secret": "{SECRET}"}}'},
        {"headers": {"Authorization": f"Bearer {SECRET}", "X": "y"}},
        {"items": [{"password": SECRET}]},
        {"url": f"https://hooks.slack.com/services/T0/B0/{SECRET}"},
    ],
)
def test_no_secret_gets_into_a_line(stream: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger("x").info("event", **fields)
    assert SECRET not in json.dumps(lines(stream))


def test_no_secret_gets_in_by_a_traceback(stream: io.StringIO) -> None:
    try:
        int(f"token={SECRET}")
    except ValueError:
        structlog.get_logger("x").exception("fault")
    (line,) = lines(stream)
    assert "Traceback" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_paths_of_secrets_are_no_secrets(stream: io.StringIO) -> None:
    structlog.get_logger("x").info("event", token_file="/run/secrets/token", alert="TradingDrawdownBreached")
    assert lines(stream)[0]["token_file"] == "/run/secrets/token"


def test_a_reader_that_stopped_reading_holds_nobody_up() -> None:
    reading, writing = os.pipe()
    out = os.fdopen(writing, "w")
    handler = logs._NeverBlocking(out)
    record = logging.LogRecord("x", logging.INFO, "", 0, "y" * 10_000, (), None)
    started = time.monotonic()
    for _ in range(25_000):
        handler.emit(record)
    assert time.monotonic() - started < 5
    assert handler._dropped > 0
    drained = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(reading, 1 << 20), b"")], daemon=True)
    drained.start()
    handler.drain(10)
    out.close()
    drained.join(5)
    os.close(reading)
