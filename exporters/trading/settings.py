"""The section ``trading`` of the configuration."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from exporters.section import Listen, Name, Seconds, Section, Url
from exporters.trading.engines import Expected
from exporters.trading.equity.book import EquityOptions
from exporters.trading.risk.estimates import RiskOptions, needed
from exporters.trading.state import Limits, Options


class KafkaIntake(Section):
    """Events from ``topics`` of the cluster at ``bootstrap_servers`` (``host:port``, several by commas)."""

    bootstrap_servers: Annotated[str, StringConstraints(pattern=r"^[^\s,]+:[0-9]+(,[^\s,]+:[0-9]+)*$")]
    topics: tuple[Name, ...] = Field(min_length=1, max_length=32)
    group: Name = "andon-trading-exporter"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username_file: Path | None = None
    password_file: Path | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        sasl = self.security_protocol.startswith("SASL")
        if sasl != (self.sasl_mechanism is not None):
            raise ValueError("security_protocol SASL_* and sasl_mechanism go together")
        if sasl and (self.username_file is None or self.password_file is None):
            raise ValueError("sasl_mechanism needs username_file and password_file")
        return self

    def secret(self, name: Literal["username_file", "password_file"]) -> str:
        """What is in the file; raises OSError or ValueError when it is missing or empty."""
        path: Path | None = getattr(self, name)
        text = "" if path is None else path.read_text().strip()
        if not text:
            raise ValueError(f"{name}: {path} is empty")
        return text


class EventsIntake(Section):
    """How trading events come in: by POST (with the token in ``token_file``), from followed files and from Kafka.

    With ``admin_token_file`` a person may set a peak anew or retire a strategy; without, nobody may.
    """

    http: bool = True
    token_file: Path | None = None
    admin_token_file: Path | None = None
    max_body_bytes: int = Field(default=8 << 20, ge=1024, le=256 << 20)
    files: tuple[Path, ...] = ()
    kafka: KafkaIntake | None = None

    def token(self) -> str | None:
        """The bearer token; raises OSError or ValueError when the file is missing or empty."""
        return _token(self.token_file)

    def admin_token(self) -> str | None:
        """The bearer token of whoever may set peaks and retire; raises as ``token`` does."""
        return _token(self.admin_token_file)


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    token = file.read_text().strip()
    if not token:
        raise ValueError(f"{file} is empty")
    return token


class ReconciledAccount(Section):
    """A venue account that is read through ccxt and compared with what the engine says; the key need only read.

    ``exchange`` is ccxt's name, ``url`` another host for it; ``order_books`` are the parameters that show each book.
    """

    venue: Name
    account: Name
    exchange: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    api_key_file: Path
    secret_file: Path
    url: Url | None = None
    positions: bool = True
    order_books: tuple[dict[str, bool | str], ...] = Field(default=({},), min_length=1)
    every_seconds: Seconds = 5.0
    timeout_seconds: Seconds = 2.0

    def key(self, name: Literal["api_key_file", "secret_file"]) -> str:
        """What is in the file; raises OSError or ValueError when it is missing or empty."""
        path: Path = getattr(self, name)
        text = path.read_text().strip()
        if not text:
            raise ValueError(f"{path} is empty")
        return text


class ExpectedStrategy(Section):
    """A strategy that should run: its series start at zero before its first event, and it is missed without any."""

    name: Name
    engine: Name
    venue: Name
    account: Name
    symbols: tuple[Name, ...] = ()


class TradingLimits(Section):
    """Upper bounds of memory and of a scrape's size; an event more than ``max_ahead`` seconds ahead is malformed.

    Whoever raises them raises ``sample_limit`` and ``body_size_limit`` of the jobs ``trading-kill`` and ``trading`` in
    prometheus.yml too: a scrape above a limit fails as a whole. A strategy has up to 14 samples in the first and 130 in
    the second, an instrument 34 in the second.
    """

    engines: int = Field(default=32, ge=1)
    sessions: int = Field(default=1_000, ge=1)
    strategies: int = Field(default=250, ge=1)
    instruments: int = Field(default=1_000, ge=1)
    open_orders: int = Field(default=20_000, ge=1)
    parents: int = Field(default=10_000, ge=1)
    max_ahead: float = Field(default=60.0, ge=0)


class TradingEquity(Section):
    """An equity is a peak once it held for ``peak_seconds``.

    A deposit or withdrawal waits ``flow_seconds`` for the equity that belongs to it.  Of who tells ``net_deposits``,
    one step down of more than ``fall_ratio`` counts with the next equity, or after ``fall_seconds``.
    """

    peak_seconds: Seconds = 10.0
    flow_seconds: Seconds = 10.0
    fall_ratio: float = Field(default=0.02, gt=0, le=1)
    fall_seconds: float = Field(default=5.0, ge=0, le=60)


class TradingQuality(Section):
    """Fill ratio and inventory turnover are those of the last ``window_minutes``."""

    window_minutes: int = Field(default=60, ge=1, le=1440)


Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[smhd]$")]
Confidence = Annotated[str, StringConstraints(pattern=r"^0\.[0-9]{1,4}$")]
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class TradingRisk(Section):
    """Value at risk by the last ``observations`` changes of equity, one every ``interval_seconds``.

    ``confidences`` are text such as ``"0.99"`` and ``horizons`` such as ``1h``; absent below ``min_observations``.
    """

    interval_seconds: int = Field(default=60, ge=1, le=86_400)
    observations: int = Field(default=1440, ge=2, le=20_000)
    min_observations: int = Field(default=100, ge=2)
    confidences: tuple[Confidence, ...] = Field(default=("0.95", "0.99"), max_length=5)
    horizons: tuple[Duration, ...] = Field(default=("1h", "1d"), max_length=5)
    drawdown_days: int = Field(default=30, ge=1, le=366)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_observations > self.observations:
            raise ValueError("min_observations: no more than observations")
        for each in self.confidences:
            if not 0.5 <= float(each) < 1:  # below it is no tail
                raise ValueError(f"confidences: {each} is not from 0.5 to below 1")
            if needed(float(each)) > self.observations:
                raise ValueError(f"confidences: {each} needs {needed(float(each))} observations")
        for name in self.horizons:
            if _seconds(name) < self.interval_seconds:
                raise ValueError(f"horizons: {name} is shorter than interval_seconds")
        if len(set(self.horizons)) != len(self.horizons) or len(set(self.confidences)) != len(self.confidences):
            raise ValueError("a horizon or a confidence is named twice")
        return self

    def options(self) -> RiskOptions:
        """As the state takes them."""
        return RiskOptions(
            self.interval_seconds,
            self.observations,
            self.min_observations,
            self.confidences,
            tuple((name, _seconds(name)) for name in self.horizons),
            self.drawdown_days,
        )


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]]


class TradingSettings(Section):
    """``day_starts_at`` is UTC; without a ``state_file`` peaks, day starts and seq marks do not survive a restart."""

    listen: Listen = Listen(port=9103)
    day_starts_at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    state_file: Path | None = None
    events: EventsIntake = EventsIntake()
    strategies: tuple[ExpectedStrategy, ...] = ()
    reject_codes: tuple[Name, ...] = ()
    limits: TradingLimits = TradingLimits()
    equity: TradingEquity = TradingEquity()
    quality: TradingQuality = TradingQuality()
    risk: TradingRisk = TradingRisk()
    reconciliation: tuple[ReconciledAccount, ...] = ()

    @model_validator(mode="after")
    def _accounts_once(self) -> Self:
        if len({(each.venue, each.account) for each in self.reconciliation}) != len(self.reconciliation):
            raise ValueError("reconciliation: an account is named twice")
        return self

    @model_validator(mode="after")
    def _replays_are_known(self) -> Self:
        if self.events.kafka is not None and self.state_file is None:
            raise ValueError("events.kafka needs a state_file: offsets are committed when it is written")
        return self

    @model_validator(mode="after")
    def _have_room(self) -> Self:
        if len({(each.venue, each.account, each.name) for each in self.strategies}) > self.limits.strategies:
            raise ValueError("strategies: more than limits.strategies")
        if sum(len(each.symbols) for each in self.strategies) > self.limits.instruments:
            raise ValueError("strategies: more symbols than limits.instruments")
        return self

    @property
    def day_starts_at_seconds(self) -> int:
        """Seconds after 00:00 UTC."""
        hours, minutes = self.day_starts_at.split(":")
        return int(hours) * 3600 + int(minutes) * 60

    def options(self) -> Options:
        """As the state takes them."""
        return Options(
            limits=Limits(**self.limits.model_dump()),
            equity=EquityOptions(day_starts_at=self.day_starts_at_seconds, **self.equity.model_dump()),
            risk=self.risk.options(),
            slot_seconds=self.quality.window_minutes,
            expected=tuple(
                Expected(each.engine, (each.venue, each.account, each.name), each.symbols) for each in self.strategies
            ),
            reject_codes=self.reject_codes,
        )
