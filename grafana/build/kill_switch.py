"""What was stopped, why, how fast, what is left, and whether the ways to stop are open."""

from grafana_foundation_sdk.models.common import BigValueTextMode

from grafana.build.dashboard import Dashboard, choice, dashboard, fill, heading
from grafana.build.panels import NONE_IS_GOOD, AnyPanel, Query, Steps, bars, lines, number
from grafana.build.promql import KILL_ALERTS, SWITCH_RANK, WATCHDOG_AGE, increase, rate, short_scopes
from grafana.build.states import SWITCH, UP, state_history, state_now
from grafana.build.thresholds import limit_of

SCOPES = 'scope=~"$scope"'
ACCOUNTS = 'venue_account=~"$venue_account"'


def build() -> Dashboard:
    """The dashboard `andon-kill-switch`."""
    board = (
        dashboard(
            "kill-switch",
            "Andon kill switch",
            "Every switch and trip: when, why, how fast the books were empty, what is left, and who must approve.",
            since="now-1h",
        )
        .with_variable(choice("scope", "Scope", "label_values(andon_switch_state, scope)"))
        .with_variable(choice("venue_account", "Venue account", "label_values(andon_venue_up, venue_account)"))
    )
    return fill(
        board,
        *_now(),
        *_trips(),
        heading("What is left"),
        *_residuals(),
        heading("Channels: is every way to stop open"),
        *_channels(),
    )


def _now() -> tuple[AnyPanel, ...]:
    return (
        state_now(
            "Switches",
            "The state of every scope that was ever stopped, and of the global one.",
            SWITCH,
            Query(short_scopes(SWITCH_RANK), "{{scope}}", instant=True),
            width=24,
        ),
        number(
            "Kill alerts firing",
            "Alerts that ask for reduce, halt or flatten and fire now. While one fires its scope cannot be resumed.",
            "none",
            Query(f"count({KILL_ALERTS}) or vector(0)", instant=True),
            colors=NONE_IS_GOOD,
            width=6,
        ),
        number(
            "Kills not verified",
            "Scopes that were told to stop and of which it is not proved yet that no order, or after a flatten no"
            " position, is left.",
            "none",
            Query("sum(andon_unverified)", instant=True),
            colors=NONE_IS_GOOD,
            width=6,
        ),
        number(
            "Approvals pending",
            "Requests to resume that wait for a second person: `andon resumes` lists them, `andon approve` decides.",
            "none",
            Query("max(andon_resume_requests_pending)", instant=True),
            colors=Steps("green", ((1, "orange"),)),
            width=6,
        ),
        number(
            "Sign of life of the kill path",
            "Age of the last Watchdog that came through Prometheus and Alertmanager to the webhook.",
            "s",
            Query(WATCHDOG_AGE, instant=True),
            colors=Steps("green", ((30, "orange"), (limit_of("AndonWatchdogMissing"), "red"))),
            no_value="never",
            width=6,
        ),
        state_history(
            "Switches over time",
            "When each scope was stopped and resumed. HALTED never ends by itself.",
            SWITCH,
            Query(
                short_scopes(SWITCH_RANK.replace("andon_switch_state{", f"andon_switch_state{{{SCOPES}, ")), "{{scope}}"
            ),
            width=24,
        ),
    )


def _trips() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Trips",
            "Trips by action since the point before; `andon trips` lists them with their reasons.",
            "none",
            Query(increase("andon_trips_total", "action"), "{{action}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Decisions about alerts",
            "What became of the alerts that arrived: tripped, already stopped, paged, refused or recorded, a second.",
            "reqps",
            Query(rate("andon_decisions_total", "outcome"), "{{outcome}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Refused alerts",
            "Alerts that asked for what the policy does not allow them, by reason, and requests that were no alerts.",
            "reqps",
            Query(rate("andon_decisions_refused_total", "reason"), "{{reason}}"),
            Query(rate("andon_decisions_total", where='outcome="refused"'), "all refused"),
            minimum=0,
            width=8,
        ),
        bars(
            "Stages of the newest trips",
            "Seconds to each stage of a scope's newest trip: received counts from the alert's start, the others from"
            " the request. `empty` is when a re-read of every order book found no order.",
            "s",
            Query(
                short_scopes(f"max by (scope, stage) (andon_last_kill_stage_seconds{{{SCOPES}}})"),
                "{{scope}} {{stage}}",
                True,
            ),
            colors=Steps("green", ((0.5, "yellow"), (1, "orange"), (5, "red"))),
            full=None,
            height=9,
        ),
        bars(
            "Time to empty",
            "Of all kills in the time shown: median and 99th percentile of each stage.",
            "s",
            Query(_over_range(0.5), "{{stage}} median", True),
            Query(_over_range(0.99), "{{stage}} p99", True),
            colors=Steps("green", ((0.5, "yellow"), (1, "orange"), (5, "red"))),
            full=None,
            height=9,
        ),
    )


def _over_range(share: float) -> str:
    return (
        f"histogram_quantile({share},"
        ' sum by (le, stage) (increase(andon_kill_stage_seconds_bucket{stage!~"stored|stopped"}[$__range]))) >= 0'
    )


def _residuals() -> tuple[AnyPanel, ...]:
    where = f"{{{SCOPES}, {ACCOUNTS}}}"
    return (
        lines(
            "Residual orders",
            "Open orders that the last re-read of the venue found in a stopped scope. Above zero for 10 s"
            " it pages (AndonResidualOrders).",
            "none",
            Query(
                short_scopes(f"max by (scope, venue_account) (andon_residual_orders{where})"),
                "{{scope}} at {{venue_account}}",
            ),
            minimum=0,
            width=8,
        ),
        lines(
            "Residual positions",
            "Positions that the last re-read found in a scope that is to be flat.",
            "none",
            Query(
                short_scopes(f"max by (scope, venue_account) (andon_residual_positions{where})"),
                "{{scope}} at {{venue_account}}",
            ),
            minimum=0,
            width=8,
        ),
        lines(
            "Residual notional",
            "Notional left in scopes that are to be flat, in the account's currency.",
            "short",
            Query(
                short_scopes(f"max by (scope, venue_account) (andon_residual_notional{where})"),
                "{{scope}} at {{venue_account}}",
            ),
            minimum=0,
            width=8,
        ),
        lines(
            "Re-reads of stopped scopes",
            "Sweeps a second by what they found. `failed` means that nobody knows what is left.",
            "reqps",
            Query(rate("andon_sweeps_total", "outcome", ACCOUNTS), "{{outcome}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Orders through a halt",
            "Orders that were found, and cancelled, in a scope that had been verified empty: an engine does not obey.",
            "none",
            Query(increase("andon_halt_broken_total", "venue_account", ACCOUNTS), "{{venue_account}}"),
            minimum=0,
            limit=1,
            width=8,
        ),
        lines(
            "Orders that nobody owns",
            "Open orders at the last re-read that no configured strategy owns; only venue and global scopes stop them.",
            "none",
            Query(f"max by (venue_account) (andon_unowned_orders{{{ACCOUNTS}}})", "{{venue_account}}"),
            minimum=0,
            limit=1,
            width=8,
        ),
    )


def _channels() -> tuple[AnyPanel, ...]:
    return (
        state_history(
            "Venue accounts and engines",
            "Whether the last signed request to each venue account and engine succeeded, and the store can be written.",
            UP,
            Query(f"min by (venue_account) (andon_venue_up{{{ACCOUNTS}}})", "account {{venue_account}}"),
            Query("min by (engine) (andon_engine_up)", "engine {{engine}}"),
            Query("min(andon_store_up)", "store"),
            Query("min(andon_prometheus_poll_up)", "poll of Prometheus"),
            Query("min(sum(andon_leases_held) / max(andon_targets))", "targets looked after"),
            height=8,
        ),
        lines(
            "Round trip of signed requests",
            "Seconds of the last signed request to each venue account: the least that a cancel takes.",
            "s",
            Query(f"max by (venue_account) (andon_venue_round_trip_seconds{{{ACCOUNTS}}})", "{{venue_account}}"),
            minimum=0,
            height=8,
        ),
        lines(
            "Notices delivered and failed",
            "Notices to people a second, and tries that failed (dashed).",
            "reqps",
            Query(rate("andon_notifications_sent_total", "notifier"), "{{notifier}}"),
            Query(rate("andon_notification_failures_total", "notifier"), "failed {{notifier}}"),
            minimum=0,
            dashed="/^failed/",
            width=8,
        ),
        lines(
            "Notices waiting",
            "Notices not yet delivered, by notifier.",
            "none",
            Query("max by (notifier) (andon_outbox_waiting)", "{{notifier}}"),
            minimum=0,
            width=8,
        ),
        number(
            "Mode",
            "In shadow mode everything is done but the orders' requests.",
            "none",
            Query("max by (mode) (andon_mode) == 1", "{{mode}}", instant=True),
            width=4,
            height=8,
        ).text_mode(BigValueTextMode.NAME),
        number(
            "Killed without the store",
            "Kills that ran from memory because the store was out, in the time shown.",
            "none",
            Query("sum(increase(andon_killed_from_memory_total[$__range]))", instant=True),
            colors=NONE_IS_GOOD,
            width=4,
            height=8,
        ),
    )
