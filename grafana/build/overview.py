"""The first page: is anything stopped, is anything close to a limit, do orders and feeds flow."""

from grafana.build.dashboard import Dashboard, choice, dashboard, fill
from grafana.build.panels import NONE_IS_GOOD, Query, Steps, bars, lines, number, switch_history, switch_states

# 0 normal, 1 reduce only, 2 halted; the worst row wins.
SWITCH_RANK = (
    'max by (scope) (andon_switch_state{state="halted"} * 2 or andon_switch_state{state="degraded"}'
    ' or andon_switch_state{state="normal"} * 0)'
)
STRATEGIES = 'strategy=~"$strategy"'


def build() -> Dashboard:
    """The dashboard `andon-overview`."""
    board = dashboard(
        "andon-overview",
        "Andon overview",
        "What is stopped, what is close to its limit, and whether orders and market data flow.",
    ).with_variable(choice("strategy", "Strategy", "label_values(trading_equity, strategy)"))
    return fill(
        board,
        switch_states(
            "Switches",
            "The state of every scope that was ever stopped, and of the global one. A halted scope"
            " stays halted until two people resume it.",
            Query(SWITCH_RANK, "{{scope}}", instant=True),
            width=12,
            height=4,
        ),
        number(
            "Kill alerts firing",
            "Alerts that ask for reduce, halt or flatten and fire now.",
            "none",
            Query('count(ALERTS{alertstate="firing", kill_action=~"reduce|halt|flatten"}) or vector(0)', instant=True),
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
            Query("time() - (max(andon_watchdog_last_timestamp_seconds) > 0)", instant=True),
            colors=Steps("green", ((30, "orange"), (60, "red"))),
            no_value="never",
        ),
        switch_history(
            "Switches over time",
            "When each scope was stopped and resumed.",
            Query(SWITCH_RANK, "{{scope}}"),
            width=24,
            height=5,
        ),
        lines(
            "Drawdown against its limit",
            "Fall of each strategy's equity from its peak, deposits aside. The dashed line is the limit of"
            " prometheus/rules/limits.yml; beyond it the strategy is flattened.",
            "percentunit",
            Query(f"max by (strategy) (trading_drawdown_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            Query(f"strategy:trading_drawdown_limit:ratio{{{STRATEGIES}}}", "limit of {{strategy}}"),
            minimum=0,
            dashed="/^limit /",
        ),
        bars(
            "Use of the limits",
            "Each measured value over its limit: at 100 % the rule fires.",
            "percentunit",
            Query(
                'max by (limit, account, strategy) (trading:limit_use:ratio{strategy=~"($strategy)?"})',
                "{{limit}} {{account}} {{strategy}}",
                instant=True,
            ),
        ),
        lines(
            "Equity",
            "Equity of each strategy by venue, account and currency.",
            "none",
            Query(
                f"max by (venue, account, strategy, currency) (trading_equity{{{STRATEGIES}}})",
                "{{strategy}} on {{venue}}/{{account}}, {{currency}}",
            ),
        ),
        lines(
            "Orders sent",
            "Orders a second that each strategy sends. The dashed line is the limit beyond which it is"
            " halted; the rule looks at the last 2 s, this graph at longer windows.",
            "reqps",
            Query(
                f"sum by (strategy) (rate(trading_orders_sent_total{{{STRATEGIES}}}[$__rate_interval]))", "{{strategy}}"
            ),
            Query(f"strategy:trading_order_rate_limit:rate2s{{{STRATEGIES}}}", "limit of {{strategy}}"),
            minimum=0,
            dashed="/^limit /",
        ),
        lines(
            "What became of the orders",
            "Orders acknowledged, filled, cancelled and rejected a second, over the chosen strategies.",
            "reqps",
            Query(f"sum(rate(trading_orders_acknowledged_total{{{STRATEGIES}}}[$__rate_interval]))", "acknowledged"),
            Query(f"sum(rate(trading_fills_total{{{STRATEGIES}}}[$__rate_interval]))", "fills"),
            Query(f"sum(rate(trading_orders_cancelled_total{{{STRATEGIES}}}[$__rate_interval]))", "cancelled"),
            Query(f"sum(rate(trading_orders_rejected_total{{{STRATEGIES}}}[$__rate_interval]))", "rejected"),
            minimum=0,
        ),
        lines(
            "Open orders",
            "Orders that the engine believes to be open. After a kill this must fall to zero, and so"
            " must the residual orders that the webhook reads from the venue itself (dashed).",
            "none",
            Query(f"sum by (strategy) (trading_orders_open{{{STRATEGIES}}})", "{{strategy}}"),
            Query("sum by (scope, venue_account) (andon_residual_orders)", "residual {{scope}} {{venue_account}}"),
            minimum=0,
            dashed="/^residual /",
        ),
        lines(
            "Feed age",
            "Seconds since the last book update of each symbol, with the venue's clock offset taken out. The"
            " dashed line is the strictest limit; a feed older than its limit halts its symbol.",
            "s",
            Query("max by (venue, symbol) (symbol:market_data_age:seconds)", "{{symbol}} on {{venue}}"),
            Query("min(symbol:market_data_age_limit:seconds)", "limit"),
            minimum=0,
            dashed="/^limit/",
        ),
    )
