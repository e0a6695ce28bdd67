"""What a drill can break, what must be seen before anything acts, and what must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Sign:
    """One series that breaches its limit: ``{strategy}`` in *limit*, a PromQL query, is filled in.

    ``reads``: whether its ``value``, its ``age`` (it is a time) or its ``rate`` over two seconds is compared.
    ``by_strategy``: only the series of the drill's strategy count.
    """

    metric: str
    limit: str
    reads: Literal["value", "age", "rate"] = "value"
    exporter: Literal["trading", "market-data"] = "trading"
    by_strategy: bool = True


@dataclass(frozen=True, slots=True)
class Break:
    """One way to break the sandbox; ``engine`` and ``venue`` are bodies of their fault APIs, in order."""

    summary: str
    expects: str
    signs: tuple[Sign, ...]
    engine: tuple[Mapping[str, Any], ...] = ()
    venue: tuple[Mapping[str, Any], ...] = field(default=())
    restarts: bool = False
    """A supervisor may undo it before any limit is breached."""


_LOSS = (
    Sign("trading_drawdown_ratio", 'strategy:trading_drawdown_limit:ratio{{strategy="{strategy}"}}'),
    Sign("trading_daily_loss_ratio", 'strategy:trading_daily_loss_limit:ratio{{strategy="{strategy}"}}'),
    Sign("trading_gross_exposure", 'strategy:trading_gross_exposure_limit:notional{{strategy="{strategy}"}}'),
)
_RATE = (
    Sign("trading_orders_sent_total", 'strategy:trading_order_rate_limit:rate2s{{strategy="{strategy}"}}', "rate"),
    Sign("trading_child_parent_ratio", 'strategy:trading_child_parent_limit:ratio{{strategy="{strategy}"}}'),
)
_HEARTBEAT = (
    Sign(
        "trading_strategy_last_heartbeat_timestamp_seconds",
        'strategy:trading_heartbeat_age_limit:seconds{{strategy="{strategy}"}}',
        "age",
    ),
)
_FEED = (
    Sign(
        "market_data_last_received_timestamp_seconds",
        "min(symbol:market_data_age_limit:seconds)",
        "age",
        exporter="market-data",
        by_strategy=False,
    ),
)

BREAKS: Mapping[str, Break] = {
    "bleed": Break(
        "the strategy buys high and the market falls, until it has lost more than its limit",
        "flatten",
        _LOSS,
        engine=({"kind": "bleed", "strategy": "{strategy}"},),
    ),
    "runaway": Break(
        "the strategy sends child orders again and again",
        "halt",
        _RATE,
        engine=({"kind": "runaway", "strategy": "{strategy}"},),
    ),
    "ignore_pause": Break(
        "the strategy runs away, and the engine says paused and goes on for some seconds",
        "halt",
        _RATE,
        # It cannot be verified empty while the engine goes on; the sweep holds it down until the faults end.
        engine=(
            {"kind": "ignore_pause", "seconds": 6},
            {"kind": "runaway", "strategy": "{strategy}", "seconds": 4},
        ),
    ),
    "hang": Break(
        "the strategy runs away, and the engine never answers when it is told to stop",
        "halt",
        _RATE,
        engine=({"kind": "hang", "seconds": 8}, {"kind": "runaway", "strategy": "{strategy}", "seconds": 5}),
    ),
    "silent": Break("the engine trades on without any heartbeat", "halt", _HEARTBEAT, engine=({"kind": "silent"},)),
    "die": Break(
        "the engine's process ends at once, its orders stay",
        "halt",
        _HEARTBEAT,
        engine=({"kind": "die"},),
        restarts=True,
    ),
    "stalled_feed": Break(
        "the venue's market stream of BTCUSDT stops",
        "halt",
        _FEED,
        venue=({"kind": "stalled_feed", "symbol": "BTCUSDT"},),
    ),
}
