"""Every series of the trading exporter."""

from typing import Final

from exporters.series import counter, gauge, histogram
from exporters.trading import quality_series
from exporters.trading.risk import series as risk_series

_E: Final = "`equity` events"
_P: Final = "`position` events"
_BOOK: Final = "venue account strategy"
_INSTRUMENT: Final = "venue account strategy symbol"
_MONEY: Final = "venue account strategy currency"
_CCY: Final = "money in `currency`"

EQUITY: Final = gauge("trading_equity", _MONEY, "kill", _CCY, _E, "Equity of the strategy, as last said.")
EQUITY_PEAK: Final = gauge(
    "trading_equity_peak",
    _MONEY,
    "kill",
    _CCY,
    _E,
    "Highest equity seen, scaled by deposits and withdrawals since, so that drawdown is 1 - equity / peak. Survives a "
    "restart.",
)
DRAWDOWN: Final = gauge(
    "trading_drawdown_ratio",
    _BOOK,
    "kill",
    "ratio 0-1 (above 1: equity below zero)",
    _E,
    "1 - equity / peak equity, trailing, marked to market, deposits and withdrawals left aside; the worst of the "
    "currencies.",
)
DAILY_LOSS: Final = gauge(
    "trading_daily_loss_ratio",
    _BOOK,
    "kill",
    "ratio",
    _E,
    "Loss since the start of the day over the equity at its start, deposits and withdrawals left aside; 0 for a gain; "
    "the worst of the currencies.",
)
DAILY_PNL: Final = gauge(
    "trading_daily_pnl",
    _MONEY,
    "kill",
    _CCY,
    _E,
    "Equity now less equity at the start of the day less net deposits since.",
)
ACCOUNT_EQUITY: Final = gauge(
    "trading_account_equity",
    "venue account currency",
    "kill",
    _CCY,
    "`equity` events without `strategy`",
    "Equity of the whole account.",
)
ACCOUNT_EQUITY_PEAK: Final = gauge(
    "trading_account_equity_peak",
    "venue account currency",
    "kill",
    _CCY,
    "`equity` events without `strategy`",
    "Highest equity of the whole account, as trading_equity_peak.",
)
ACCOUNT_DRAWDOWN: Final = gauge(
    "trading_account_drawdown_ratio",
    "venue account",
    "kill",
    "ratio 0-1 (above 1: equity below zero)",
    "`equity` events without `strategy`",
    "Drawdown of the whole account, as trading_drawdown_ratio.",
)
ACCOUNT_DAILY_LOSS: Final = gauge(
    "trading_account_daily_loss_ratio",
    "venue account",
    "kill",
    "ratio",
    "`equity` events without `strategy`",
    "Daily loss of the whole account, as trading_daily_loss_ratio.",
)
MARGIN_USAGE: Final = gauge(
    "trading_margin_usage_ratio",
    "venue account",
    "kill",
    "ratio (liquidation at 1); `+Inf` without any margin balance",
    _E,
    "Maintenance margin over margin balance of the account.",
)
GROSS_EXPOSURE: Final = gauge(
    "trading_gross_exposure",
    _MONEY,
    "kill",
    _CCY,
    _P,
    "Sum of |quantity x mark price x multiplier| over the strategy's positions.",
)
NET_EXPOSURE: Final = gauge(
    "trading_net_exposure",
    _MONEY,
    "kill",
    _CCY,
    _P,
    "Sum of quantity x mark price x multiplier over the strategy's positions.",
)
ORDERS_SENT: Final = counter(
    "trading_orders_sent_total", _INSTRUMENT, "kill", "orders", "`order_sent` events", "Orders that left the engine."
)
CHILD_PARENT: Final = gauge(
    "trading_child_parent_ratio",
    _INSTRUMENT,
    "kill",
    "ratio (above 1 is a fault)",
    "`parent_order`, `order_sent`, `fill`, `order_cancelled`, `order_rejected` events",
    "Child quantity that is working or filled over the parent's quantity; the highest of the parents with an event in "
    "the last 10 minutes, 0 when there was none.",
)
ENGINE_HEARTBEAT: Final = gauge(
    "trading_engine_last_heartbeat_timestamp_seconds",
    "engine",
    "kill",
    "seconds since the epoch",
    "`heartbeat` events without `strategy`",
    "When the engine last said that it is alive (its own time, never later than ours).",
)
STRATEGY_HEARTBEAT: Final = gauge(
    "trading_strategy_last_heartbeat_timestamp_seconds",
    "engine strategy",
    "kill",
    "seconds since the epoch",
    "`heartbeat` events with `strategy`",
    "When the strategy last said that it is alive (its own time, never later than ours).",
)
LAST_EVENT: Final = gauge(
    "trading_last_event_timestamp_seconds",
    "engine",
    "kill",
    "seconds since the epoch",
    "any event",
    "Time of the last event of the engine (its own time, never later than ours).",
)
REALISED: Final = gauge(
    "trading_realised_pnl",
    _MONEY,
    "rest",
    _CCY,
    "`equity` events, else `position` events",
    "Realised profit, as last said; signed.",
)
UNREALISED: Final = gauge(
    "trading_unrealised_pnl",
    _MONEY,
    "rest",
    _CCY,
    "`equity` events, else `position` events",
    "Unrealised profit, as last said; signed.",
)
POSITION_QUANTITY: Final = gauge(
    "trading_position_quantity",
    _INSTRUMENT,
    "rest",
    "base units, signed",
    _P,
    "Position of the strategy, as last said.",
)
POSITION_NOTIONAL: Final = gauge(
    "trading_position_notional",
    f"{_INSTRUMENT} currency",
    "rest",
    f"{_CCY}, signed",
    _P,
    "Quantity x mark price x multiplier.",
)
ACKNOWLEDGED: Final = counter(
    "trading_orders_acknowledged_total",
    _INSTRUMENT,
    "rest",
    "orders",
    "`order_acknowledged` events",
    "Orders the venue took.",
)
REJECTED: Final = counter(
    "trading_orders_rejected_total",
    f"{_INSTRUMENT} code",
    "rest",
    "orders",
    "`order_rejected` events",
    "Orders the venue refused; at most 32 codes, what is beyond counts as `other`.",
)
CANCELS_SENT: Final = counter(
    "trading_cancels_sent_total",
    _INSTRUMENT,
    "rest",
    "requests",
    "`cancel_sent` events",
    "Cancels that left the engine.",
)
CANCELLED: Final = counter(
    "trading_orders_cancelled_total",
    f"{_INSTRUMENT} initiator",
    "rest",
    "orders",
    "`order_cancelled` events",
    "Orders confirmed cancelled; initiator is engine, venue or kill.",
)
FILLS: Final = counter("trading_fills_total", _INSTRUMENT, "rest", "fills", "`fill` events", "Fills.")
FILLED_QUANTITY: Final = counter(
    "trading_filled_quantity_total",
    _INSTRUMENT,
    "rest",
    "base units",
    "`fill` events",
    "Quantity filled, bought and sold.",
)
TRADED_NOTIONAL: Final = counter(
    "trading_traded_notional_total",
    f"{_INSTRUMENT} currency",
    "rest",
    _CCY,
    "`fill` events",
    "Quantity x price x the multiplier of the last position event (else 1); currency is the symbol's settlement "
    "currency.",
)
FEES: Final = counter(
    "trading_fees_total", f"{_INSTRUMENT} currency", "rest", _CCY, "`fill` events", "Fees paid; rebates are apart."
)
REBATES: Final = counter(
    "trading_fee_rebates_total",
    f"{_INSTRUMENT} currency",
    "rest",
    _CCY,
    "`fill` events with a negative `fee`",
    "Fees received.",
)
PARENTS: Final = counter(
    "trading_parent_orders_total", _INSTRUMENT, "rest", "orders", "`parent_order` events", "Parent orders decided."
)
ORPHANS: Final = counter(
    "trading_child_orders_without_parent_total",
    _INSTRUMENT,
    "rest",
    "orders",
    "`order_sent` events",
    "Child orders that named a parent nobody had announced; the child/parent ratio cannot know them.",
)
ORDERS_OPEN: Final = gauge(
    "trading_orders_open",
    _INSTRUMENT,
    "rest",
    "orders",
    "order events",
    "Orders sent and not known to be filled, cancelled or rejected.",
)
ACK_SECONDS: Final = histogram(
    "trading_order_acknowledgement_seconds",
    _BOOK,
    "rest",
    "seconds",
    "`order_sent`, `order_acknowledged` events",
    "Time from sending an order to the venue's acknowledgement, both by the engine's clock.",
)
STRATEGY_STATE: Final = gauge(
    "trading_strategy_state",
    "engine strategy state",
    "rest",
    "boolean",
    "`heartbeat` events with `strategy`",
    "1 for the state the strategy is in, 0 for the others: running, reduce_only, paused.",
)
ENGINE_STATE: Final = gauge(
    "trading_engine_state",
    "engine state",
    "rest",
    "boolean",
    "`heartbeat` events without `strategy`",
    "1 for the state the engine is in, 0 for the others: running, reduce_only, paused.",
)
ENGINE_START: Final = gauge(
    "trading_engine_start_time_seconds",
    "engine",
    "rest",
    "seconds since the epoch",
    "`heartbeat` events without `strategy`",
    "When the engine says it was started.",
)
ENGINE_OPEN_ORDERS: Final = gauge(
    "trading_engine_open_orders",
    "engine",
    "rest",
    "orders",
    "`heartbeat` events without `strategy`",
    "Open orders by the engine's own count; compare with trading_orders_open.",
)
EVENTS: Final = counter(
    "trading_events_total", "engine type", "rest", "events", "any event", "Events taken in, without duplicates."
)
MALFORMED: Final = counter(
    "trading_events_malformed_total",
    "transport",
    "rest",
    "lines",
    "the intake",
    "Lines that were not an event; transport is http, file or kafka.",
)
DUPLICATE: Final = counter(
    "trading_events_duplicate_total",
    "transport",
    "rest",
    "events",
    "the intake",
    "Events whose seq had been seen; they changed nothing.",
)
MISSING: Final = counter(
    "trading_events_missing_total",
    "engine",
    "rest",
    "events",
    "`seq` of any event",
    "Numbers left out within a session: events that were lost on the way.",
)
LAG: Final = gauge(
    "trading_events_lag_seconds",
    "engine",
    "rest",
    "seconds",
    "any event",
    "Now less the time of the engine's last event.",
)
FORGOTTEN: Final = counter(
    "trading_orders_forgotten_total",
    "kind",
    "rest",
    "orders",
    "the exporter itself",
    "Open orders and parents dropped because memory is bounded; ratios and counts of open orders are low from then on.",
)
SERIES: Final = (
    EQUITY,
    EQUITY_PEAK,
    DRAWDOWN,
    DAILY_LOSS,
    DAILY_PNL,
    ACCOUNT_EQUITY,
    ACCOUNT_EQUITY_PEAK,
    ACCOUNT_DRAWDOWN,
    ACCOUNT_DAILY_LOSS,
    MARGIN_USAGE,
    GROSS_EXPOSURE,
    NET_EXPOSURE,
    ORDERS_SENT,
    CHILD_PARENT,
    ENGINE_HEARTBEAT,
    STRATEGY_HEARTBEAT,
    LAST_EVENT,
    REALISED,
    UNREALISED,
    POSITION_QUANTITY,
    POSITION_NOTIONAL,
    ACKNOWLEDGED,
    REJECTED,
    CANCELS_SENT,
    CANCELLED,
    FILLS,
    FILLED_QUANTITY,
    TRADED_NOTIONAL,
    FEES,
    REBATES,
    PARENTS,
    ORPHANS,
    ORDERS_OPEN,
    ACK_SECONDS,
    STRATEGY_STATE,
    ENGINE_STATE,
    ENGINE_START,
    ENGINE_OPEN_ORDERS,
    EVENTS,
    MALFORMED,
    DUPLICATE,
    MISSING,
    LAG,
    FORGOTTEN,
    *quality_series.SERIES,
    *risk_series.SERIES,
)
