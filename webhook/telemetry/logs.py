"""Logs for machines, on standard output, with secrets taken out, and never in the way of a kill.

Everything goes through one bounded queue to one thread that writes: when whoever reads our output stops reading, lines
are dropped and counted, and no cancel waits for a full pipe.  What must not be lost is in the journal.
"""

import logging
import queue
import re
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

_MASK = "[redacted]"
_SECRET_NAME = re.compile(
    r"token|secret|passw|authorization|api_?key|signature|routing_?key|cookie|credential", re.IGNORECASE
)
_NOT_SECRET = re.compile(r"_file$|_sha256$|^idempotency", re.IGNORECASE)
_SECRET_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 " + _MASK),
    (
        re.compile(
            r"(?i)\b((?:api_?key|secret|signature|token|passw(?:or)?d|routing_key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}]+"
        ),
        r"\1" + _MASK,
    ),
    (re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@"), r"\1:" + _MASK + "@"),
    (re.compile(r"(https://hooks\.slack\.com/)\S+"), r"\1" + _MASK),
)
_QUEUE_LINES = 20_000


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask values under names that mean a secret, and what looks like one inside any text."""
    for name, value in list(event.items()):
        event[name] = _MASK if _is_secret(name, value) else _clean(value)
    return event


def redact_text(text: str) -> str:
    """*text* without what looks like a bearer token, a key, a signature or a password in a URL."""
    for pattern, mask in _SECRET_TEXT:
        text = pattern.sub(mask, text)
    return text


def configure(level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Send our own and every library's logging to *stream* (standard output); call again after a fork."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = (
        [structlog.processors.JSONRenderer(default=str)]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            *last,
        ],
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, _NeverBlocking):
            root.removeHandler(old)
            old.close()
    handler = _NeverBlocking(stream or sys.stdout)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Their lines at INFO name every request; the metrics count them already.
    for noisy in ("urllib3", "werkzeug", "ccxt", "apprise", "sqlalchemy", "alembic", "markdown"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def flush(timeout: float = 2.0) -> None:
    """Wait until what was logged so far is written, at most *timeout* seconds."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _NeverBlocking):
            handler.drain(timeout)


class _NeverBlocking(logging.Handler):
    """Formats in the caller's thread, writes in its own, and drops what does not fit."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(_QUEUE_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - a log line must not break what it tells of
            self.handleError(record)

    def drain(self, timeout: float) -> None:
        """Wait until the lines up to now are out."""
        written = threading.Event()
        try:
            self._lines.put(written, timeout=timeout)
        except queue.Full:
            return
        written.wait(timeout)

    def close(self) -> None:
        self.drain(1.0)
        super().close()

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            dropped, self._dropped = self._dropped, 0
            try:
                if dropped:
                    self._stream.write(
                        f'{{"event": "log lines were dropped", "count": {dropped}, "level": "warning"}}\n'
                    )
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._dropped += 1 + dropped


def _is_secret(name: str, value: object) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name) and isinstance(value, str | bytes)


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if depth > 4:
        return value
    if isinstance(value, dict):
        return {key: _MASK if _is_secret(str(key), inner) else _clean(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner, depth + 1) for inner in value]
    return value
