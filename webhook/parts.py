"""What the service is made of: the ports and values that `webhook.bootstrap` puts together, and nothing that acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from webhook.actions.run import Lines
from webhook.clock import Clock
from webhook.intake.alert import Batch
from webhook.killswitch.plan import AccountTarget, Deadlines, EngineTarget
from webhook.killswitch.port import Store
from webhook.notify.compose import Composer
from webhook.notify.port import Notifier
from webhook.policy.attribution import Attribution
from webhook.policy.rule import Policy
from webhook.recorder import Recorder
from webhook.telemetry.metrics import Telemetry


class FiringAlerts(Protocol):
    """Where alerts that fire now can be asked for: Prometheus itself, not what was delivered."""

    def firing(self) -> Batch:
        """Everything that fires at this moment; raises `AndonError` when it cannot be known."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of; `webhook.bootstrap` puts it together."""

    store: Store
    memory: Store
    policy: Policy
    attribution: Attribution
    lines: Lines
    recorder: Recorder
    notifiers: Mapping[str, Notifier]
    composer: Composer
    telemetry: Telemetry
    clock: Clock
    prometheus: FiringAlerts
    engines: tuple[EngineTarget, ...]
    accounts: tuple[AccountTarget, ...]
    deadlines: Deadlines
    owner: str
    resume_ttl: timedelta = timedelta(minutes=15)
