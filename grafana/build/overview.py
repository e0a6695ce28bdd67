"""The first page: the switches on top, then four by four: latency, PnL, positions, system health."""

from grafana.build.dashboard import Dashboard, choice, dashboard, fill, heading
from grafana.build.panels import (
    NONE_IS_GOOD,
    AnyPanel,
    PanelT,
    Query,
    Steps,
    bars,
    lines,
    more_on,
    number,
)
from grafana.build.promql import KILL_ALERTS, STRATEGIES, SWITCH_RANK, WATCHDOG_AGE, quantile, rate, short_scopes
from grafana.build.states import SWITCH, UP, state_history, state_now
from grafana.build.thresholds import limit_of, series_of


def build() -> Dashboard:
    """The dashboard `andon-overview`."""
    board = dashboard(
        "overview",
        "Andon overview",
        "What is stopped, what is close to its limit, and whether orders and market data flow.",
    ).with_variable(choice("strategy", "Strategy", "label_values(trading_equity, strategy)"))
    return fill(
        board,
        *_switches(),
        heading("Latency"),
        *_latency(),
        heading("Profit and loss"),
        *_pnl(),
        heading("Positions and orders"),
        *_positions(),
        heading("System health"),
        *_health(),
    )


def _cell(panel: PanelT, page: str, title: str) -> PanelT:
    return more_on(panel.span(6).height(6), page, title)


def _switches() -> tuple[AnyPanel, ...]:
    return (
        more_on(
            state_now(
                "Switches",
                "The state of every scope that was ever stopped, and of the global one. A halted scope"
                " stays halted until two people resume it.",
                SWITCH,
                Query(short_scopes(SWITCH_RANK), "{{scope}}", instant=True),
                width=12,
            ),
            "kill-switch",
            "Kill switch",
        ),
        number(
            "Kill alerts firing",
            "Alerts that ask for reduce, halt or flatten and fire now.",
            "none",
            Query(f"count({KILL_ALERTS}) or vector(0)", instant=True),
            colors=NONE_IS_GOOD,
        ),
        number(
            "Kills not verified",
            "Scopes that were told to stop and of which it is not proved yet that no order, or after a"
            " flatten no position, is left. The kill goes on until it is.",
            "none",
            Query("sum(andon_unverified)", instant=True),
            colors=NONE_IS_GOOD,
        ),
        number(
            "Sign of life of the kill path",
            "Age of the last Watchdog that came through Prometheus and Alertmanager to the webhook. It comes"
            " every 10 s; when it stays away, no breach arrives either.",
            "s",
            Query(WATCHDOG_AGE, instant=True),
            colors=Steps("green", ((30, "orange"), (limit_of("AndonWatchdogMissing"), "red"))),
            no_value="never",
        ),
    )


def _latency() -> tuple[AnyPanel, ...]:
    return (
        _cell(
            lines(
                "Market data latency",
                "From the venue's event to us, by the 99th percentile and the median, with the venue's clock offset"
                " taken out. The dashed line is where MarketDataLatencyHigh warns.",
                "s",
                Query(quantile(0.99, "market_data_feed_latency_seconds"), "p99"),
                Query(quantile(0.5, "market_data_feed_latency_seconds"), "median"),
                minimum=0,
                limit=series_of("MarketDataLatencyHigh"),
                width=6,
            ),
            "market-data",
            "Market data",
        ),
        _cell(
            lines(
                "Feed age",
                "Seconds since the last book update of each symbol. The dashed line is the strictest limit; a feed"
                " older than its limit halts its symbol.",
                "s",
                Query("max by (venue, symbol) (symbol:market_data_age:seconds)", "{{symbol}}"),
                Query("min(symbol:market_data_age_limit:seconds)", "limit"),
                minimum=0,
                dashed="/^limit/",
                width=6,
            ),
            "market-data",
            "Market data",
        ),
        _cell(
            lines(
                "Order acknowledgement",
                "From sending an order to the venue's acknowledgement, 99th percentile of each strategy.",
                "s",
                Query(quantile(0.99, "trading_order_acknowledgement_seconds", "strategy", STRATEGIES), "{{strategy}}"),
                minimum=0,
                width=6,
            ),
            "trading",
            "Trading",
        ),
        _cell(
            lines(
                "Round trip to the venues",
                "From asking the venue for its time to the whole answer, 95th percentile. The dashed line is where"
                " SystemVenueSlow warns.",
                "s",
                Query(quantile(0.95, "system_venue_round_trip_seconds", "venue"), "{{venue}}"),
                minimum=0,
                limit=series_of("SystemVenueSlow"),
                width=6,
            ),
            "system",
            "System",
        ),
    )


def _pnl() -> tuple[AnyPanel, ...]:
    return (
        _cell(
            lines(
                "Profit of the day",
                "Equity now less equity at the start of the day (UTC 00:00 unless configured), deposits aside.",
                "short",
                Query(f"max by (strategy, currency) (trading_daily_pnl{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"),
                width=6,
            ),
            "risk",
            "Risk",
        ),
        _cell(
            lines(
                "Equity",
                "Equity of each strategy by currency.",
                "locale",
                Query(f"max by (strategy, currency) (trading_equity{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"),
                width=6,
            ),
            "risk",
            "Risk",
        ),
        _cell(
            lines(
                "Drawdown against its limit",
                "Fall of each strategy's equity from its peak, deposits aside. The dashed line is the limit of"
                " prometheus/rules/limits.yml; beyond it the strategy is flattened.",
                "percentunit",
                Query(f"max by (strategy) (trading_drawdown_ratio{{{STRATEGIES}}})", "{{strategy}}"),
                Query(f"min(strategy:trading_drawdown_limit:ratio{{{STRATEGIES}}})", "limit"),
                minimum=0,
                dashed="/^limit/",
                width=6,
            ),
            "risk",
            "Risk",
        ),
        _cell(
            bars(
                "Closest to their limits",
                "The six highest measured values over their limits: at 100 % the rule fires.",
                "percentunit",
                Query(
                    'topk(6, max by (limit, account, strategy) (trading:limit_use:ratio{strategy=~"($strategy)?"}))',
                    "{{strategy}} {{limit}}",
                    instant=True,
                ),
            ),
            "risk",
            "Risk",
        ),
    )


def _positions() -> tuple[AnyPanel, ...]:
    return (
        _cell(
            lines(
                "Gross exposure against its limit",
                "Sum of the positions' notionals without their signs. Beyond the dashed line the strategy is halted.",
                "short",
                Query(
                    f"max by (strategy, currency) (trading_gross_exposure{{{STRATEGIES}}})",
                    "{{strategy}}, {{currency}}",
                ),
                Query(
                    f"min by (currency) (strategy:trading_gross_exposure_limit:notional{{{STRATEGIES}}})",
                    "limit, {{currency}}",
                ),
                minimum=0,
                dashed="/^limit/",
                width=6,
            ),
            "risk",
            "Risk",
        ),
        _cell(
            lines(
                "Net exposure",
                "Sum of the positions' notionals with their signs: above zero long, below zero short.",
                "short",
                Query(
                    f"max by (strategy, currency) (trading_net_exposure{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"
                ),
                width=6,
            ),
            "risk",
            "Risk",
        ),
        _cell(
            lines(
                "Orders sent against their limit",
                "Orders a second over the last 2 s, as the rule sees them. Beyond the dashed line the strategy is"
                " halted.",
                "reqps",
                Query(f"max by (strategy) (strategy:trading_orders_sent:rate2s{{{STRATEGIES}}})", "{{strategy}}"),
                Query(f"min(strategy:trading_order_rate_limit:rate2s{{{STRATEGIES}}})", "limit"),
                minimum=0,
                dashed="/^limit/",
                width=6,
            ),
            "trading",
            "Trading",
        ),
        _cell(
            lines(
                "Open orders",
                "Orders that the engine believes to be open, of each strategy. After a kill this must fall to zero.",
                "none",
                Query(f"sum by (strategy) (trading_orders_open{{{STRATEGIES}}})", "{{strategy}}"),
                minimum=0,
                width=6,
            ),
            "trading",
            "Trading",
        ),
    )


def _health() -> tuple[AnyPanel, ...]:
    return (
        _cell(
            state_history(
                "Programs and feeds",
                "Whether the named programs run and the market data of each venue is connected.",
                UP,
                Query("min by (process) (system_process_up)", "{{process}}"),
                Query("min by (venue) (market_data_feed_up)", "feed {{venue}}"),
            ),
            "system",
            "System",
        ),
        _cell(
            lines(
                "CPU and memory",
                "Used share of the host's cores and memory.",
                "percentunit",
                Query("avg(system_cpu_usage_ratio)", "CPU"),
                Query("max(system_memory_usage_ratio)", "memory"),
                minimum=0,
                limit=series_of("SystemCpuHigh"),
                width=6,
            ),
            "system",
            "System",
        ),
        _cell(
            state_history(
                "Kill path",
                "Whether the exporters' kill series and the webhook can be read, and the webhook reaches the venue"
                " accounts and the engines.",
                UP,
                Query('min by (job) (up{job=~".*-kill|webhook|alertmanager"})', "{{job}}"),
                Query("min by (venue_account) (andon_venue_up)", "account {{venue_account}}"),
                Query("min by (engine) (andon_engine_up)", "engine {{engine}}"),
            ),
            "pipeline",
            "Pipeline",
        ),
        _cell(
            lines(
                "Events taken in",
                "Market data messages and trading events a second: both at zero means that nobody feeds the rules.",
                "short",
                Query(rate("market_data_messages_total"), "market data"),
                Query(rate("trading_events_total"), "trading"),
                minimum=0,
                width=6,
            ),
            "pipeline",
            "Pipeline",
        ),
    )
