"""What an exporter is told: one YAML file, a section per exporter, and the environment over it; all faults at once.

``ANDON_EXPORTERS__TRADING__LISTEN__PORT=9203`` overrides ``trading: {listen: {port: ...}}``; a part that is a number
is an index into a list (``ANDON_EXPORTERS__MARKET_DATA__FEEDS__0__URL``); values are read as YAML.  Secrets are only
ever named as files.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

PREFIX: Final = "ANDON_EXPORTERS__"
Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S+$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Section):
    """Where the exporter serves; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class EventsIntake(_Section):
    """How trading events come in: by POST (with the bearer token in ``token_file``) and from followed files."""

    http: bool = True
    token_file: Path | None = None
    max_body_bytes: int = Field(default=8 << 20, ge=1024, le=256 << 20)
    files: tuple[Path, ...] = ()

    def token(self) -> str | None:
        """The bearer token; raises OSError or ValueError when the file is missing or empty."""
        if self.token_file is None:
            return None
        token = self.token_file.read_text().strip()
        if not token:
            raise ValueError(f"{self.token_file} is empty")
        return token


class ExpectedStrategy(_Section):
    """A strategy whose series start at zero before its first event."""

    name: Name
    engine: Name
    venue: Name
    account: Name
    symbols: tuple[Name, ...] = ()


class TradingLimits(_Section):
    """Upper bounds of memory; an event more than ``max_ahead`` seconds ahead of our clock is malformed."""

    engines: int = Field(default=32, ge=1)
    sessions: int = Field(default=1_000, ge=1)
    strategies: int = Field(default=1_000, ge=1)
    instruments: int = Field(default=5_000, ge=1)
    open_orders: int = Field(default=20_000, ge=1)
    parents: int = Field(default=10_000, ge=1)
    max_ahead: float = Field(default=60.0, ge=0)


class TradingSettings(_Section):
    """``day_starts_at`` is UTC; without a ``state_file`` peaks, day starts and seq marks do not survive a restart."""

    listen: Listen = Listen(port=9103)
    day_starts_at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    state_file: Path | None = None
    events: EventsIntake = EventsIntake()
    strategies: tuple[ExpectedStrategy, ...] = ()
    reject_codes: tuple[Name, ...] = ()
    limits: TradingLimits = TradingLimits()

    @property
    def day_starts_at_seconds(self) -> int:
        """Seconds after 00:00 UTC."""
        hours, minutes = self.day_starts_at.split(":")
        return int(hours) * 3600 + int(minutes) * 60


class _Feed(_Section):
    venue: Name
    market: Literal["usdm", "spot"] = "usdm"
    symbols: tuple[Name, ...] = Field(min_length=1, max_length=10_000)

    @field_validator("symbols")
    @classmethod
    def _unified(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in symbols:
            if "/" not in symbol:
                raise ValueError(
                    f"{symbol}: write it in the unified form, such as BTC/USDT:USDT (perpetual) or BTC/USDT (spot)"
                )
        if len(set(symbols)) != len(symbols):
            raise ValueError("a symbol is named twice")
        return symbols

    @model_validator(mode="after")
    def _fits_market(self) -> Self:
        wrong = [symbol for symbol in self.symbols if (":" in symbol) != (self.market == "usdm")]
        if wrong:
            raise ValueError(f"{wrong[0]}: not a symbol of the {self.market} market")
        return self


class NdjsonFeed(_Feed):
    """The sandbox venue's market stream at ``url``; with ``time_path`` its clock is measured by round trips.

    ``idle_seconds`` without a byte, a ping included, end the connection.
    """

    source: Literal["ndjson"]
    url: Url
    streams: tuple[Literal["trade", "depth", "bookTicker"], ...] = ("trade", "depth", "bookTicker")
    time_path: Annotated[str, StringConstraints(pattern=r"^/\S*$")] | None = None
    time_every_seconds: Seconds = 5.0
    idle_seconds: Seconds = 5.0


class CaptureFeed(_Feed):
    """A recorded capture, played in its own time and moved to now (``recorded``) or as ``fast`` as it can be read."""

    source: Literal["capture"]
    file: Path
    pace: Literal["recorded", "fast"] = "recorded"


Feed = Annotated[NdjsonFeed | CaptureFeed, Field(discriminator="source")]


class MarketDataSettings(_Section):
    """The fastest message is that of ``offset_window_seconds``; prices older than ``expire_seconds`` are absent."""

    listen: Listen = Listen(port=9102)
    feeds: tuple[Feed, ...] = ()
    offset_window_seconds: Seconds = 600.0
    expire_seconds: Seconds = 60.0


class Process(_Section):
    """A process that must run: found by part of its ``cmdline`` or a ``pid_file``, or asked at ``health_url``.

    With ``health_url`` that alone decides whether it is up; its start time is ``started_at`` of the JSON at
    ``status_url``, ``process_start_time_seconds`` of the page at ``metrics_url``, or what the process table says.
    """

    name: Name
    cmdline: str | None = Field(default=None, min_length=3)
    pid_file: Path | None = None
    health_url: Url | None = None
    status_url: Url | None = None
    metrics_url: Url | None = None

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.cmdline is None and self.pid_file is None and self.health_url is None:
            raise ValueError("name one of cmdline, pid_file and health_url")
        if self.cmdline is not None and self.pid_file is not None:
            raise ValueError("name only one of cmdline and pid_file")
        if self.health_url is None and (self.status_url or self.metrics_url):
            raise ValueError("status_url and metrics_url go with health_url")
        return self


class ProbedVenue(_Section):
    """A venue whose way is measured; ``time_path`` answers ``{"serverTime": milliseconds}``."""

    venue: Name
    url: Url
    time_path: Annotated[str, StringConstraints(pattern=r"^/\S*$")] = "/fapi/v1/time"


class SystemSettings(_Section):
    """How often host, processes and venues are looked at; a probe that takes ``timeout_seconds`` has failed."""

    listen: Listen = Listen(port=9101)
    processes: tuple[Process, ...] = ()
    venues: tuple[ProbedVenue, ...] = ()
    host_seconds: Seconds = 1.0
    process_seconds: Seconds = 1.0
    venue_seconds: Seconds = 2.0
    timeout_seconds: Seconds = 2.0


class Settings(_Section):
    """The whole file."""

    system: SystemSettings = SystemSettings()
    market_data: MarketDataSettings = MarketDataSettings()
    trading: TradingSettings = TradingSettings()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for what, names in (
            ("system.processes", [each.name for each in self.system.processes]),
            ("system.venues", [each.venue for each in self.system.venues]),
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
class Fault:
    """One thing wrong with the configuration: where, and what."""

    path: str
    message: str


class ConfigError(Exception):
    """The configuration cannot be used; ``faults`` are all that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read *path* and the overrides in *environ*; raises ConfigError with every fault."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError([Fault(str(path), f"cannot be read ({fault.strerror})")]) from None
    except yaml.YAMLError as fault:
        raise ConfigError([Fault(str(path), f"is not YAML ({fault})")]) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError([Fault(str(path), "must be a mapping of sections")])
    faults: list[Fault] = []
    for name in sorted(environ):
        if name.startswith(PREFIX):
            message = _override(document, name.removeprefix(PREFIX).lower().split("__"), environ[name])
            if message is not None:
                faults.append(Fault(name, message))
    try:
        settings = Settings.model_validate(document)
    except ValidationError as invalid:
        faults.extend(
            Fault(_place(each["loc"]), each["msg"]) for each in invalid.errors(include_url=False, include_input=False)
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
