"""The state file: written whole, beside the old one, and swapped in; never in the way of a scrape."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import structlog
from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge
from exporters.trading import snapshot
from exporters.trading.intake.intake import Intake

_EVERY_SECONDS: Final = 1.0
_NAME: Final = ("trading",)

RESTORED: Final = gauge(
    "exporter_state_restored",
    "exporter",
    "rest",
    "boolean",
    "the exporter itself",
    "1 when the state file was read at the start, 0 when the exporter began empty: peaks, day starts and seq marks are "
    "those since then.",
)
BEGAN_AT: Final = gauge(
    "exporter_state_began_timestamp_seconds",
    "exporter",
    "rest",
    "seconds since the epoch",
    "the exporter itself",
    "Since when the state remembers; no peak is from before.",
)
LOAD_FAILURES: Final = counter(
    "exporter_state_load_failures_total",
    "exporter",
    "rest",
    "files",
    "the exporter itself",
    "State files that could not be read at start: peaks, day starts and seq marks began anew.",
)
SAVE_FAILURES: Final = counter(
    "exporter_state_save_failures_total",
    "exporter",
    "rest",
    "writes",
    "the exporter itself",
    "Attempts to write the state file that failed; a restart now would forget.",
)
SAVED_AT: Final = gauge(
    "exporter_state_last_saved_timestamp_seconds",
    "exporter",
    "rest",
    "seconds since the epoch",
    "the exporter itself",
    "When the state file was last written.",
)
UNSAVED: Final = gauge(
    "exporter_state_unsaved_seconds",
    "exporter",
    "rest",
    "seconds",
    "the exporter itself",
    "For how long something has been waiting to be written to the state file; 0 when all is on disk.",
)
SERIES: Final = (RESTORED, BEGAN_AT, LOAD_FAILURES, SAVE_FAILURES, SAVED_AT, UNSAVED)


class StateFile:
    """Loads once, then saves at most every second while something changes, and when it is stopped."""

    def __init__(self, path: Path, intake: Intake) -> None:
        self._path = path
        self._intake = intake
        self._saved_version = -1
        self._unsaved_since: float | None = None
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-file", daemon=True)
        self._log = structlog.get_logger(exporter="trading")
        self.load_failures = 0
        self.save_failures = 0
        self.saved_at: float | None = None
        self.durable_offsets: dict[tuple[str, int], int] = {}

    def load(self) -> None:
        """Fill the intake's fresh state; what cannot be read is put aside, counted and said: the state stays empty."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            self._log.warning("no state file, starting empty: peaks and day starts begin now", path=str(self._path))
            return
        except OSError as fault:
            self._lost(fault)
            return
        try:
            restored = self._intake.state.fresh(0.0)
            marks = snapshot.restore(restored, orjson.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as fault:
            self._lost(fault)
            return
        restored.restored_at = time.time()
        self._intake.state = restored
        self._intake.marks = marks
        self.saved_at = self._path.stat().st_mtime

    def _lost(self, fault: Exception) -> None:
        self.load_failures += 1
        aside = self._path.with_name(f"{self._path.name}.unreadable")
        self._log.error(
            "state file cannot be read: peaks, day starts and seq marks are lost",
            path=str(self._path),
            error=type(fault).__name__,
        )
        try:
            self._path.replace(aside)
        except OSError as stuck:
            self._log.error(
                "unreadable state file cannot be put aside", path=str(self._path), error=type(stuck).__name__
            )

    def start(self) -> None:
        """Begin to save."""
        self._thread.start()

    def stop(self) -> None:
        """Save a last time and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.save()

    def save(self) -> bool:
        """Write one consistent cut if anything changed since the last; whether what is known is on disk.

        A failure is counted and said, never raised.
        """
        with self._writing:
            return self._save()

    def _save(self) -> bool:
        if self._intake.version == self._saved_version:
            return True
        began = time.monotonic()
        if self._unsaved_since is None:
            self._unsaved_since = began
        try:
            with self._intake.lock:
                version = self._intake.version
                cut = snapshot.dump(self._intake.state, self._intake.marks)
                offsets = dict(self._intake.offsets)
            self._write(orjson.dumps(cut))
        except Exception as fault:  # noqa: BLE001  # the border: whatever it was, it is tried again in a second
            self.save_failures += 1
            self._log.error("state file cannot be written", path=str(self._path), error=type(fault).__name__)
            return False
        self._saved_version = version
        self._unsaved_since = None if version == self._intake.version else began
        self.durable_offsets = offsets
        self.saved_at = time.time()
        return True

    def _write(self, text: bytes) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        _sync_folder(self._path.parent)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self.save()

    def families(self) -> Iterator[Metric]:
        """Whether what a restart must not forget is on disk."""
        since = self._unsaved_since
        yield LOAD_FAILURES.family([(_NAME, self.load_failures)])
        yield SAVE_FAILURES.family([(_NAME, self.save_failures)])
        yield UNSAVED.family([(_NAME, 0.0 if since is None else time.monotonic() - since)])
        if self.saved_at is not None:
            yield SAVED_AT.family([(_NAME, self.saved_at)])


def memory(restored_at: float | None, began_at: float) -> Iterator[Metric]:
    """Since when the state remembers."""
    yield RESTORED.family([(_NAME, float(restored_at is not None))])
    yield BEGAN_AT.family([(_NAME, began_at)])


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
