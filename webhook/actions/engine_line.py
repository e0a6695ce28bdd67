"""The line of one engine: it tells the engine to stop, until the engine confirms, and looks whether it stays stopped.

It runs beside the lines of the venue accounts and never before them: an engine that hangs delays no cancel.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from webhook.actions.demand import BlockDemand, Finding, Found, Report
from webhook.actions.port import Engine, EngineState
from webhook.clock import Clock
from webhook.errors import AndonError
from webhook.killswitch.states import Action

log = structlog.get_logger(__name__)

SLOWEST_RETRY_SECONDS = 5.0


class EngineLine:
    """Keeps scopes of one engine blocked (or reduce-only); thread-safe."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        report: Report,
        fault: Callable[[str], None],
        *,
        timeout: float,
        check_seconds: float,
        shadow: bool,
    ) -> None:
        """``timeout``: seconds for one request.  ``check_seconds``: how often a blocked engine is looked at."""
        self.engine = engine
        self._clock = clock
        self._report = report
        self._fault = fault
        self.timeout = timeout
        self.check_seconds = check_seconds
        self.shadow = shadow
        self._demands: dict[str, BlockDemand] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix=f"engine-{engine.name}")
        self._thread = threading.Thread(target=self._run, name=f"engine-line-{engine.name}", daemon=True)

    def start(self) -> None:
        """Start the thread of the line."""
        self._thread.start()

    def add(self, demands: Sequence[BlockDemand]) -> None:
        """Take demands up: the requests are on their way when this returns."""
        with self._wake:
            for demand in demands:
                self._demands[demand.trip_id] = demand
                demand.busy = True
            self._wake.notify_all()
        for demand in demands:
            self._pool.submit(self._ask, demand)

    def drop(self, trip_id: str) -> None:
        """Forget a trip."""
        with self._wake:
            self._demands.pop(trip_id, None)

    def trips(self) -> set[str]:
        """The trips that stand in this line."""
        with self._wake:
            return set(self._demands)

    def stop(self) -> None:
        """End the threads; a request under way may still finish."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            self._thread.join(timeout=self.timeout * 2)

    def _run(self) -> None:
        """Send again what is due: what was not confirmed, and the look at what was."""
        while True:
            with self._wake:
                if self._stopping:
                    return
                now = self._clock.monotonic()
                due = [one for one in self._demands.values() if not one.busy and one.next_at <= now]
                for demand in due:
                    demand.busy = True
                if not due:
                    waits = [one.next_at - now for one in self._demands.values() if not one.busy]
                    self._wake.wait(min(waits, default=None))
                    continue
            for demand in due:
                self._pool.submit(self._look if demand.confirmed else self._ask, demand)

    def _ask(self, demand: BlockDemand) -> None:
        """Ask once; an answer that is not a confirmation is asked again later."""
        demand.tries += 1
        detail: dict[str, object] = {"tries": demand.tries}
        try:
            if self.shadow:
                demand.confirmed = True
                detail["shadow"] = True
            else:
                wanted = EngineState.REDUCE_ONLY if demand.action is Action.REDUCE else EngineState.BLOCKED
                send = self.engine.reduce_only if wanted is EngineState.REDUCE_ONLY else self.engine.block
                state = send(demand.scope, demand.reason, self.timeout)
                detail["state"] = state.value
                # Blocked is more than was asked for by `reduce`, and good.
                demand.confirmed = state in (wanted, EngineState.BLOCKED)
        except AndonError as error:
            detail |= {"error": str(error), "reason": error.reason}
            log.warning("engine.not_confirmed", engine=self.engine.name, reason=error.reason, error=str(error))
        except Exception:  # one of the named borders: an adapter's fault must not end the line
            log.exception("engine.fault", engine=self.engine.name)
            self._fault("engine_line")
            detail["error"] = "unexpected error, see the log"
        self._settle(demand, detail)

    def _settle(self, demand: BlockDemand, detail: dict[str, object]) -> None:
        now = self._clock.monotonic()
        found = None
        if demand.confirmed:
            demand.gate.confirm(self.engine.name)
            found = Found.BLOCKED
            demand.next_at = now + self.check_seconds
        else:
            demand.next_at = now + min(0.1 * 2 ** min(demand.tries, 10), SLOWEST_RETRY_SECONDS)
            if not demand.late and now > demand.late_at:
                demand.late = True
                found = Found.BLOCK_LATE
        with self._wake:
            demand.busy = False
            wanted = demand.trip_id in self._demands
            if wanted and demand.confirmed and (self.shadow or not self.engine.capabilities.status):
                # Nothing to look at later.
                self._demands.pop(demand.trip_id)
            self._wake.notify_all()
        if found and wanted:
            self._report([Finding(found, demand.trip_id, self.engine.name, now, detail=detail)])

    def _look(self, demand: BlockDemand) -> None:
        """Look whether an engine that was stopped trades again; if so, stop it again and tell."""
        state = EngineState.UNKNOWN
        try:
            state = self.engine.status(demand.scope, self.timeout)
        except AndonError as error:
            # A dead engine sends no orders, and the sweep would see them: no reason to wake anybody here.
            log.info("engine.status_unknown", engine=self.engine.name, reason=error.reason)
        except Exception:  # one of the named borders, as above
            log.exception("engine.fault", engine=self.engine.name)
            self._fault("engine_line")
        now = self._clock.monotonic()
        broken = state is EngineState.RUNNING or (
            state is EngineState.REDUCE_ONLY and demand.action is not Action.REDUCE
        )
        with self._wake:
            demand.busy = False
            demand.next_at = now + self.check_seconds
            if broken:
                demand.confirmed, demand.tries, demand.next_at = False, 0, now
            self._wake.notify_all()
        if broken:
            self._report(
                [Finding(Found.RUNS_AGAIN, demand.trip_id, self.engine.name, now, detail={"state": state.value})]
            )
