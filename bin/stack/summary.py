"""What `make up` prints when the stack is healthy: where everything is, who may act, what to try."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import timedelta

from bin.stack.services import Choice, SetupError, secrets_dir
from webhook.access.principal import Role
from webhook.settings import ConfigError, EngineSettings, Settings, VenueSettings, load

# The two people that a resume needs, so that the sandbox can be played through by one.
ONE_TIME_OPERATORS = {"operator": Role.RISK, "approver": Role.RISK}
TOKEN_LIFETIME = timedelta(hours=12)


def read_settings(choice: Choice, environ: Mapping[str, str]) -> Settings:
    """What the webhook is going to read; raises SetupError with everything that is wrong."""
    try:
        return load(choice.webhook, {**environ, **secrets_dir()})
    except ConfigError as error:
        raise SetupError(str(error)) from error


def modes(edges: Sequence[VenueSettings | EngineSettings], settings: Settings) -> str:
    """The names of venue accounts or engines on one line: those that are live, then those in shadow."""
    live = [edge.name for edge in edges if settings.mode == edge.mode == "live"]
    shadow = [edge.name for edge in edges if edge.name not in live]
    told = [(live, "live"), (shadow, "SHADOW: nothing is sent")]
    return "; ".join(f"{', '.join(names)} ({mode})" for names, mode in told if names) or "none"


def stopped_scopes(webhook: str, token: str) -> list[str]:
    """State and scope of every switch that is not NORMAL; raises OSError when the webhook does not answer."""
    question = urllib.request.Request(f"{webhook}/api/v1/switches", headers={"Authorization": f"Bearer {token}"})  # noqa: S310  (loopback)
    with urllib.request.urlopen(question, timeout=5) as answer:  # noqa: S310
        switches = json.load(answer)["switches"]
    return [f"{switch['state'].upper()} {switch['scope']}" for switch in switches if switch["state"] != "normal"]


def summary(
    ports: Mapping[str, int], tokens: Mapping[str, str], choice: Choice, settings: Settings, *, docker: bool
) -> str:
    """The text, for a stack that is healthy; `ports` by service name, `tokens` by operator name."""
    url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    grafana = (
        f"{url['grafana']}   user admin, password in secrets/grafana_admin_password"
        if docker
        else "runs with Docker only; its dashboards are grafana/dashboards/*.json, to import anywhere"
    )
    sandbox = "  ".join(f"{name} {url[name]}" for name in ports if name in choice.sandbox)
    stopped = "".join(f"\n    {scope}" for scope in stopped_scopes(url["webhook"], tokens["operator"]))
    remembered = f"\n  Still stopped since an earlier run (two people resume it):{stopped}\n" if stopped else ""
    drill = "\n    make drill        a strategy bleeds until its drawdown breaches; watch it being stopped and verified"
    return f"""
  Venues         {modes(settings.venues, settings)}
  Engines        {modes(settings.engines, settings)}
  Console        {url["webhook"]}
  Prometheus     {url["prometheus"]}/alerts
  Alertmanager   {url["alertmanager"]}
  Grafana        {grafana}
  Exporters      system {url["system-exporter"]}  market-data {url["market-data-exporter"]}
                 trading {url["trading-exporter"]}{f"{chr(10)}  Sandbox        {sandbox}" if sandbox else ""}

  Two people may act until they expire in 12 hours; these tokens are not shown again:
    operator (risk)   {tokens["operator"]}
    approver (risk)   {tokens["approver"]}
{remembered}
  Next, in another terminal:{drill if {"venue", "engine"} <= choice.sandbox else ""}
    make logs         what the services say
    make down         stop everything (or Ctrl-C, where make up runs)
"""
