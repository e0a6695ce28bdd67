"""Every limit with its use, and what the limits are about: losses, exposure, margin, value at risk."""

from grafana.build.dashboard import Dashboard, choice, dashboard, fill, heading, one_of
from grafana.build.panels import AnyPanel, Query, bars, lines
from grafana.build.promql import STRATEGIES, age
from grafana.build.thresholds import steps_of_limit_use


def build() -> Dashboard:
    """The dashboard `andon-risk`."""
    board = dashboard(
        "risk",
        "Andon risk",
        "Every limit of prometheus/rules/limits.yml with its use, and losses, exposure, margin and value at risk.",
    ).with_variable(choice("strategy", "Strategy", "label_values(trading_equity, strategy)"))
    board.with_variable(one_of("confidence", "Confidence", "label_values(risk_value_at_risk, confidence)"))
    board.with_variable(one_of("horizon", "Horizon", "label_values(risk_value_at_risk, horizon)"))
    return fill(
        board,
        *_use(),
        heading("Each limit"),
        *_limits(),
        heading("Exposure"),
        *_exposure(),
        heading("Value at risk"),
        *_value_at_risk(),
        heading("Unusual"),
        *_unusual(),
    )


def _use() -> tuple[AnyPanel, ...]:
    use = 'max by (limit, account, strategy) (trading:limit_use:ratio{strategy=~"($strategy)?"})'
    begins = ", ".join(f"{start:.0%}" for start, _ in steps_of_limit_use()[:-1])
    return (
        bars(
            "Use of every limit",
            f"Each measured value over its limit: at 100 % the rule fires. Alerts begin at {begins}.",
            "percentunit",
            Query(f"sort_desc({use})", "{{limit}} {{strategy}} {{account}}", instant=True),
            height=12,
        ),
        lines(
            "Use over time",
            "The same over time: at the dashed line the rule fires.",
            "percentunit",
            Query(use, "{{limit}} {{strategy}} {{account}}"),
            minimum=0,
            limit=1,
            height=12,
        ),
    )


def _limit(title: str, description: str, unit: str, value: Query, limit: str) -> AnyPanel:
    return lines(
        title, description, unit, value, Query(limit, "limit of {{strategy}}"), minimum=0, dashed="/^limit/", width=8
    )


def _limits() -> tuple[AnyPanel, ...]:
    return (
        _limit(
            "Drawdown",
            "Fall of the equity from its peak, deposits aside. Breached: flatten the strategy.",
            "percentunit",
            Query(f"max by (strategy) (trading_drawdown_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            f"strategy:trading_drawdown_limit:ratio{{{STRATEGIES}}}",
        ),
        _limit(
            "Daily loss",
            "Loss since the start of the day over the equity at that time. Breached: flatten the strategy.",
            "percentunit",
            Query(f"max by (strategy) (trading_daily_loss_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            f"strategy:trading_daily_loss_limit:ratio{{{STRATEGIES}}}",
        ),
        _limit(
            "Gross exposure",
            "Sum of the positions' notionals without their signs. Breached: halt the strategy.",
            "short",
            Query(
                f"max by (strategy, currency) (trading_gross_exposure{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"
            ),
            f"strategy:trading_gross_exposure_limit:notional{{{STRATEGIES}}}",
        ),
        _limit(
            "Orders a second",
            "Orders sent over the last 2 s. Breached: halt the strategy.",
            "reqps",
            Query(f"max by (strategy) (strategy:trading_orders_sent:rate2s{{{STRATEGIES}}})", "{{strategy}}"),
            f"strategy:trading_order_rate_limit:rate2s{{{STRATEGIES}}}",
        ),
        _limit(
            "Child orders over their parent",
            "Child quantity working or filled over the parent's quantity. Breached: halt the strategy.",
            "percentunit",
            Query(f"max by (strategy) (trading_child_parent_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            f"strategy:trading_child_parent_limit:ratio{{{STRATEGIES}}}",
        ),
        _limit(
            "Age of the heartbeat",
            "Seconds since a strategy's last sign of life. Breached: halt the strategy.",
            "s",
            Query(age("trading_strategy_last_heartbeat_timestamp_seconds", "strategy", STRATEGIES), "{{strategy}}"),
            f"strategy:trading_heartbeat_age_limit:seconds{{{STRATEGIES}}}",
        ),
        lines(
            "Margin usage",
            "Maintenance margin over margin balance; the venue liquidates at 100 %. Breached: flatten the account.",
            "percentunit",
            Query("max by (venue, account) (trading_margin_usage_ratio)", "{{account}} on {{venue}}"),
            Query("account:trading_margin_usage_limit:ratio", "limit of {{account}} on {{venue}}"),
            minimum=0,
            dashed="/^limit/",
            width=8,
        ),
        lines(
            "Age of the books",
            "Seconds since the last book update of each symbol. Breached: halt the symbol.",
            "s",
            Query("max by (venue, symbol) (symbol:market_data_age:seconds)", "{{symbol}}"),
            Query("min(symbol:market_data_age_limit:seconds)", "limit"),
            minimum=0,
            dashed="/^limit/",
            width=8,
        ),
        lines(
            "Drawdown of whole accounts",
            "Fall of each account's equity from its peak, deposits aside.",
            "percentunit",
            Query("max by (venue, account) (trading_account_drawdown_ratio)", "{{account}} on {{venue}}"),
            minimum=0,
            width=8,
        ),
    )


def _exposure() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Net exposure",
            "Sum of the positions' notionals with their signs: above zero long, below zero short.",
            "short",
            Query(f"max by (strategy, currency) (trading_net_exposure{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"),
            width=8,
        ),
        lines(
            "Leverage",
            "Gross exposure over equity.",
            "none",
            Query(f"max by (strategy) (risk_leverage_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            Query(f"min(strategy:risk_leverage_limit:ratio{{{STRATEGIES}}})", "limit"),
            dashed="/^limit/",
            minimum=0,
            width=8,
        ),
        lines(
            "Concentration",
            "Share of the largest position in the gross exposure: at 100 % there is only one.",
            "percentunit",
            Query(f"max by (strategy) (risk_concentration_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            Query(f"min(strategy:risk_concentration_limit:ratio{{{STRATEGIES}}})", "limit"),
            dashed="/^limit/",
            minimum=0,
            width=8,
        ),
        lines(
            "Equity",
            "Equity of each strategy by currency.",
            "locale",
            Query(f"max by (strategy, currency) (trading_equity{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"),
            width=8,
        ),
        lines(
            "Profit of the day",
            "Equity now less equity at the start of the day, deposits aside.",
            "short",
            Query(f"max by (strategy, currency) (trading_daily_pnl{{{STRATEGIES}}})", "{{strategy}}, {{currency}}"),
            width=8,
        ),
        lines(
            "Deepest drawdown",
            "The deepest fall of the equity from its peak that the exporter has seen.",
            "percentunit",
            Query(f"max by (strategy) (risk_max_drawdown_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            minimum=0,
            width=8,
        ),
    )


def _value_at_risk() -> tuple[AnyPanel, ...]:
    where = f'{STRATEGIES}, confidence="$confidence", horizon="$horizon"'
    return (
        lines(
            "Value at risk at $confidence over $horizon",
            "Loss that is not exceeded with the chosen confidence within the horizon: by past profit and loss (pnl) and"
            " of what is held now (position), historical and by a normal distribution (parametric).",
            "short",
            Query(
                f"max by (strategy, basis, method, currency) (risk_value_at_risk{{{where}}})",
                "{{strategy}} {{basis}} {{method}}, {{currency}}",
            ),
            minimum=0,
            width=8,
        ),
        lines(
            "Expected shortfall at $confidence over $horizon",
            "Mean loss of the cases beyond the value at risk.",
            "short",
            Query(
                f"max by (strategy, basis, method, currency) (risk_expected_shortfall{{{where}}})",
                "{{strategy}} {{basis}} {{method}}, {{currency}}",
            ),
            minimum=0,
            width=8,
        ),
        lines(
            "Observations behind the value at risk",
            "Returns in the window: with few of them value at risk says little.",
            "none",
            Query(
                f"min by (strategy, basis) (risk_value_at_risk_observations{{{STRATEGIES}}})",
                "{{strategy}} {{basis}}",
            ),
            minimum=0,
            width=8,
        ),
        bars(
            "Losses beyond the value at risk at $confidence",
            "Share of the intervals in the time shown that lost more than was said before them; a good estimate has a"
            " share of 1 less the confidence.",
            "percentunit",
            Query(_exceptions(), "{{strategy}} {{basis}} {{method}}", instant=True),
            full=None,
        ),
    )


def _exceptions() -> str:
    """Exceptions over tests."""
    where = f'{STRATEGIES}, confidence="$confidence"'
    by = "sum by (strategy, basis, method)"
    return (
        f"{by} (increase(risk_value_at_risk_exceptions_total{{{where}}}[$__range]))"
        f" / ({by} (increase(risk_value_at_risk_tests_total{{{where}}}[$__range])) > 0)"
    )


def _unusual() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "How unusual",
            "Standard deviations from what is usual: of the last hour (zscore), of its median (robust), of the same"
            " hour of earlier days (hour). Beyond the dashed lines an adaptive rule warns. The first half an hour after"
            " the start has too few samples to say.",
            "none",
            Query(
                'max by (signal, venue, strategy, method) (signal:adaptive:score{strategy=~"($strategy)?"})',
                "{{signal}} {{strategy}} {{venue}} {{method}}",
            ),
            Query("min(signal:adaptive_score_limit:sigmas)", "limit"),
            Query("-min(signal:adaptive_score_limit:sigmas)", "limit down"),
            dashed="/^limit/",
        ),
        lines(
            "Profit of a minute",
            "Money won or lost in the last minute, deposits aside: what the adaptive rules about profit look at.",
            "short",
            Query(
                f'max by (strategy, currency) (signal:adaptive:value{{signal="pnl", {STRATEGIES}}})',
                "{{strategy}}, {{currency}}",
            ),
        ),
    )
