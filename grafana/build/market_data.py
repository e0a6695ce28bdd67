"""The market: liquidity of the books as heatmaps, where volume is traded, and whether the feeds can be trusted."""

from grafana_foundation_sdk.models.common import HeatmapCellLayout

from grafana.build.dashboard import Dashboard, choice, dashboard, fill, heading, one_of
from grafana.build.heatmaps import heatmap
from grafana.build.panels import AnyPanel, Query, lines
from grafana.build.promql import increase, quantile, rate
from grafana.build.states import UP, state_history
from grafana.build.thresholds import series_of

SYMBOLS = 'symbol=~"$symbol"'
BOOK = 'symbol="$book"'

BOOK_STATE = {
    0: ("ok", "green"),
    1: ("empty", "orange"),
    2: ("stale", "orange"),
    3: ("unsynchronised", "red"),
    4: ("CROSSED", "red"),
}
TRADING = {
    0: ("trading", "green"),
    1: ("auction", "blue"),
    2: ("break", "orange"),
    3: ("HALT", "red"),
    4: ("?", "text"),
}


def build() -> Dashboard:
    """The dashboard `andon-market-data`."""
    board = (
        dashboard(
            "market-data",
            "Andon market data",
            "Depth and liquidity, volume at price, prices, and whether the feeds can be trusted.",
        )
        .with_variable(one_of("book", "Order book", "label_values(market_data_depth_notional, symbol)"))
        .with_variable(choice("symbol", "Symbols", "label_values(market_data_messages_total, symbol)"))
    )
    return fill(
        board,
        heading("The order book of $book"),
        *_book(),
        heading("Liquidity and prices"),
        *_prices(),
        heading("Feeds"),
        *_feeds(),
    )


def _depth(side: str, title: str, scheme: str, *, upside_down: bool) -> AnyPanel:
    # Depth within a band is cumulative, as the buckets of a histogram are: Grafana makes bands of it when the band's
    # label is called `le`.
    depth = f'sum by (band) (market_data_depth_notional{{{BOOK}, side="{side}"}})'
    return heatmap(
        title,
        "Money that rests between one distance from the mid price and the next, in quote currency. The darker, the"
        " more can be traded there; a pale row near the mid is a thin book.",
        "short",
        Query(
            f'sum by (le) (label_replace({depth}, "le", "$1", "band", "(.*)"))',
            "{{le}}",
            buckets=True,
        ),
        rows="basis points from mid",
        scheme=scheme,
        upside_down=upside_down,
    )


def _book() -> tuple[AnyPanel, ...]:
    return (
        _depth("ask", "Depth of the asks", "Reds", upside_down=False),
        heatmap(
            "Volume at price",
            "Share of the window's traded quantity in each range of prices, by its lower edge's distance from the"
            " volume-weighted mean price.",
            "percentunit",
            Query(f"max by (bucket) (market_data_volume_at_price_ratio{{{BOOK}}})", "{{bucket}}"),
            rows="basis points from the mean",
            layout=HeatmapCellLayout.GE,
            scheme="Blues",
        ),
        _depth("bid", "Depth of the bids", "Greens", upside_down=True),
        lines(
            "Best prices",
            "Best bid, best ask and the mid between them.",
            "none",
            Query(f"max by (symbol) (market_data_best_ask{{{BOOK}}})", "ask"),
            Query(f"max by (symbol) (market_data_mid_price{{{BOOK}}})", "mid"),
            Query(f"max by (symbol) (market_data_best_bid{{{BOOK}}})", "bid"),
        ),
        lines(
            "Traded notional",
            "Notional that was bought and sold by takers a second, in quote currency.",
            "short",
            Query(rate("market_data_traded_notional_total", "side", BOOK), "{{side}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Imbalance",
            "Bids less asks over both, on the best level and the best five: above zero buyers are thicker.",
            "none",
            Query(f"max by (levels) (market_data_imbalance_ratio{{{BOOK}}})", "best {{levels}}"),
            width=8,
        ),
        lines(
            "Anomaly of the volume at price",
            "How far the profile of traded prices is from that of the session.",
            "none",
            Query(f"max by (symbol) (market_data_volume_at_price_anomaly_score{{{SYMBOLS}}})", "{{symbol}}"),
            limit=series_of("MarketDataVolumeAtPriceUnusual"),
            width=8,
        ),
    )


def _prices() -> tuple[AnyPanel, ...]:
    return (
        heatmap(
            "Liquidity of all symbols",
            "Depth within 25 basis points on both sides over its median of the session: 100 % is usual, the paler"
            " the thinner.",
            "percentunit",
            Query(f"min by (symbol) (market_data_depth_ratio{{{SYMBOLS}}})", "{{symbol}}"),
            rows="symbol",
            scheme="Greens",
            highest=2,
        ),
        heatmap(
            "Spread of all symbols",
            "Best ask less best bid over the mid. The darker, the more it costs to trade.",
            "percentunit",
            Query(f"max by (symbol) (market_data_spread_ratio{{{SYMBOLS}}})", "{{symbol}}"),
            rows="symbol",
            scheme="Oranges",
        ),
        lines(
            "Price move",
            "Signed move of the mid price over each window.",
            "percentunit",
            Query(f"max by (symbol, window) (market_data_price_move_ratio{{{BOOK}}})", "{{window}}"),
            width=8,
        ),
        lines(
            "Realised volatility",
            "Of the mid price, within each window and not annualised.",
            "percentunit",
            Query(f"max by (symbol, window) (market_data_realised_volatility_ratio{{{BOOK}}})", "{{window}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Closeness to the circuit breakers",
            "Move of the price, and volatility, over their limits, the highest of the windows: at 100 % the symbol may"
            " only be reduced for a time.",
            "percentunit",
            Query(
                "max by (symbol) (abs("
                f"market_data_price_move_ratio{{{SYMBOLS}}}) / on (venue, symbol, window) group_left ()"
                " symbol:market_data_price_move_limit:ratio)",
                "{{symbol}} move",
            ),
            Query(
                "max by (symbol) ("
                f"market_data_realised_volatility_ratio{{{SYMBOLS}}} / on (venue, symbol, window) group_left ()"
                " symbol:market_data_volatility_limit:ratio)",
                "{{symbol}} volatility",
            ),
            minimum=0,
            limit=1,
            width=8,
        ),
    )


def _worst(metric: str, label: str, values: dict[str, int]) -> str:
    # Each state is a series of 0 or 1: the sum of rank times state is the rank of the state that holds.
    parts = [f'max by (symbol) ({metric}{{{SYMBOLS}, {label}="{value}"}}) * {rank}' for value, rank in values.items()]
    return " + ".join(parts)


def _feeds() -> tuple[AnyPanel, ...]:
    return (
        state_history(
            "Feeds",
            "Whether every feed of each venue is connected and has spoken.",
            UP,
            Query("min by (venue) (market_data_feed_up)", "{{venue}}"),
            width=8,
            height=7,
        ),
        state_history(
            "Books",
            "What each book is: unsynchronised after a gap until it is read anew; crossed when a bid is above an ask.",
            BOOK_STATE,
            Query(
                _worst(
                    "market_data_book_state",
                    "state",
                    {"ok": 0, "empty": 1, "stale": 2, "unsynchronised": 3, "crossed": 4},
                ),
                "{{symbol}}",
            ),
            width=8,
            height=7,
        ),
        state_history(
            "Trading status",
            "What the venue itself says about each symbol: halts and auctions are the venue's circuit breakers.",
            TRADING,
            Query(
                _worst(
                    "market_data_trading_status",
                    "status",
                    {"trading": 0, "auction": 1, "break": 2, "halt": 3, "unknown": 4},
                ),
                "{{symbol}}",
            ),
            width=8,
            height=7,
        ),
        lines(
            "Age of the books",
            "Seconds since the last book update, with the venue's clock offset taken out. A symbol beyond the dashed"
            " line is halted.",
            "s",
            Query(f"max by (venue, symbol) (symbol:market_data_age:seconds{{{SYMBOLS}}})", "{{symbol}}"),
            Query("min(symbol:market_data_age_limit:seconds)", "limit"),
            minimum=0,
            dashed="/^limit/",
        ),
        heatmap(
            "Latencies",
            "How many messages arrived how late, with the venue's clock offset taken out, since the point before.",
            "none",
            Query(increase("market_data_feed_latency_seconds_bucket", "le"), "{{le}}", buckets=True),
            rows="latency",
            rows_unit="s",
        ),
        lines(
            "Latency",
            "99th percentile and median of each stream. The dashed line is where MarketDataLatencyHigh warns.",
            "s",
            Query(quantile(0.99, "market_data_feed_latency_seconds", "stream"), "{{stream}} p99"),
            Query(quantile(0.5, "market_data_feed_latency_seconds", "stream"), "{{stream}} median"),
            minimum=0,
            limit=series_of("MarketDataLatencyHigh"),
            width=8,
        ),
        lines(
            "Messages",
            "Messages a second of each stream.",
            "reqps",
            Query(rate("market_data_messages_total", "stream", SYMBOLS), "{{stream}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Clock offset of the venues",
            "Venue clock minus ours.",
            "s",
            Query("max by (venue) (market_data_clock_offset_seconds)", "{{venue}}"),
            width=8,
        ),
        lines(
            "Gaps in the sequence",
            "Breaks in the sequence numbers since the point before; more than the limit within 30 s allow only"
            " reducing.",
            "none",
            Query(increase("market_data_sequence_gaps_total", "symbol", SYMBOLS), "{{symbol}}"),
            Query("min(symbol:market_data_sequence_gaps_limit:increase30s)", "limit"),
            minimum=0,
            dashed="/^limit/",
            width=6,
        ),
        lines(
            "Missing, late and unreadable",
            "Ids that gaps left out, messages out of order, lines that were no message and values that cannot be, a"
            " second.",
            "reqps",
            Query(rate("market_data_missing_updates_total", where=SYMBOLS), "missing"),
            Query(rate("market_data_out_of_order_total", where=SYMBOLS), "out of order"),
            Query(rate("market_data_malformed_total"), "malformed"),
            Query(rate("market_data_bad_values_total"), "bad values"),
            minimum=0,
            width=6,
        ),
        lines(
            "Connections made anew",
            "Connections lost and books subscribed anew after a gap, since the point before.",
            "none",
            Query(increase("market_data_reconnects_total", "venue"), "reconnects {{venue}}"),
            Query(increase("market_data_resubscribes_total", where=SYMBOLS), "resubscribes"),
            minimum=0,
            width=6,
        ),
        lines(
            "Symbols left out",
            "Symbols that are not watched because the number is bounded by configuration, or the venue has none.",
            "none",
            Query("max by (venue, reason) (market_data_symbols_left_out)", "{{venue}} {{reason}}"),
            minimum=0,
            width=6,
        ),
    )
