"""What the strategies do: orders and what became of them, how good the fills were, do engine and venue agree."""

from grafana.build.dashboard import Dashboard, choice, dashboard, fill, heading
from grafana.build.heatmaps import heatmap
from grafana.build.panels import AnyPanel, Query, lines
from grafana.build.promql import STRATEGIES, age, increase, quantile, rate
from grafana.build.states import UP, state_history

RUNNING = {0: ("RUNNING", "green"), 1: ("REDUCE ONLY", "orange"), 2: ("PAUSED", "red"), 3: ("STOPPED", "blue")}
ORDERS = f'{STRATEGIES}, symbol=~"$symbol"'


def build() -> Dashboard:
    """The dashboard `andon-trading`."""
    board = (
        dashboard(
            "trading",
            "Andon trading",
            "Orders, acknowledgements, fills and slippage of every strategy, and whether engine and venue agree.",
        )
        .with_variable(choice("strategy", "Strategy", "label_values(trading_equity, strategy)"))
        .with_variable(choice("symbol", "Symbol", "label_values(trading_orders_sent_total, symbol)"))
    )
    return fill(
        board,
        *_strategies(),
        heading("Orders"),
        *_orders(),
        heading("Fills"),
        *_fills(),
        heading("Engine and venue"),
        *_agreement(),
    )


def _strategies() -> tuple[AnyPanel, ...]:
    state = f"max by (strategy) (trading_strategy_state{{{STRATEGIES}, state="
    return (
        state_history(
            "Strategies",
            "What each strategy says it does: running, reduce only, paused, or stopped in order.",
            RUNNING,
            Query(
                f'{state}"stopped"}}) * 3 + {state}"paused"}}) * 2 + {state}"reduce_only"}})',
                "{{strategy}}",
            ),
            height=7,
        ),
        lines(
            "Time since the last sign of life",
            "Seconds since each strategy's last heartbeat. Beyond the dashed line its orders are cancelled.",
            "s",
            Query(age("trading_strategy_last_heartbeat_timestamp_seconds", "strategy", STRATEGIES), "{{strategy}}"),
            Query(f"min(strategy:trading_heartbeat_age_limit:seconds{{{STRATEGIES}}})", "limit"),
            minimum=0,
            dashed="/^limit/",
            height=7,
        ),
    )


def _orders() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Orders sent against their limit",
            "Orders a second, the most within any 2 s by the time they were sent, as the rule sees them. Beyond the"
            " dashed line the strategy is halted.",
            "reqps",
            Query(f"max by (strategy) (strategy:trading_orders_sent:rate2s{{{STRATEGIES}}})", "{{strategy}}"),
            Query(f"strategy:trading_order_rate_limit:rate2s{{{STRATEGIES}}}", "limit of {{strategy}}"),
            minimum=0,
            dashed="/^limit/",
        ),
        lines(
            "What became of the orders",
            "Orders sent, acknowledged, cancelled and rejected, and fills, a second.",
            "reqps",
            Query(rate("trading_orders_sent_total", where=ORDERS), "sent"),
            Query(rate("trading_orders_acknowledged_total", where=ORDERS), "acknowledged"),
            Query(rate("trading_fills_total", where=ORDERS), "fills"),
            Query(rate("trading_orders_cancelled_total", "initiator", ORDERS), "cancelled by {{initiator}}"),
            Query(rate("trading_orders_rejected_total", where=ORDERS), "rejected"),
            minimum=0,
        ),
        lines(
            "Acknowledgement time",
            "From sending an order to the venue's acknowledgement, by the engine's clock.",
            "s",
            Query(quantile(0.99, "trading_order_acknowledgement_seconds", "strategy", STRATEGIES), "{{strategy}} p99"),
            Query(
                quantile(0.5, "trading_order_acknowledgement_seconds", "strategy", STRATEGIES), "{{strategy}} median"
            ),
            minimum=0,
        ),
        heatmap(
            "Acknowledgement times",
            "How many orders were acknowledged within which time, since the point before.",
            "none",
            Query(increase("trading_order_acknowledgement_seconds_bucket", "le", STRATEGIES), "{{le}}", buckets=True),
            rows="time to acknowledge",
            rows_unit="s",
        ),
        lines(
            "Open orders",
            "Orders sent and not known to be filled, cancelled or rejected. After a kill this must fall to zero.",
            "none",
            Query(f"sum by (strategy) (trading_orders_open{{{ORDERS}}})", "{{strategy}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Child orders over their parent",
            "Child quantity that is working or filled over the parent's quantity, the highest parent. Beyond the"
            " dashed line the strategy trades what nobody ordered, and is halted.",
            "percentunit",
            Query(f"max by (strategy) (trading_child_parent_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            Query(f"min(strategy:trading_child_parent_limit:ratio{{{STRATEGIES}}})", "limit"),
            minimum=0,
            dashed="/^limit/",
            width=8,
        ),
        lines(
            "Messages to the venue",
            "New orders, changes and cancels a second.",
            "reqps",
            Query(rate("trading_messages_total", "kind", STRATEGIES), "{{kind}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Orders per trade",
            "Order-to-trade ratio as in RTS 9, by number and by volume; cancels of the kill do not count.",
            "none",
            Query(f"max by (strategy, by) (trading_order_to_trade_ratio{{{ORDERS}}})", "{{strategy}} by {{by}}"),
            Query(f"min(strategy:trading_order_to_trade_limit:ratio{{{STRATEGIES}}})", "limit"),
            dashed="/^limit/",
            minimum=0,
        ),
        lines(
            "Time since the last order, acknowledgement and fill",
            "Seconds; a strategy that still sends but gets no answer shows here first.",
            "s",
            Query(age("trading_last_order_timestamp_seconds", "strategy", STRATEGIES), "{{strategy}} order"),
            Query(
                age("trading_last_acknowledgement_timestamp_seconds", "strategy", STRATEGIES),
                "{{strategy}} acknowledgement",
            ),
            Query(age("trading_last_fill_timestamp_seconds", "strategy", STRATEGIES), "{{strategy}} fill"),
            minimum=0,
        ),
    )


def _fills() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Fill ratio",
            "Filled quantity over sent quantity in the exporter's window.",
            "percentunit",
            Query(f"max by (strategy) (trading_fill_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            minimum=0,
            width=8,
        ),
        heatmap(
            "Slippage against the arrival mid",
            "How many fills cost how much: share of the price, above zero is a cost, below zero a gain.",
            "none",
            Query(increase("trading_slippage_ratio_bucket", "le", STRATEGIES), "{{le}}", buckets=True),
            rows="slippage",
            rows_unit="percentunit",
            scheme="Oranges",
            width=8,
        ),
        lines(
            "Slippage weighted by quantity",
            "What the fills of ten minutes cost against the mid at their order's arrival, over what they were worth"
            " there, and the 95th percentile of single fills; below zero is a gain.",
            "percentunit",
            Query(f"max by (strategy) (strategy:trading_slippage:ratio10m{{{STRATEGIES}}})", "{{strategy}}"),
            Query(quantile(0.95, "trading_slippage_ratio", "strategy", STRATEGIES), "{{strategy}} p95 of fills"),
            Query(f"min(strategy:trading_slippage_limit:ratio{{{STRATEGIES}}})", "limit"),
            dashed="/^limit/",
            width=8,
        ),
        lines(
            "Slippage in money",
            "What fills cost against the mid at their order's arrival, less what they won, a second.",
            "short",
            Query(
                f"{rate('trading_slippage_cost_total', 'strategy, currency', STRATEGIES)}"
                f" - {rate('trading_slippage_gain_total', 'strategy, currency', STRATEGIES)}",
                "{{strategy}}, {{currency}}/s",
            ),
            width=6,
        ),
        lines(
            "Traded notional",
            "Notional bought and sold a second, by currency.",
            "short",
            Query(rate("trading_traded_notional_total", "strategy, currency", ORDERS), "{{strategy}}, {{currency}}/s"),
            minimum=0,
            width=6,
        ),
        lines(
            "Fees",
            "Fees paid and rebates received (dashed) a second, by currency.",
            "short",
            Query(rate("trading_fees_total", "strategy, currency", ORDERS), "{{strategy}}, {{currency}}/s"),
            minimum=0,
            width=6,
        ),
        lines(
            "Inventory turnover",
            "Traded notional over the mean inventory in the exporter's window: how often the book was turned over.",
            "none",
            Query(f"max by (strategy) (trading_inventory_turnover_ratio{{{STRATEGIES}}})", "{{strategy}}"),
            Query(f"min(strategy:trading_inventory_turnover_limit:ratio{{{STRATEGIES}}})", "limit"),
            dashed="/^limit/",
            minimum=0,
            width=6,
        ),
        lines(
            "Positions",
            "Quantity held of each symbol in base units: above zero long, below zero short.",
            "none",
            Query(f"sum by (strategy, symbol) (trading_position_quantity{{{ORDERS}}})", "{{strategy}} {{symbol}}"),
        ),
        lines(
            "Realised and unrealised profit",
            "As the engine says it, by currency.",
            "short",
            Query(
                f"max by (strategy, currency) (trading_realised_pnl{{{STRATEGIES}}})",
                "{{strategy}} realised, {{currency}}",
            ),
            Query(
                f"max by (strategy, currency) (trading_unrealised_pnl{{{STRATEGIES}}})",
                "{{strategy}} unrealised, {{currency}}",
            ),
        ),
    )


def _agreement() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Orders that only one of them knows",
            "Open orders at the venue less those of the engine. Zero is agreement; orders in flight show for a moment.",
            "none",
            Query("sum by (account, symbol) (trading_reconciliation_gap_orders)", "{{account}} {{symbol}}"),
            width=8,
        ),
        lines(
            "Quantity that only one of them knows",
            "Position at the venue less that of the engine, in base units.",
            "none",
            Query("sum by (account, symbol) (trading_reconciliation_gap_quantity)", "{{account}} {{symbol}}"),
            width=8,
        ),
        state_history(
            "Reconciliation",
            "Whether the exporter could read each venue account to compare it.",
            UP,
            Query("min by (venue, account) (trading_reconciliation_up)", "{{account}} on {{venue}}"),
            width=8,
            height=8,
        ),
        lines(
            "Events of the engines",
            "Trading events a second by type.",
            "reqps",
            Query(rate("trading_events_total", "type"), "{{type}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Age of the last event",
            "Seconds between now and the time of each engine's last event.",
            "s",
            Query("max by (engine) (trading_events_lag_seconds)", "{{engine}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Events that were not good",
            "Lines that were no event, events that came twice and those that were lost on the way, a second.",
            "reqps",
            Query(rate("trading_events_malformed_total"), "malformed"),
            Query(rate("trading_events_duplicate_total"), "twice"),
            Query(rate("trading_events_missing_total"), "lost"),
            minimum=0,
            width=8,
        ),
    )
