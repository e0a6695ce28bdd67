"""The ways to reach a person.  A new one is one file here and one line in `NOTIFIERS`."""

from webhook.catalogue import Kind
from webhook.notifiers import apprise, console, pagerduty, slack
from webhook.notifiers.filter import Filter
from webhook.notify.port import Notifier

__all__ = ["NOTIFIERS", "Filter"]

NOTIFIERS: dict[str, Kind[Notifier]] = {
    "apprise": Kind(apprise.Options, apprise.build),
    "console": Kind(console.Options, console.build),
    "pagerduty": Kind(pagerduty.Options, pagerduty.build),
    "slack": Kind(slack.Options, slack.build),
}
"""``build(name, options, accepts)``; ``accepts`` is a `Filter`."""
