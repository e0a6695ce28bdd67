"""Works out every few seconds what the present positions have at risk, in a thread of its own."""

import threading

import structlog

from exporters.logs import LogBudget
from exporters.trading.intake.intake import Intake
from exporters.trading.risk.present import exposures, present


class RiskSampler:
    """One thread; it holds the intake's lock only to copy what it needs."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._every = max(1.0, min(5.0, float(intake.state.options.risk.interval_seconds)))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="risk", daemon=True)
        self._budget = LogBudget()
        self._log = structlog.get_logger(exporter="trading")

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def sample(self) -> None:
        """Do it once."""
        with self._intake.lock:
            state = self._intake.state
            known = exposures(
                ((*key[:3], holding.position.currency), float(holding.notional), state.instruments[key].marks)
                for key, holding in state.held()
            )
        found = present(known, state.options.risk)
        with self._intake.lock:
            self._intake.state.present = found

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.sample()
            except Exception as fault:  # noqa: BLE001  # the border: whatever it was, the next look may work
                held_back = self._budget.take()
                if held_back is not None:
                    self._log.error(
                        "value at risk cannot be worked out", error=type(fault).__name__, held_back=held_back
                    )
