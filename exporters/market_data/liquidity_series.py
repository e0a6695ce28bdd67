"""The series of depth, volume, moves and trading status."""

from typing import Final

from exporters.series import counter, gauge

_BOOK: Final = "depth, from snapshot and differences"
_SAMPLED: Final = "sampled once a second"

DEPTH: Final = gauge(
    "market_data_depth_notional",
    "venue symbol side band",
    "rest",
    "money in the symbol's quote currency",
    _BOOK,
    "Sum of price times quantity within band basis points of the mid, by side (bid, ask); with one side empty from the "
    "best of the other, and 0 on the empty side; absent when the book is crossed, stale or unsynchronised.",
)
DEPTH_RATIO: Final = gauge(
    "market_data_depth_ratio",
    "venue symbol side",
    "rest",
    "ratio (1 is usual)",
    _BOOK,
    "Depth within 25 basis points (measure.depth_ratio_band_bps) over its median of the session (the last hour, one "
    "value each 5 s); absent in the first minute.",
)
IMBALANCE: Final = gauge(
    "market_data_imbalance_ratio",
    "venue symbol levels",
    "rest",
    "ratio -1 to 1",
    _BOOK,
    "(bid quantity - ask quantity) / (bid + ask quantity) over the best 1 and 5 levels; absent when both are empty.",
)
BOOK_STATE: Final = gauge(
    "market_data_book_state",
    "venue symbol state",
    "rest",
    "boolean",
    _BOOK,
    "1 for the state the book is in, 0 for the others: ok, empty (a side has no level), crossed (bid at or above ask), "
    "stale (10 s without an update), unsynchronised (no snapshot yet, or an update was missed).",
)
RESUBSCRIBES: Final = counter(
    "market_data_resubscribes_total",
    "venue symbol",
    "rest",
    "requests",
    "the feed",
    "Times a book was asked for anew because an update was missed.",
)
BAD_VALUES: Final = counter(
    "market_data_bad_values_total",
    "venue field",
    "rest",
    "messages",
    "the feed",
    "Messages that were refused because a value cannot be true: field is price, quantity (NaN, negative, no number), "
    "time or id; they count as malformed too.",
)
TRADED: Final = counter(
    "market_data_traded_notional_total",
    "venue symbol side",
    "rest",
    "money in the symbol's quote currency",
    "trade",
    "Sum of price times quantity of the market's trades; side is the taker's: buy, sell, or unknown where the venue "
    "does not say.",
)
VOLUME_AT_PRICE: Final = gauge(
    "market_data_volume_at_price_ratio",
    "venue symbol bucket",
    "rest",
    "ratio 0-1",
    "trade, looked at each 5 s",
    "Share of the quantity traded in the last 5 minutes by distance from their volume-weighted average price; bucket "
    "is the lower edge in basis points, -Inf for what is below the lowest edge; absent without trades.",
)
VOLUME_ANOMALY: Final = gauge(
    "market_data_volume_at_price_anomaly_score",
    "venue symbol",
    "rest",
    "nats (0: as usual)",
    "trade, looked at each 5 s",
    "Kullback-Leibler divergence of the volume-at-price shares from their mean of the session before, both smoothed by "
    "0.01; absent in the first minute.",
)
VOLATILITY: Final = gauge(
    "market_data_realised_volatility_ratio",
    "venue symbol window",
    "rest",
    "ratio, per window",
    _SAMPLED,
    "Root of the sum of the squared log returns of the mid, one a second, over the window (not annualised); of a part "
    "of the window scaled up to the whole; absent with less than 10 s known.",
)
MOVE: Final = gauge(
    "market_data_price_move_ratio",
    "venue symbol window",
    "kill",
    "ratio, signed",
    "the mid against one that was kept a second apart",
    "Mid now over the mid at the start of the window, less 1; while less than the window is known, over the oldest "
    "known; absent when the price is old.",
)
STATUS: Final = gauge(
    "market_data_trading_status",
    "venue symbol status",
    "rest",
    "boolean",
    "the venue's list of symbols",
    "1 for what the venue says of the symbol, 0 for the others: trading, halt, break, auction, unknown (it does not "
    "list the symbol, says something else, or has not answered lately); absent where nobody asks.",
)
LEFT_OUT: Final = gauge(
    "market_data_symbols_left_out",
    "venue reason",
    "rest",
    "symbols",
    "the exporter itself",
    "Configured symbols that are not followed: symbols_limit (no room), unknown (the venue does not list them); or "
    "without depth: books_limit.",
)
SERIES: Final = (
    MOVE,
    DEPTH,
    DEPTH_RATIO,
    IMBALANCE,
    BOOK_STATE,
    RESUBSCRIBES,
    BAD_VALUES,
    TRADED,
    VOLUME_AT_PRICE,
    VOLUME_ANOMALY,
    VOLATILITY,
    STATUS,
    LEFT_OUT,
)
