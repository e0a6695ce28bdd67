"""Measures every symbol again and again in a thread of its own."""

import threading

import structlog

from exporters.market_data.markets import Markets


class Sampler:
    """A source: one round over all symbols each ``measure.sample_seconds``."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._every = markets.measure.sample_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._log = structlog.get_logger(exporter="market-data")

    def start(self) -> None:
        """Begin to measure."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def sample(self) -> None:
        """Measure every symbol once; what one symbol does costs no other its numbers."""
        for feed in self._markets.feeds:
            for symbol, market in feed.markets.items():
                if self._stop.is_set():
                    return
                try:
                    market.sample(feed.now_ns(), feed.oldest_ns(), self._markets.lock)
                except Exception as fault:  # noqa: BLE001  # the border: unknown is absent, and the next one is measured
                    market.forget()
                    self._log.error("cannot measure", symbol=symbol, error=type(fault).__name__, exc_info=True)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.sample()
