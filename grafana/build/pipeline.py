"""Is the monitoring itself alive: scrapes, rules, notifications, the way to the webhook."""

from grafana.build.dashboard import Dashboard, dashboard, fill, heading
from grafana.build.panels import NONE_IS_GOOD, AnyPanel, Query, Steps, lines, number
from grafana.build.promql import WATCHDOG_AGE, increase, quantile, rate
from grafana.build.states import GOOD, SEVERITY, UP, state_history
from grafana.build.thresholds import limit_of, series_of

KILL_JOBS = 'job=~"(trading|market-data|system)-kill"'


def build() -> Dashboard:
    """The dashboard `andon-pipeline`."""
    board = dashboard(
        "pipeline",
        "Andon pipeline",
        "Whether a breach would arrive: scrapes, rules, notifications, the webhook.",
    )
    return fill(
        board,
        *_now(),
        heading("Scrapes"),
        *_scrapes(),
        heading("Rules"),
        *_rules(),
        heading("Notifications"),
        *_notifications(),
        heading("The webhook"),
        *_webhook(),
    )


def _now() -> tuple[AnyPanel, ...]:
    return (
        number(
            "Sign of life of the kill path",
            "Age of the last Watchdog that came through Prometheus and Alertmanager to the webhook; it comes every"
            " 10 s.",
            "s",
            Query(WATCHDOG_AGE, instant=True),
            colors=Steps("green", ((30, "orange"), (limit_of("AndonWatchdogMissing"), "red"))),
            no_value="never",
            width=6,
        ),
        number(
            "Targets down",
            "Scrape targets of Andon's own that do not answer now. Grafana is left out: only Compose starts it.",
            "none",
            Query('sum(up{job!="grafana"} == bool 0)', instant=True),
            colors=NONE_IS_GOOD,
            width=6,
        ),
        number(
            "Rules that failed",
            "Rules that could not be evaluated, in the time shown.",
            "none",
            Query("sum(increase(prometheus_rule_evaluation_failures_total[$__range]))", instant=True),
            colors=NONE_IS_GOOD,
            width=6,
        ),
        number(
            "Notifications that failed",
            "Notifications that Prometheus could not give to Alertmanager, or Alertmanager to anybody, in the time"
            " shown.",
            "none",
            Query(
                "sum(increase(prometheus_notifications_errors_total[$__range]))"
                " + sum(increase(alertmanager_notifications_failed_total[$__range]))",
                instant=True,
            ),
            colors=NONE_IS_GOOD,
            width=6,
        ),
        state_history(
            "Alerts",
            "Every alert that fired, by severity. Watchdog always does: it is the sign of life.",
            SEVERITY,
            Query(f"max by (alertname) ({_by_severity()})", "{{alertname}}"),
            width=24,
            height=7,
        ),
    )


def _by_severity() -> str:
    firing = 'ALERTS{{alertstate="firing", severity="{}"}} * {}'
    return " or ".join(firing.format(name, rank) for name, rank in _RANKS.items())


_RANKS = {"none": 0, "info": 1, "warning": 2, "critical": 3}


def _scrapes() -> tuple[AnyPanel, ...]:
    return (
        state_history(
            "Targets",
            "Whether each target answered its last scrape.",
            UP,
            Query('min by (job) (up{job!="grafana"})', "{{job}}"),
            height=9,
        ),
        lines(
            "Time of the kill scrapes",
            "Mean seconds of a scrape of the kill series. They are read every 0.2 s and may take no longer; from the"
            " dashed line on MonitoringKillScrapeSlow warns.",
            "s",
            Query(f"avg by (job) (avg_over_time(scrape_duration_seconds{{{KILL_JOBS}}}[$__rate_interval]))", "{{job}}"),
            minimum=0,
            limit=series_of("MonitoringKillScrapeSlow"),
            height=9,
        ),
        lines(
            "Share of good scrapes",
            "Answered scrapes of the kill series; below the dashed line MonitoringKillScrapesFailing warns.",
            "percentunit",
            Query(f"min by (job) (avg_over_time(up{{{KILL_JOBS}}}[$__rate_interval]))", "{{job}}"),
            limit=series_of("MonitoringKillScrapesFailing"),
            width=8,
        ),
        lines(
            "Samples of a scrape",
            "Samples that each target gives. A label gone wild shows here before the sample limit makes scrapes fail.",
            "short",
            Query("max by (job) (scrape_samples_scraped)", "{{job}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Time of the collectors",
            "Seconds that the slowest parts of the exporters took to make their series.",
            "s",
            Query(
                "topk(8, max by (exporter, collector) (exporter_collector_duration_seconds))",
                "{{exporter}} {{collector}}",
            ),
            minimum=0,
            width=8,
        ),
        state_history(
            "Collectors",
            "Whether every part of an exporter could make its series; those of one that failed are absent, and"
            " MonitoringCollectorFailing names it.",
            GOOD,
            Query("min by (exporter) (exporter_collector_success)", "{{exporter}}"),
            height=8,
        ),
        lines(
            "Left out",
            "Updates a second for series that found no room or that the configuration does not name.",
            "short",
            Query(rate("exporter_series_dropped_total", "exporter, reason"), "{{exporter}} {{reason}}"),
            minimum=0,
            height=8,
        ),
    )


def _rules() -> tuple[AnyPanel, ...]:
    name = 'label_replace({}, "group", "$1", "rule_group", ".*;(.*)")'
    return (
        lines(
            "Time to evaluate the rules, over their interval",
            "Seconds of the last evaluation of each group over its interval: from 100 % on evaluations are missed.",
            "percentunit",
            Query(
                "max by (group) ("
                + name.format(
                    "max by (rule_group) (prometheus_rule_group_last_duration_seconds)"
                    " / max by (rule_group) (prometheus_rule_group_interval_seconds)"
                )
                + ")",
                "{{group}}",
            ),
            minimum=0,
            limit=1,
            width=8,
        ),
        lines(
            "Age of the last evaluation",
            "Seconds since each group of rules was evaluated, when Prometheus was read last.",
            "s",
            Query(
                "max by (group) ("
                + name.format(
                    "timestamp(prometheus_rule_group_last_evaluation_timestamp_seconds)"
                    " - prometheus_rule_group_last_evaluation_timestamp_seconds"
                )
                + ")",
                "{{group}}",
            ),
            minimum=0,
            width=8,
        ),
        lines(
            "Missed and failed evaluations",
            "Evaluations a second that were skipped because the one before took too long, and rules that failed.",
            "reqps",
            Query(rate("prometheus_rule_group_iterations_missed_total"), "missed"),
            Query(rate("prometheus_rule_evaluation_failures_total"), "failed"),
            minimum=0,
            width=8,
        ),
    )


def _notifications() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Prometheus to Alertmanager",
            "Notifications a second; errors and dropped ones (dashed) mean breaches that nobody hears of.",
            "reqps",
            Query(rate("prometheus_notifications_sent_total"), "sent"),
            Query(rate("prometheus_notifications_errors_total"), "failed"),
            Query(rate("prometheus_notifications_dropped_total"), "dropped"),
            minimum=0,
            dashed="/failed|dropped/",
            width=8,
        ),
        lines(
            "Alertmanager to the webhook and to people",
            "Notifications a second by way, and those that failed (dashed).",
            "reqps",
            Query(rate("alertmanager_notifications_total", "integration") + " > 0", "{{integration}}"),
            Query(rate("alertmanager_notifications_failed_total", "integration") + " > 0", "failed {{integration}}"),
            Query(rate("alertmanager_notifications_failed_total"), "failed, all"),
            minimum=0,
            dashed="/^failed/",
            width=8,
        ),
        lines(
            "Time of a notification to the webhook",
            "Mean seconds of Alertmanager's request to the webhook.",
            "s",
            Query(
                rate("alertmanager_notification_latency_seconds_sum", where='integration="webhook"')
                + " / "
                + rate("alertmanager_notification_latency_seconds_count", where='integration="webhook"'),
                "mean",
            ),
            minimum=0,
            width=8,
        ),
        state_history(
            "Configuration",
            "Whether Prometheus and Alertmanager run with what is on disk: a reload that failed keeps the old one.",
            GOOD,
            Query("min(prometheus_config_last_reload_successful)", "Prometheus"),
            Query("min(alertmanager_config_last_reload_successful)", "Alertmanager"),
            Query("max(prometheus_notifications_alertmanagers_discovered) > bool 0", "Alertmanager found"),
        ),
        lines(
            "Silences and suppressed alerts",
            "A kill alert that is silenced or inhibited does not arrive; the routes are tested to allow none, so any"
            " silence is worth a look.",
            "none",
            Query('max(alertmanager_silences{state="active"})', "active silences"),
            Query('max(alertmanager_alerts{state="suppressed"})', "suppressed alerts"),
            minimum=0,
            limit=1,
            height=6,
        ),
    )


def _webhook() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Requests",
            "Requests a second by what was answered, and those to the intake that were not taken (dashed).",
            "reqps",
            Query(rate("andon_requests_total", "endpoint, code"), "{{endpoint}} {{code}}"),
            Query(rate("andon_requests_rejected_total", "reason"), "rejected: {{reason}}"),
            minimum=0,
            dashed="/^rejected/",
        ),
        lines(
            "Time to answer",
            "99th percentile of each endpoint. Alerts are answered once the kill is on disk.",
            "s",
            Query(quantile(0.99, "andon_request_seconds", "endpoint"), "{{endpoint}}"),
            minimum=0,
        ),
        state_history(
            "Store and polls",
            "Whether the journal can be written, Prometheus can be asked, and every target is looked after.",
            UP,
            Query("min(andon_store_up)", "store"),
            Query("min(andon_prometheus_poll_up)", "poll of Prometheus"),
            Query("min(sum(andon_leases_held) / max(andon_targets))", "targets looked after"),
        ),
        lines(
            "Faults",
            "Errors that nobody expected and transactions that the store could not take, since the point before.",
            "none",
            Query(increase("andon_faults_total", "loop"), "{{loop}}"),
            Query(increase("andon_store_failures_total"), "store"),
            minimum=0,
            limit=1,
            height=6,
        ),
    )
