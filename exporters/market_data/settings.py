"""The market data exporter's part of the configuration."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from exporters.section import Listen, Name, Seconds, Section, Url, UrlPath


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

    ``idle_seconds`` without a byte, a ping included, end the connection.
    """

    source: Literal["ndjson"]
    url: Url
    streams: tuple[Literal["trade", "depth", "bookTicker"], ...] = ("trade", "depth", "bookTicker")
    time_path: UrlPath | None = None
    time_every_seconds: Seconds = 5.0
    idle_seconds: Seconds = 5.0


class CaptureFeed(_Feed):
    """A recorded capture, played in its own time and moved to now (``recorded``) or as ``fast`` as it can be read."""

    source: Literal["capture"]
    file: Path
    pace: Literal["recorded", "fast"] = "recorded"


Feed = Annotated[NdjsonFeed | CaptureFeed, Field(discriminator="source")]


class MarketDataSettings(Section):
    """The fastest message is that of ``offset_window_seconds``; prices older than ``expire_seconds`` are absent."""

    listen: Listen = Listen(port=9102)
    feeds: tuple[Feed, ...] = ()
    offset_window_seconds: Seconds = 600.0
    expire_seconds: Seconds = 60.0
