"""What `make up` prints when the stack is healthy: where everything is, who may act, what to try."""

import json
import urllib.request
from collections.abc import Mapping
from datetime import timedelta

from webhook.access.principal import Role

# The two people that a resume needs, so that the sandbox can be played through by one.
ONE_TIME_OPERATORS = {"operator": Role.RISK, "approver": Role.RISK}
TOKEN_LIFETIME = timedelta(hours=12)


def stopped_scopes(webhook: str, token: str) -> list[str]:
    """State and scope of every switch that is not NORMAL; raises OSError when the webhook does not answer."""
    question = urllib.request.Request(f"{webhook}/api/v1/switches", headers={"Authorization": f"Bearer {token}"})  # noqa: S310  (loopback)
    with urllib.request.urlopen(question, timeout=5) as answer:  # noqa: S310
        switches = json.load(answer)["switches"]
    return [f"{switch['state'].upper()} {switch['scope']}" for switch in switches if switch["state"] != "normal"]


def summary(ports: Mapping[str, int], tokens: Mapping[str, str], *, docker: bool) -> str:
    """The text, for a stack that is healthy; `ports` by service name, `tokens` by operator name."""
    url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    grafana = (
        f"{url['grafana']}   user admin, password in secrets/grafana_admin_password"
        if docker
        else "runs with Docker only; its dashboards are grafana/dashboards/*.json, to import anywhere"
    )
    stopped = "".join(f"\n    {scope}" for scope in stopped_scopes(url["webhook"], tokens["operator"]))
    remembered = f"\n  Still stopped since an earlier run (two people resume it):{stopped}\n" if stopped else ""
    return f"""
  Console        {url["webhook"]}
  Prometheus     {url["prometheus"]}/alerts
  Alertmanager   {url["alertmanager"]}
  Grafana        {grafana}
  Sandbox        venue {url["venue"]}  engine {url["engine"]}  pager {url["pager"]}
  Exporters      system {url["system-exporter"]}  market-data {url["market-data-exporter"]}
                 trading {url["trading-exporter"]}

  Two people may act until they expire in 12 hours; these tokens are not shown again:
    operator (risk)   {tokens["operator"]}
    approver (risk)   {tokens["approver"]}
{remembered}
  Next, in another terminal:
    make drill        a strategy bleeds until its drawdown breaches; watch it being stopped and verified
    make logs         what the services say
    make down         stop everything (or Ctrl-C, where make up runs)
"""
