"""Pieces of PromQL that several dashboards use."""

# Rates over what Grafana thinks is enough for the zoom: never shorter than four scrapes.
INTERVAL = "[$__rate_interval]"

STRATEGIES = 'strategy=~"$strategy"'

# 0 normal, 1 reduce only, 2 halted.
SWITCH_RANK = (
    'max by (scope) (andon_switch_state{state="halted"} * 2 or andon_switch_state{state="degraded"}'
    ' or andon_switch_state{state="normal"} * 0)'
)
KILL_ALERTS = 'ALERTS{alertstate="firing", kill_action=~"reduce|halt|flatten"}'
OTHER_ALERTS = 'ALERTS{alertstate="firing", severity=~"critical|warning", kill_action!~"reduce|halt|flatten"}'
STOPPED_SCOPES = 'max by (scope, state) (andon_switch_state{state=~"degraded|halted"}) == 1'
WATCHDOG_AGE = "time() - (max(andon_watchdog_last_timestamp_seconds) > 0)"


def short_scopes(expr: str) -> str:
    """The same series with the scope of a strategy written short: `trend-btc on binance/main`."""
    return f'label_replace({expr}, "scope", "$3 on $1/$2", "scope", "venue=(.*),account=(.*),strategy=(.*)")'


def rate(counter: str, by: str = "", where: str = "") -> str:
    """Increase a second of a counter, added up over all labels but those of `by`."""
    return _added("rate", counter, by, where)


def increase(counter: str, by: str = "", where: str = "") -> str:
    """Increase of a counter from point to point, added up over all labels but those of `by`."""
    return _added("increase", counter, by, where)


def _added(function: str, counter: str, by: str, where: str) -> str:
    matchers = f"{{{where}}}" if where else ""
    grouping = f" by ({by}) " if by else ""
    return f"sum{grouping}({function}({counter}{matchers}{INTERVAL}))"


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram, one for each value of the labels `by`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels, where)})"


def age(timestamp: str, by: str, where: str = "") -> str:
    """Seconds since the newest of the timestamps with these labels."""
    matchers = f"{{{where}}}" if where else ""
    return f"time() - max by ({by}) ({timestamp}{matchers})"
