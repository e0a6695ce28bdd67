"""The whole sandbox stack of `make up`, as real processes on free ports with a folder of its own.

    with whole_stack(tmp_path) as stack:
        stack.query("up")
        stack.webhook("POST", "trips", {"action": "halt", "scope": {"strategy": "mm-btc"}, "reason": "a test"})

It knows three people, `alice` and `bob` of risk and `carol` who trades; every process ends with its `with`.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
import yaml

from bin.stack.operators import mint
from bin.stack.services import DEFAULT_PORTS, Service, choose, render, services
from tests.monitoring import ROOT, Process
from tests.ports import free_port
from webhook.access.principal import Role

PEOPLE = {"alice": Role.RISK, "bob": Role.RISK, "carol": Role.TRADER}


@dataclass(frozen=True, slots=True)
class WholeStack:
    """A stack that answers: its ports by service, and its people's tokens."""

    ports: Mapping[str, int]
    tokens: Mapping[str, str]
    secrets: Path

    def url(self, service: str) -> str:
        """Where a service is."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def prometheus(self, path: str, **parameters: Any) -> Any:
        """The `data` of an answer of Prometheus' API; raises ValueError with what it objects to."""
        answer = requests.post(f"{self.url('prometheus')}/api/v1/{path}", data=parameters, timeout=20).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters}: {answer['error']}")
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression."""
        found: list[dict[str, Any]] = self.prometheus("query", query=expression)["result"]
        return found

    def webhook(self, method: str, path: str, body: Any = None, *, person: str = "alice") -> Any:
        """The parsed answer of `/api/v1/<path>`; raises for a refusal."""
        answer = requests.request(
            method,
            f"{self.url('webhook')}/api/v1/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.tokens[person]}"},
            timeout=20,
        )
        if not answer.ok:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def engine(self, path: str, body: Any) -> Any:
        """The parsed answer of the sandbox engine to `POST /<path>`."""
        token = (self.secrets / "engine_token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(f"{self.url('engine')}/{path}", json=body, headers=headers, timeout=10)
        if not answer.ok:
            raise ValueError(f"{path}: {answer.status_code} {answer.text}")
        return answer.json()


@contextmanager
def whole_stack(
    folder: Path, databases: Mapping[str, str] | None = None, *, hurried: bool = False
) -> Iterator[WholeStack]:
    """Start every service in the waves of `make up`, each when those before it answer.

    *databases* are PostgreSQL databases to watch: name -> URL.  *hurried*: what needs a minute of samples has them in
    seconds; nothing but intervals and windows differs from what is shipped.
    """
    run, secrets = folder / "run", folder / "secrets"
    (run / "log").mkdir(parents=True)
    subprocess.run(["sh", str(ROOT / "bin" / "secrets.sh"), str(secrets)], check=True, capture_output=True, timeout=60)
    tokens = mint(secrets / "operators.json", PEOPLE, lifetime=timedelta(hours=1))
    ports = {name: free_port() for name in DEFAULT_PORTS}
    choice = choose({})
    render(ports, choice, run=run, secrets=secrets)
    exporters = run / "config" / "exporters.yml"
    settings = yaml.safe_load(exporters.read_text())
    settings["system"]["databases"] = [{"name": name, "conninfo": url} for name, url in (databases or {}).items()]
    if hurried:
        settings["market_data"]["measure"] = {"sample_seconds": 0.2}
        settings["trading"]["risk"]["min_observations"] = 10
        _hurry(run / "config")
    exporters.write_text(yaml.safe_dump(settings))
    with ExitStack() as running:
        for wave in services(ports, choice, replay=None, run=run, secrets=secrets):
            started = [Process(_command(service), run / "log" / f"{service.name}.log") for service in wave]
            for process in started:
                running.callback(process.stop)
                process.launch()
            for service, process in zip(wave, started, strict=True):
                process.wait_for(f"{service.url}{service.health}")
        yield WholeStack(ports, tokens, secrets)


# What makes a test wait, by the file that says it: a pattern, and what it becomes.
_HURRIED = (
    ("prometheus/prometheus.yml", r"scrape_interval: 5s", "scrape_interval: 1s"),
    ("prometheus/prometheus.yml", r"scrape_timeout: 4s", "scrape_timeout: 1s"),
    ("prometheus/rules/adaptive.alerts.yml", r"interval: \d+[sm]", "interval: 1s"),
    ("prometheus/rules/adaptive.alerts.yml", r"offset 1m\b", "offset 5s"),
    ("prometheus/rules/limits.rules.yml", r"interval: \d+[sm]", "interval: 1s"),
    ("alertmanager/alertmanager.yml", r"group_interval: 5s", "group_interval: 1s"),
    ("alertmanager/alertmanager.yml", r"repeat_interval: 10s", "repeat_interval: 2s"),
)


def _hurry(config: Path) -> None:
    for name, pattern, short in _HURRIED:
        file = config / name
        text, changed = re.subn(pattern, short, file.read_text())
        if not changed:
            raise ValueError(f"{name} says nothing like {pattern!r}")
        file.write_text(text)


def _command(service: Service) -> tuple[str, ...]:
    settings = {"PYTHONUNBUFFERED": "1", **service.env}
    left_out = [name for name in os.environ if name.startswith("ANDON_")]
    unset = [part for name in left_out for part in ("-u", name)]
    return ("env", *unset, *(f"{name}={value}" for name, value in settings.items()), *service.argv)
