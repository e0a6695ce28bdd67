"""PagerDuty by its Events API v2: a trip triggers an incident, a resume resolves it; ``dedup_key`` keeps it one."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from webhook.errors import PermanentError, TemporaryError
from webhook.net import secret
from webhook.net.http import Outbound
from webhook.notifiers.filter import SEVERITIES, Filter
from webhook.notify.port import Notice

_SUMMARY_LIMIT = 1024
_DEDUP_LIMIT = 255


class Options(BaseModel):
    """``routing_key_file``: holds the integration key of a PagerDuty service.

    ``url``: only to send elsewhere, e.g. in a drill.  ``source``: what the incident shows as its origin.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    routing_key_file: Annotated[Path, Field(strict=False)]
    url: Annotated[str, Field(pattern=r"^https?://")] = "https://events.pagerduty.com/v2/enqueue"
    source: str = "andon"


class PagerDutyNotifier:
    """Sends each notice as one event."""

    def __init__(self, name: str, options: Options, accepts: Filter) -> None:
        self.name = name
        self._options = options
        self._filter = accepts
        self._routing_key = secret.read(options.routing_key_file, "routing_key_file")
        self._outbound = Outbound(name, secrets=[self._routing_key])

    def accepts(self, notice: Notice) -> bool:
        """Whether the configured filter wants it."""
        return self._filter.accepts(notice)

    def send(self, notice: Notice, timeout: float) -> None:
        """Deliver; 202 is success, 429 and 5xx are temporary, any other answer is permanent (PagerDuty's own rule)."""
        answer = self._outbound.request("POST", self._options.url, timeout=timeout, body=self._event(notice))
        if 200 <= answer.status < 300:
            return
        message = f"{self.name}: PagerDuty answered {answer.status}: {self._outbound.excerpt(answer)}"
        if answer.status == 429:
            raise TemporaryError(message, reason="rate_limited", retry_after=answer.retry_after)
        if answer.status >= 500 or answer.status == 408:
            raise TemporaryError(message, reason="server_error", retry_after=answer.retry_after)
        raise PermanentError(message, reason="refused")

    def ping(self, timeout: float) -> None:
        """Reach the host and disturb nobody: an event without a routing key is refused, which shows that it listens."""
        answer = self._outbound.request("POST", self._options.url, timeout=timeout, body={})
        if answer.status >= 500:
            raise TemporaryError(f"{self.name}: PagerDuty answered {answer.status}", reason="server_error")

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._outbound.close()

    def _event(self, notice: Notice) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": "resolve" if notice.resolves else "trigger",
            "dedup_key": notice.key[:_DEDUP_LIMIT],
            "payload": {
                "summary": notice.headline[:_SUMMARY_LIMIT],
                "source": self._options.source,
                "severity": notice.severity if notice.severity in SEVERITIES else "critical",
                "timestamp": notice.at,
                "class": notice.kind.value,
                "component": "andon",
                "custom_details": {name: _plain(value) for name, value in notice.facts.items()},
            },
        }
        links = [
            {"href": href, "text": text}
            for href, text in ((notice.runbook_url, "Runbook"), (notice.link, "Details"))
            if href
        ]
        if links:
            event["links"] = links
        if notice.link:
            event["client"], event["client_url"] = "Andon", notice.link
        return event


def _plain(value: Any) -> Any:
    """What JSON can carry; numbers of money arrive as Decimal and are sent as text."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def build(*, name: str, options: Options, accepts: Filter) -> PagerDutyNotifier:
    """Make the notifier; raises `PermanentError` for a key that is missing."""
    return PagerDutyNotifier(name, options, accepts)
