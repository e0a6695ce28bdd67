"""What an exporter is told: one YAML file, a section per exporter, and the environment over it; all faults at once.

``ANDON_EXPORTERS__TRADING__LISTEN__PORT=9203`` overrides ``trading: {listen: {port: ...}}``; a part that is a number
is an index into a list (``ANDON_EXPORTERS__MARKET_DATA__FEEDS__0__URL``); values are read as YAML.  Secrets are only
ever named as files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml
from pydantic import ValidationError, model_validator

from exporters.anomaly.settings import AnomalySettings
from exporters.market_data.settings import CaptureFeed, MarketDataSettings, NdjsonFeed
from exporters.section import Listen, Section
from exporters.system.settings import ProbedVenue, Process, SystemSettings
from exporters.trading.settings import EventsIntake, ExpectedStrategy, TradingLimits, TradingRisk, TradingSettings

__all__ = [
    "CaptureFeed",
    "ConfigError",
    "ConfigFault",
    "EventsIntake",
    "ExpectedStrategy",
    "Listen",
    "MarketDataSettings",
    "NdjsonFeed",
    "ProbedVenue",
    "Process",
    "Settings",
    "SystemSettings",
    "TradingLimits",
    "TradingRisk",
    "TradingSettings",
    "load",
]

PREFIX: Final = "ANDON_EXPORTERS__"


class Settings(Section):
    """The whole file."""

    system: SystemSettings = SystemSettings()
    market_data: MarketDataSettings = MarketDataSettings()
    trading: TradingSettings = TradingSettings()
    anomaly: AnomalySettings = AnomalySettings()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for what, names in (
            ("system.processes", [each.name for each in self.system.processes]),
            ("system.venues", [each.venue for each in self.system.venues]),
            ("system.databases", [each.name for each in self.system.databases]),
            ("system.ntp.servers", list(self.system.ntp.servers)),
            ("trading.strategies", [f"{each.name} {each.venue} {each.account}" for each in self.trading.strategies]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what}: a name is used twice")
        seen: set[tuple[str, str]] = set()
        for feed in self.market_data.feeds:
            for symbol in feed.symbols:
                if (feed.venue, symbol) in seen:
                    raise ValueError(f"market_data.feeds: {symbol} of {feed.venue} is in two feeds")
                seen.add((feed.venue, symbol))
        return self


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One thing wrong with the configuration: where, and what."""

    path: str
    message: str


class ConfigError(Exception):
    """The configuration cannot be used; ``faults`` are all that is wrong with it."""

    def __init__(self, faults: list[ConfigFault]) -> None:
        super().__init__("\n".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read *path* and the overrides in *environ*; raises ConfigError with every fault."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError([ConfigFault(str(path), f"cannot be read ({fault.strerror})")]) from None
    except yaml.YAMLError as fault:
        raise ConfigError([ConfigFault(str(path), f"is not YAML ({fault})")]) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError([ConfigFault(str(path), "must be a mapping of sections")])
    faults: list[ConfigFault] = []
    for name in sorted(environ):
        if name.startswith(PREFIX):
            message = _override(document, name.removeprefix(PREFIX).lower().split("__"), environ[name])
            if message is not None:
                faults.append(ConfigFault(name, message))
    try:
        settings = Settings.model_validate(document)
    except ValidationError as invalid:
        faults.extend(
            ConfigFault(_place(each["loc"]), each["msg"])
            for each in invalid.errors(include_url=False, include_input=False)
        )
        raise ConfigError(faults) from None
    if faults:
        raise ConfigError(faults)
    return settings


def _override(document: Any, parts: list[str], text: str) -> str | None:
    """Set one value; a message when the place cannot be."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return "is not YAML"
    place = document
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(place, dict):
            if last:
                place[part] = value
            elif place.get(part) is None:
                place[part] = {}
            place = place[part]
        elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            if last:
                place[int(part)] = value
            place = place[int(part)]
        else:
            return "there is no such place in the configuration"
    return None


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(whole file)"
