"""Every series of the market data exporter."""

from typing import Final

from exporters.market_data import liquidity_series
from exporters.series import counter, gauge, histogram

_STREAM: Final = "venue symbol stream"
_FEED: Final = "the feed"

LAST_EVENT: Final = gauge(
    "market_data_last_event_timestamp_seconds",
    _STREAM,
    "kill",
    "seconds since the epoch, venue's clock",
    _FEED,
    "Event time of the last message; absent for a stream that carries none (spot book_ticker).",
)
LAST_RECEIVED: Final = gauge(
    "market_data_last_received_timestamp_seconds",
    _STREAM,
    "kill",
    "seconds since the epoch",
    _FEED,
    "When the last message arrived.",
)
CLOCK_OFFSET: Final = gauge(
    "market_data_clock_offset_seconds",
    "venue",
    "kill",
    "seconds, signed",
    "the venue's time endpoint, else the feed",
    "Venue clock minus ours: the midpoint of the fastest recent round trip where the venue is asked for its time, else "
    "taken from the fastest message of the window (then too small by that message's latency).",
)
GAPS: Final = counter(
    "market_data_sequence_gaps_total",
    _STREAM,
    "kill",
    "gaps",
    _FEED,
    "Breaks in the sequence: depth by pu (futures) or U (spot), trade by trade id; a reconnect is none.",
)
FEED_UP: Final = gauge(
    "market_data_feed_up",
    "venue",
    "kill",
    "boolean",
    _FEED,
    "1 while every feed of the venue is connected and has spoken.",
)
MESSAGES: Final = counter("market_data_messages_total", _STREAM, "rest", "messages", _FEED, "Messages taken in.")
MISSING: Final = counter(
    "market_data_missing_updates_total",
    _STREAM,
    "rest",
    "ids (depth: update ids, trade: trades)",
    _FEED,
    "Ids that the gaps left out.",
)
OUT_OF_ORDER: Final = counter(
    "market_data_out_of_order_total",
    _STREAM,
    "rest",
    "messages",
    _FEED,
    "Messages at or before one that was already seen; they change no state.",
)
MALFORMED: Final = counter(
    "market_data_malformed_total", "venue", "rest", "lines", _FEED, "Lines that were no message of the stream."
)
LATENCY: Final = histogram(
    "market_data_feed_latency_seconds",
    "venue stream",
    "rest",
    "seconds",
    _FEED,
    "Receive time minus event time plus clock offset, not below 0; without a time endpoint relative to the fastest "
    "message.",
)
LATENCY_RAW: Final = gauge(
    "market_data_feed_latency_raw_seconds",
    "venue stream",
    "rest",
    "seconds, signed",
    _FEED,
    "Receive time minus event time of the last message, two clocks apart; negative when the venue's is ahead.",
)
MID: Final = gauge(
    "market_data_mid_price",
    "venue symbol",
    "rest",
    "price",
    "book_ticker",
    "Mean of best bid and ask; absent when a side is empty or old.",
)
SPREAD: Final = gauge(
    "market_data_spread_ratio",
    "venue symbol",
    "rest",
    "ratio",
    "book_ticker",
    "Best ask less best bid over mid; negative when crossed.",
)
BEST_BID: Final = gauge("market_data_best_bid", "venue symbol", "rest", "price", "book_ticker", "Best bid.")
BEST_ASK: Final = gauge("market_data_best_ask", "venue symbol", "rest", "price", "book_ticker", "Best ask.")
RECONNECTS: Final = counter(
    "market_data_reconnects_total",
    "venue",
    "rest",
    "connections",
    _FEED,
    "Times a connection was lost or could not be made.",
)
SERIES: Final = (
    LAST_EVENT,
    LAST_RECEIVED,
    CLOCK_OFFSET,
    GAPS,
    FEED_UP,
    MESSAGES,
    MISSING,
    OUT_OF_ORDER,
    MALFORMED,
    LATENCY,
    LATENCY_RAW,
    MID,
    SPREAD,
    BEST_BID,
    BEST_ASK,
    RECONNECTS,
    *liquidity_series.SERIES,
)
