"""Prometheus itself, asked which alerts fire now: for a kill that nobody delivered, and before a resume."""

import time
from typing import Protocol

from webhook.errors import TemporaryError
from webhook.intake import prometheus
from webhook.intake.alert import Batch, IntakeError
from webhook.net.http import Outbound

FRESH_SECONDS = 10.0


class FiringAlerts(Protocol):
    """Where alerts that fire now can be asked for: Prometheus itself, not what was delivered."""

    def firing(self) -> Batch:
        """Everything that fires at this moment; raises `AndonError` when it cannot be known."""

    def latest(self) -> Batch | None:
        """The last answer, when it is young; never blocks."""


class PrometheusAlerts:
    """Reads ``GET /api/v1/alerts``; thread-safe."""

    def __init__(self, url: str, timeout: float) -> None:
        """*url* is Prometheus' base URL; *timeout*, in seconds, bounds the whole answer."""
        self._url = f"{url.rstrip('/')}/api/v1/alerts"
        self._timeout = timeout
        self._client = Outbound("prometheus", max_answer_bytes=32 << 20)
        self._latest: tuple[float, Batch] | None = None

    def firing(self) -> Batch:
        """Everything that fires at this moment; raises `TemporaryError` when that cannot be known."""
        asked_at = time.monotonic()
        answer = self._client.request("GET", self._url, timeout=self._timeout)
        if answer.status != 200:
            raise TemporaryError(f"Prometheus answered {answer.status}", reason="prometheus")
        try:
            batch = prometheus.parse(answer.body)
        except IntakeError as error:
            raise TemporaryError(f"Prometheus' answer cannot be read: {error}", reason="prometheus") from error
        self._latest = (asked_at, batch)
        return batch

    def latest(self) -> Batch | None:
        """The last answer, when it is at most `FRESH_SECONDS` old."""
        latest = self._latest
        return latest[1] if latest is not None and time.monotonic() - latest[0] < FRESH_SECONDS else None

    def close(self) -> None:
        """Release connections."""
        self._client.close()
