"""What every blueprint needs, given to it once."""

from dataclasses import dataclass

from webhook.clock import Clock
from webhook.service.queries import Queries
from webhook.service.resume import Resumes
from webhook.service.service import Service
from webhook.settings import Settings
from webhook.telemetry.metrics import Telemetry
from webhook.web.auth import Authenticator


@dataclass(frozen=True, slots=True)
class Context:
    """The service behind the endpoints, and what guards and measures them."""

    service: Service
    resumes: Resumes
    queries: Queries
    settings: Settings
    telemetry: Telemetry
    authenticator: Authenticator
    clock: Clock
