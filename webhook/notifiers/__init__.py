"""The ways to reach a person.  A new one is one file here and one line in `NOTIFIERS`."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from webhook.notifiers import apprise, console, pagerduty, slack
from webhook.notifiers.filter import Filter
from webhook.notify.port import Notifier

__all__ = ["NOTIFIERS", "Filter", "NotifierKind"]


@dataclass(frozen=True, slots=True)
class NotifierKind:
    """``options``: the model of ``notifiers[].options``; ``build(name, options, accepts)`` makes one.

    ``accepts`` is a `Filter`.  ``build`` reads secrets but calls nobody; it raises `webhook.errors.PermanentError` for
    what cannot be right.
    """

    options: type[BaseModel]
    build: Callable[..., Notifier]


NOTIFIERS: dict[str, NotifierKind] = {
    "apprise": NotifierKind(apprise.Options, apprise.build),
    "console": NotifierKind(console.Options, console.build),
    "pagerduty": NotifierKind(pagerduty.Options, pagerduty.build),
    "slack": NotifierKind(slack.Options, slack.build),
}
