"""The section ``trading`` of the configuration."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from exporters.section import Listen, Name, Section


class EventsIntake(Section):
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


class ExpectedStrategy(Section):
    """A strategy whose series start at zero before its first event."""

    name: Name
    engine: Name
    venue: Name
    account: Name
    symbols: tuple[Name, ...] = ()


class TradingLimits(Section):
    """Upper bounds of memory; an event more than ``max_ahead`` seconds ahead of our clock is malformed."""

    engines: int = Field(default=32, ge=1)
    sessions: int = Field(default=1_000, ge=1)
    strategies: int = Field(default=1_000, ge=1)
    instruments: int = Field(default=5_000, ge=1)
    open_orders: int = Field(default=20_000, ge=1)
    parents: int = Field(default=10_000, ge=1)
    max_ahead: float = Field(default=60.0, ge=0)


class TradingQuality(Section):
    """Fill ratio and inventory turnover are those of the last ``window_minutes``."""

    window_minutes: int = Field(default=60, ge=1, le=1440)


class TradingSettings(Section):
    """``day_starts_at`` is UTC; without a ``state_file`` peaks, day starts and seq marks do not survive a restart."""

    listen: Listen = Listen(port=9103)
    day_starts_at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    state_file: Path | None = None
    events: EventsIntake = EventsIntake()
    strategies: tuple[ExpectedStrategy, ...] = ()
    reject_codes: tuple[Name, ...] = ()
    limits: TradingLimits = TradingLimits()
    quality: TradingQuality = TradingQuality()

    @property
    def day_starts_at_seconds(self) -> int:
        """Seconds after 00:00 UTC."""
        hours, minutes = self.day_starts_at.split(":")
        return int(hours) * 3600 + int(minutes) * 60
