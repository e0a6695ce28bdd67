"""Everything else that can reach a person (mail, Telegram, Teams, ntfy, ...), by Apprise."""

import logging
import threading
from pathlib import Path
from typing import Annotated

import apprise
from pydantic import BaseModel, ConfigDict, Field

from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.net import secret
from webhook.notifiers.filter import Filter
from webhook.notify.port import Notice

_TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "info": apprise.NotifyType.INFO,
}

# Apprise writes addresses, tokens included, to its log.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class Options(BaseModel):
    """``urls_file``: holds one Apprise URL a line (they contain secrets); lines that begin with ``#`` are left out.

    A notice counts as delivered when every one of them took it, and is sent to all of them again otherwise: give a
    destination that must not hear things twice a notifier of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    urls_file: Annotated[Path, Field(strict=False)]


class AppriseNotifier:
    """Sends each notice to every configured URL."""

    def __init__(self, name: str, options: Options, accepts: Filter) -> None:
        self.name = name
        self._filter = accepts
        self._apprise = apprise.Apprise()
        lines = secret.read(options.urls_file, "urls_file").splitlines()
        for number, line in enumerate(lines, start=1):
            url = line.strip()
            if url and not url.startswith("#") and not self._apprise.add(url):
                raise PermanentError(
                    f"urls_file: line {number} of {options.urls_file} is no URL that Apprise knows", reason="secret"
                )
        if not len(self._apprise):
            raise PermanentError(f"urls_file: {options.urls_file} holds no URL", reason="secret")

    def accepts(self, notice: Notice) -> bool:
        """Whether the configured filter wants it."""
        return self._filter.accepts(notice)

    def send(self, notice: Notice, timeout: float) -> None:
        """Deliver to all; Apprise says only yes or no, so every failure is temporary."""
        outcome: list[bool] = []
        done = threading.Event()

        def work() -> None:
            try:
                outcome.append(self._notify(notice))
            finally:
                done.set()

        # Apprise has a timeout for each connection and none for the whole.
        threading.Thread(target=work, name=f"apprise-{self.name}", daemon=True).start()
        if not done.wait(timeout):
            raise UnknownOutcomeError(f"{self.name}: not delivered within {timeout:g} s")
        if outcome != [True]:
            raise TemporaryError(f"{self.name}: a destination did not take it", reason="not_delivered")

    def ping(self, timeout: float) -> None:
        """Nothing can be asked of a destination without disturbing somebody."""

    def close(self) -> None:
        """Apprise keeps no connections."""

    def _notify(self, notice: Notice) -> bool:
        facts = [f"{name}: {value}" for name, value in notice.facts.items()]
        links = [link for link in (notice.runbook_url, notice.link) if link]
        kind = apprise.NotifyType.SUCCESS if notice.resolves else _TYPES.get(notice.severity, "failure")
        return bool(
            self._apprise.notify(
                title=notice.headline,
                body="\n".join([*facts, *links, notice.at]),
                notify_type=kind,
                body_format=apprise.NotifyFormat.TEXT,
            )
        )


def build(*, name: str, options: Options, accepts: Filter) -> AppriseNotifier:
    """Make the notifier; raises `PermanentError` for a URL that is missing or not understood."""
    return AppriseNotifier(name, options, accepts)
