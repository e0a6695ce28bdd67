"""The series about how well a strategy trades."""

from typing import Final

from exporters.series import counter, gauge, histogram

_BOOK: Final = "venue account strategy"

SLIPPAGE: Final = histogram(
    "trading_slippage_ratio",
    "venue strategy",
    "rest",
    "ratio, signed",
    "`fill` events with `arrival_mid`, else that of the order or its parent",
    "side x (price - arrival mid) / arrival mid of each fill; positive is a cost. Fills without arrival mid are not "
    "counted. No sum, as it may fall.",
)
FILL_RATIO: Final = gauge(
    "trading_fill_ratio",
    _BOOK,
    "rest",
    "ratio 0-1",
    "`order_sent`, `modify_sent`, `fill` events",
    "Of the quantity sent in the window, what was filled since; several symbols are added up at their last prices.",
)
TURNOVER: Final = gauge(
    "trading_inventory_turnover_ratio",
    _BOOK,
    "rest",
    "ratio",
    "`fill`, `position` events",
    "Notional traded in the window over the mean gross notional held in it (over time); the highest of the currencies. "
    "Absent where nothing was held.",
)
ORDER_TO_TRADE: Final = gauge(
    "trading_order_to_trade_ratio",
    "venue account strategy symbol by",
    "rest",
    "ratio",
    "order events",
    "Orders per transaction less 1 in the session (the day), by number and by volume (RTS 9): submissions, "
    "modifications and cancellations over fills. Cancels of the kill are left out.",
)
MESSAGES: Final = counter(
    "trading_messages_total",
    f"{_BOOK} kind",
    "rest",
    "messages",
    "`order_sent`, `modify_sent`, `cancel_sent` events",
    "Messages sent to the venue; kind is submit, modify or cancel.",
)
LAST_ORDER: Final = gauge(
    "trading_last_order_timestamp_seconds",
    _BOOK,
    "rest",
    "seconds since the epoch",
    "`order_sent` events",
    "When the strategy last sent an order.",
)
LAST_ACKNOWLEDGEMENT: Final = gauge(
    "trading_last_acknowledgement_timestamp_seconds",
    _BOOK,
    "rest",
    "seconds since the epoch",
    "`order_acknowledged` events",
    "When the venue last took an order of the strategy.",
)
LAST_FILL: Final = gauge(
    "trading_last_fill_timestamp_seconds",
    _BOOK,
    "rest",
    "seconds since the epoch",
    "`fill` events",
    "When the strategy last traded.",
)
SERIES: Final = (
    SLIPPAGE,
    FILL_RATIO,
    TURNOVER,
    ORDER_TO_TRADE,
    MESSAGES,
    LAST_ORDER,
    LAST_ACKNOWLEDGEMENT,
    LAST_FILL,
)
