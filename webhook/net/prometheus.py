"""Prometheus itself, asked which alerts fire now: the judge of replays and resumes, and the eye behind Alertmanager."""

from webhook.errors import TemporaryError
from webhook.intake import prometheus
from webhook.intake.alert import Batch, IntakeError
from webhook.net.http import Outbound


class PrometheusAlerts:
    """Reads ``GET /api/v1/alerts``; thread-safe."""

    def __init__(self, url: str, timeout: float) -> None:
        """*url* is Prometheus' base URL; *timeout*, in seconds, bounds the whole answer."""
        self._url = f"{url.rstrip('/')}/api/v1/alerts"
        self._timeout = timeout
        self._client = Outbound("prometheus", max_answer_bytes=32 << 20)

    def firing(self) -> Batch:
        """Everything that fires at this moment; raises `TemporaryError` when that cannot be known."""
        answer = self._client.request("GET", self._url, timeout=self._timeout)
        if answer.status != 200:
            raise TemporaryError(f"Prometheus answered {answer.status}", reason="prometheus")
        try:
            return prometheus.parse(answer.body)
        except IntakeError as error:
            raise TemporaryError(f"Prometheus' answer cannot be read: {error}", reason="prometheus") from error

    def close(self) -> None:
        """Release connections."""
        self._client.close()
