"""Who answers: venues, engines, and this process itself."""

import threading
from collections.abc import Callable, Mapping
from decimal import Decimal

import structlog

from webhook.actions.account import Observer
from webhook.actions.port import Engine, Venue
from webhook.clock import Clock
from webhook.errors import AndonError
from webhook.service.queries import Check
from webhook.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

PREPARE_SECONDS = 15.0
WORKER_SILENT_SECONDS = 15.0


class Probes(Observer):
    """Keeps what was last seen of each edge; thread-safe.  The reconcilers tell it what they notice, too."""

    def __init__(self, telemetry: Telemetry, clock: Clock, prepared: Callable[[], None]) -> None:
        """*prepared* is called when a venue is ready for the first time: symbols can be resolved from then on."""
        self._telemetry, self._clock, self._on_prepared = telemetry, clock, prepared
        self._lock = threading.Lock()
        self._venues: dict[str, tuple[bool, float | None]] = {}
        self._engines: dict[str, bool] = {}
        self._prepared: set[str] = set()
        self._beat: float | None = None

    # -- what reconcilers tell --------------------------------------------------------------------------------------

    def swept(self, venue_account: str, outcome: str) -> None:
        """See `Observer`."""
        self._telemetry.sweeps.labels(venue_account, outcome).inc()

    def unowned(self, venue_account: str, orders: int, notional: Decimal) -> None:
        """See `Observer`."""
        self._telemetry.unowned.labels(venue_account).set(orders)
        self._telemetry.unowned_notional.labels(venue_account).set(float(notional))

    def engine(self, name: str, *, up: bool) -> None:
        """See `Observer`."""
        with self._lock:
            self._engines[name] = up

    def fault(self, loop: str) -> None:
        """See `Observer`."""
        self._telemetry.faults.labels(loop).inc()

    # -- duties -----------------------------------------------------------------------------------------------------

    def of_venue(self, venue: Venue) -> Callable[[], None]:
        """The duty that prepares a venue, keeps its connections warm, and sees whether its key works."""

        def probe() -> None:
            try:
                if venue.name not in self._prepared:
                    venue.prepare(PREPARE_SECONDS)
                    self._prepared.add(venue.name)
                    self._on_prepared()
                seconds = venue.ping(PREPARE_SECONDS)
            except AndonError:
                with self._lock:
                    self._venues[venue.name] = (False, None)
                raise
            with self._lock:
                self._venues[venue.name] = (True, seconds)

        return probe

    def of_engine(self, engine: Engine) -> Callable[[], None]:
        """The duty that sees whether an engine answers, where its reconciler does not look by itself."""

        def probe() -> None:
            try:
                engine.ping(PREPARE_SECONDS)
            except AndonError:
                self.engine(engine.name, up=False)
                raise
            self.engine(engine.name, up=True)

        return probe

    def beat(self) -> None:
        """The worker went round."""
        self._beat = self._clock.monotonic()

    # -- what is known ----------------------------------------------------------------------------------------------

    def venues(self) -> Mapping[str, tuple[bool, float | None]]:
        """Whether the last signed request of each venue account succeeded, and its seconds."""
        with self._lock:
            return dict(self._venues)

    def engines(self) -> Mapping[str, bool]:
        """Whether each engine answered."""
        with self._lock:
            return dict(self._engines)

    def checks(self) -> dict[str, Check]:
        """All of it, for the health page."""
        checks = {
            f"venue {name}": Check(ok=up, detail="answers" if up else "does not answer")
            for name, (up, _) in self.venues().items()
        }
        checks |= {
            f"engine {name}": Check(ok=up, detail="answers" if up else "does not answer")
            for name, up in self.engines().items()
        }
        alive = self._beat is not None and self._clock.monotonic() - self._beat < WORKER_SILENT_SECONDS
        checks["worker"] = Check(ok=alive, detail="runs" if alive else "does not run")
        return checks
