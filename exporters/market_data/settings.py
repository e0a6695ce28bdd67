"""The market data exporter's part of the configuration."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from exporters.section import Listen, Name, Seconds, Section, Url, UrlPath

_UNITS = {"s": 1, "m": 60, "h": 3600}
Window = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}[smh]$")]
BasisPoints = Annotated[float, Field(gt=-10_000, lt=10_000)]


class _Feed(Section):
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

    ``status_path`` is where the venue lists its symbols and says which of them trade.  ``idle_seconds`` without a byte,
    a ping included, end the connection.
    """

    source: Literal["ndjson"]
    url: Url
    streams: tuple[Literal["trade", "depth", "bookTicker"], ...] = ("trade", "depth", "bookTicker")
    time_path: UrlPath | None = None
    time_every_seconds: Seconds = 5.0
    status_path: UrlPath | None = None
    status_every_seconds: Seconds = 10.0
    idle_seconds: Seconds = 5.0


class CaptureFeed(_Feed):
    """A recorded capture, played in its own time and moved to now (``recorded``) or as ``fast`` as it can be read."""

    source: Literal["capture"]
    file: Path
    pace: Literal["recorded", "fast"] = "recorded"


_SECRETS = {"apikey", "secret", "password", "uid", "login", "privatekey", "walletaddress", "token", "twofa"}


class CcxtFeed(Section):
    """Any exchange that ccxt knows, by its id: asked by REST (``ccxt``) or listened to by websocket (``ccxt_pro``).

    ``config`` is handed to ccxt as it is (``urls``, ``options``, ``hostname``, ``aiohttp_proxy``); only public data is
    asked for, and a key has no place in it.
    """

    source: Literal["ccxt", "ccxt_pro"]
    venue: Name
    exchange: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
    symbols: tuple[Name, ...] = Field(min_length=1, max_length=10_000)
    streams: tuple[Literal["trade", "depth"], ...] = ("trade", "depth")
    every_seconds: Seconds = 1.0
    book_levels: int = Field(default=100, ge=1, le=5_000)
    status_every_seconds: Seconds = 60.0
    timeout_seconds: Seconds = 10.0
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("symbols")
    @classmethod
    def _once(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(symbols)) != len(symbols):
            raise ValueError("a symbol is named twice")
        return symbols

    @field_validator("config")
    @classmethod
    def _without_keys(cls, config: dict[str, Any]) -> dict[str, Any]:
        if any(name.lower() in _SECRETS for name in config):
            raise ValueError("a key has no place here: only public data is asked for")
        return config


Feed = Annotated[NdjsonFeed | CaptureFeed | CcxtFeed, Field(discriminator="source")]


class MarketLimits(Section):
    """Upper bounds of cardinality: symbols beyond ``symbols`` are not followed, those beyond ``books`` have no depth.

    What the configuration names first has the room; ``market_data_symbols_left_out`` says how many have none.
    """

    symbols: int = Field(default=500, ge=1, le=10_000)
    books: int = Field(default=100, ge=0, le=10_000)


class Measure(Section):
    """What is measured of each symbol, once each ``sample_seconds``; docs/metrics.md defines the series."""

    sample_seconds: Seconds = 1.0
    session_seconds: Seconds = 3600.0
    book_stale_seconds: Seconds = 10.0
    depth_bands_bps: tuple[Annotated[float, Field(gt=0, le=5_000)], ...] = Field(
        default=(5, 10, 25, 50, 100), min_length=1, max_length=20
    )
    depth_ratio_band_bps: Annotated[float, Field(gt=0, le=5_000)] = 25
    volume_window_seconds: Annotated[float, Field(ge=10, le=3600)] = 300.0
    volume_edges_bps: tuple[BasisPoints, ...] = Field(
        default=(-50, -25, -10, -5, -2, 0, 2, 5, 10, 25, 50), min_length=1, max_length=50
    )
    move_windows: tuple[Window, ...] = Field(default=("10s", "1m", "5m"), max_length=10)
    volatility_windows: tuple[Window, ...] = Field(default=("1m", "5m"), max_length=10)

    @field_validator("volume_edges_bps")
    @classmethod
    def _rising(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if list(edges) != sorted(set(edges)):
            raise ValueError("must rise")
        return edges

    @property
    def bands(self) -> tuple[float, ...]:
        """Every band, the one of the ratio included."""
        return tuple(sorted({*self.depth_bands_bps, self.depth_ratio_band_bps}))

    @property
    def moves(self) -> dict[str, float]:
        """Window as written -> seconds."""
        return {each: seconds_of(each) for each in self.move_windows}

    @property
    def volatilities(self) -> dict[str, float]:
        """Window as written -> seconds."""
        return {each: seconds_of(each) for each in self.volatility_windows}


def seconds_of(window: str) -> float:
    """``"5m"`` is 300."""
    return float(int(window[:-1]) * _UNITS[window[-1]])


class MarketDataSettings(Section):
    """The fastest message is that of ``offset_window_seconds``; prices older than ``expire_seconds`` are absent.

    A stream of which nothing came within ``first_message_seconds`` counts as stale from then on.
    """

    listen: Listen = Listen(port=9102)
    feeds: tuple[Feed, ...] = ()
    offset_window_seconds: Seconds = 600.0
    expire_seconds: Seconds = 60.0
    first_message_seconds: Seconds = 30.0
    limits: MarketLimits = MarketLimits()
    measure: Measure = Measure()
