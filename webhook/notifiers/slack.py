"""Slack by an incoming webhook: one message a notice, with the facts as a table."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from webhook.errors import PermanentError, TemporaryError
from webhook.net import secret
from webhook.net.http import Outbound
from webhook.notifiers.filter import Filter
from webhook.notify.port import Notice

_FIELD_LIMIT = 2000
_FIELDS_PER_SECTION = 10
_SECTION_LIMIT = 3000
_FACTS_LIMIT = 40
_SIGNS = {"critical": "🔴", "error": "🟠", "warning": "🟡", "info": "🔵"}


class Options(BaseModel):
    """``webhook_url_file``: holds the whole URL of the incoming webhook, which is a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    webhook_url_file: Annotated[Path, Field(strict=False)]


class SlackNotifier:
    """Posts each notice to one channel."""

    def __init__(self, name: str, options: Options, accepts: Filter) -> None:
        self.name = name
        self._filter = accepts
        self._url = secret.read(options.webhook_url_file, "webhook_url_file")
        if not self._url.startswith(("https://", "http://")):
            raise PermanentError(f"webhook_url_file: {options.webhook_url_file} holds no URL", reason="secret")
        path = urlsplit(self._url).path
        self._outbound = Outbound(name, secrets=[self._url, path, path.rpartition("/")[2]])

    def accepts(self, notice: Notice) -> bool:
        """Whether the configured filter wants it."""
        return self._filter.accepts(notice)

    def send(self, notice: Notice, timeout: float) -> None:
        """Deliver; 200 is success, 429 (with its ``Retry-After``) and 5xx are temporary, any other answer permanent."""
        answer = self._outbound.request("POST", self._url, timeout=timeout, body=message(notice))
        if answer.status == 200:
            return
        text = f"{self.name}: Slack answered {answer.status}: {self._outbound.excerpt(answer)}"
        if answer.status == 429:
            raise TemporaryError(text, reason="rate_limited", retry_after=answer.retry_after)
        if answer.status >= 500 or answer.status == 408:
            raise TemporaryError(text, reason="server_error", retry_after=answer.retry_after)
        raise PermanentError(text, reason="refused")

    def ping(self, timeout: float) -> None:
        """Reach the host and post nothing: an empty payload is refused, which shows that it listens."""
        answer = self._outbound.request("POST", self._url, timeout=timeout, body={})
        if answer.status >= 500:
            raise TemporaryError(f"{self.name}: Slack answered {answer.status}", reason="server_error")
        if answer.status in (403, 404, 410):
            raise PermanentError(f"{self.name}: Slack does not know this webhook ({answer.status})", reason="refused")

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._outbound.close()


def message(notice: Notice) -> dict[str, Any]:
    """The payload: ``text`` for notifications and screen readers, blocks for the channel."""
    sign = "🟢" if notice.resolves else _SIGNS.get(notice.severity, "🔴")
    headline = f"{sign} {escape(notice.headline)}"
    blocks: list[dict[str, Any]] = [_section(f"*{headline}*")]
    facts = [f"*{escape(str(name))}*\n{escape(str(value))}"[:_FIELD_LIMIT] for name, value in notice.facts.items()]
    for first in range(0, min(len(facts), _FACTS_LIMIT), _FIELDS_PER_SECTION):
        fields = [{"type": "mrkdwn", "text": fact} for fact in facts[first : first + _FIELDS_PER_SECTION]]
        blocks.append({"type": "section", "fields": fields})
    links = [
        f"<{_href(href)}|{text}>" for href, text in ((notice.runbook_url, "Runbook"), (notice.link, "Details")) if href
    ]
    if links:
        blocks.append(_section(" · ".join(links)))
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": escape(f"{notice.severity} · {notice.at}")}]}
    )
    return {"text": headline, "blocks": blocks}


def escape(text: str) -> str:
    """Slack's three control characters, so that an alert's text can neither mention people nor forge a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _href(url: str) -> str:
    return escape(url).replace("|", "%7C")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_SECTION_LIMIT]}}


def build(*, name: str, options: Options, accepts: Filter) -> SlackNotifier:
    """Make the notifier; raises `PermanentError` for a URL that is missing."""
    return SlackNotifier(name, options, accepts)
