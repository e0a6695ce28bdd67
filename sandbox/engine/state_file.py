"""Remembers which strategies were stopped, so that an engine that starts again does not trade through a halt.

It fails closed: a file that cannot be understood means that every strategy starts paused.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox.engine.gate import TradingState

_log = logging.getLogger(__name__)


class StateFile:
    """One JSON file, ``{"strategies": {"mm-btc": "paused", ...}}``, replaced as a whole and flushed to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, strategies: Iterable[str]) -> dict[str, TradingState]:
        """Give the state that each strategy starts in; running where there is no file, or no word about it."""
        names = tuple(strategies)
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return dict.fromkeys(names, TradingState.RUNNING)
        except (OSError, UnicodeDecodeError) as error:
            _log.error("the state file %s cannot be read, all strategies start paused: %s", self.path, error)
            return dict.fromkeys(names, TradingState.PAUSED)
        try:
            said = json.loads(text)["strategies"]
            return {name: TradingState(said.get(name, TradingState.RUNNING)) for name in names}
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.error("the state file %s makes no sense, all strategies start paused", self.path)
            return dict.fromkeys(names, TradingState.PAUSED)

    def write(self, states: Mapping[str, TradingState]) -> bool:
        """Replace the file; False when it could not be stored (the caller says so, and holds the state in memory)."""
        text = json.dumps({"strategies": {name: state.value for name, state in sorted(states.items())}}, indent=2)
        beside = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            _log.error("the state file %s cannot be written: %s", self.path, error)
            return False
        return True
