"""Notices as one JSON line each, to standard output or error: the destination that needs nothing."""

import json
import sys
import threading
from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict

from webhook.errors import TemporaryError
from webhook.notifiers.filter import Filter
from webhook.notify.port import Notice


class Options(BaseModel):
    """``stream``: where the lines go."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    stream: Literal["stdout", "stderr"] = "stdout"


class ConsoleNotifier:
    """Writes each notice as one line."""

    def __init__(self, name: str, options: Options, accepts: Filter) -> None:
        self.name = name
        self._options = options
        self._filter = accepts
        self._lock = threading.Lock()

    def accepts(self, notice: Notice) -> bool:
        """Whether the configured filter wants it."""
        return self._filter.accepts(notice)

    def send(self, notice: Notice, timeout: float) -> None:  # noqa: ARG002 - the port
        """Write the line and flush; `TemporaryError` when the stream is closed or full."""
        line = json.dumps({"notice": asdict(notice)}, default=str, ensure_ascii=False)
        stream = sys.stdout if self._options.stream == "stdout" else sys.stderr
        try:
            with self._lock:
                stream.write(line + "\n")
                stream.flush()
        except (OSError, ValueError) as fault:
            raise TemporaryError(f"{self.name}: cannot write to {self._options.stream}", reason="stream") from fault

    def ping(self, timeout: float) -> None:  # noqa: ARG002 - the port
        """Say whether the stream is open."""
        stream = sys.stdout if self._options.stream == "stdout" else sys.stderr
        if stream is None or stream.closed:
            raise TemporaryError(f"{self.name}: {self._options.stream} is closed", reason="stream")

    def close(self) -> None:
        """Nothing to release: the stream belongs to the process."""


def build(*, name: str, options: Options, accepts: Filter) -> ConsoleNotifier:
    """Make the notifier; never raises."""
    return ConsoleNotifier(name, options, accepts)
