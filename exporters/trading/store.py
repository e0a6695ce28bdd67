"""The state file: written whole, beside the old one, and swapped in; never in the way of a scrape."""

import os
import threading
import time
from pathlib import Path
from typing import Final

import orjson
import structlog

from exporters.trading import snapshot
from exporters.trading.intake import Intake

_EVERY_SECONDS: Final = 1.0


class StateFile:
    """Loads once, then saves at most every second while something changes, and when it is stopped."""

    def __init__(self, path: Path, intake: Intake) -> None:
        self._path = path
        self._intake = intake
        self._saved_version = -1
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
            self._log.info("no state file yet, starting empty", path=str(self._path))
            return
        except OSError as fault:
            self._lost(fault)
            return
        empty = self._intake.state
        try:
            restored = empty.fresh()
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
        with self._intake.lock:
            version = self._intake.version
            if version == self._saved_version:
                return True
            cut = snapshot.dump(self._intake.state, self._intake.marks)
            offsets = dict(self._intake.offsets)
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(orjson.dumps(cut))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except (OSError, ValueError, TypeError) as fault:
            self.save_failures += 1
            self._log.error("state file cannot be written", path=str(self._path), error=type(fault).__name__)
            return False
        self._saved_version = version
        self.durable_offsets = offsets
        self.saved_at = time.time()
        return True

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self.save()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
