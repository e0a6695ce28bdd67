"""A real Prometheus and a real Alertmanager with the shipped configuration, on free ports of the loopback.

The shipped files name their targets as Compose does (``webhook:8700``); a test says where each of them is::

    with Monitoring(tmp_path, hosts={"webhook:8700": webhook, "trading-exporter:9103": exporter}) as monitoring:
        ...

where a host is ``127.0.0.1:port``.  What is not named points at a closed port, and so is down.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from tests.ports import free_host

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
CLOSED = "127.0.0.1:1"
"""Where a target points that the test did not name: nothing listens there."""

SHIPPED_HOSTS = (
    "prometheus:9090",
    "alertmanager:9093",
    "grafana:3000",
    "webhook:8700",
    "system-exporter:9101",
    "market-data-exporter:9102",
    "trading-exporter:9103",
    "venue:8710",
    "engine:8720",
    "pager:8730",
)
_TOOLS = ROOT / ".cache" / "debian" / "usr" / "bin"
_NAMES = {"alertmanager": ("alertmanager", "prometheus-alertmanager")}


class MissingProgramError(RuntimeError):
    """A program that the tests need is not installed; the message says how to get it."""


def find(program: str) -> Path:
    """The path of *program* on PATH or in ``.cache/debian``; raises `MissingProgramError`."""
    for name in _NAMES.get(program, (program,)):
        for candidate in (shutil.which(name), _TOOLS / name):
            if candidate and os.access(candidate, os.X_OK):
                return Path(candidate)
    raise MissingProgramError(f"{program} is not installed: run `bin/setup.sh stack`, or put it on PATH")


def every(program: str, variable: str) -> list[Path]:
    """All versions of *program* to test with: those that the environment *variable* lists, else the installed one."""
    listed = [Path(item) for item in os.environ.get(variable, "").split(":") if item]
    missing = [str(item) for item in listed if not os.access(item, os.X_OK)]
    if missing:
        raise MissingProgramError(f"{variable} names what cannot be run: {', '.join(missing)}")
    return listed or [find(program)]


def wait_until(
    probe: Callable[[], T | None], *, seconds: float, what: str, pause: float = 0.02, hint: Callable[[], str] = str
) -> T:
    """The first truthy answer of *probe*; raises `TimeoutError` naming *what* after *seconds*."""
    end = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s {hint()}")
        time.sleep(pause)


def render(
    target: Path, *, hosts: Mapping[str, str], secrets: Path | None = None, edits: Mapping[str, str] | None = None
) -> None:
    """Copy ``prometheus/`` and ``alertmanager/`` into *target*, with *hosts* for the shipped ones.

    *secrets* takes the place of ``/run/secrets``; *edits* are further replacements of text, e.g. to shorten a wait.
    Raises `ValueError` for a host that is not shipped and for an edit that changes nothing.
    """
    if unknown := sorted(set(hosts) - set(SHIPPED_HOSTS)):
        raise ValueError(f"no shipped file names {', '.join(unknown)}; the hosts are {', '.join(SHIPPED_HOSTS)}")
    unused = set(edits or ())
    for source in sorted([*(ROOT / "prometheus").rglob("*.yml"), *(ROOT / "alertmanager").rglob("*.yml")]):
        text = source.read_text(encoding="utf-8")
        for shipped in SHIPPED_HOSTS:
            # Not within a longer name: `trading-exporter:9103` is no `exporter:9103`.
            text = re.sub(rf"(?<![\w.-]){re.escape(shipped)}(?!\d)", hosts.get(shipped, CLOSED), text)
        if secrets is not None:
            text = text.replace("/run/secrets", str(secrets))
        for old, new in (edits or {}).items():
            if old in text:
                unused.discard(old)
                text = text.replace(old, new)
        copy = target / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
    if unused:
        raise ValueError(f"edits that changed nothing: {', '.join(sorted(unused))}")


@dataclass
class Process:
    """One program that a test started; its output goes to *log*."""

    command: Sequence[str | os.PathLike[str]]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self, ready: str) -> None:
        """Start it and wait until GET *ready* answers 200; raises `TimeoutError` with the end of its log."""
        self.launch()
        self.wait_for(ready)

    def launch(self) -> None:
        """Start it."""
        with self.log.open("ab") as out:
            self.running = subprocess.Popen(self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def wait_for(self, ready: str) -> None:
        """Wait until GET *ready* answers 200; raises `TimeoutError` with the end of its log."""
        started = self.running
        assert started is not None

        def answers() -> bool:
            if started.poll() is not None:
                raise RuntimeError(f"{self.command[0]} ended with {started.returncode}: {self.tail()}")
            try:
                return requests.get(ready, timeout=1).status_code == 200
            except requests.RequestException:
                return False

        wait_until(answers, seconds=30, what=f"{self.command[0]} ready", pause=0.05, hint=self.tail)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, e.g. SIGHUP to reload."""
        if self.running is not None:
            self.running.send_signal(number)

    def stop(self) -> None:
        """End it: politely, then not."""
        if self.running is None:
            return
        self.running.terminate()
        try:
            self.running.wait(10)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
        self.running = None

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-20:])


@dataclass
class Monitoring:
    """Prometheus and Alertmanager with the shipped files; a context manager that starts and stops both.

    *hosts* maps shipped hosts (``webhook:8700``) to where they are; *secrets* is the folder with ``alertmanager_token``
    and ``pagerduty_routing_key``, made when it is not given: then the token is *token*.
    """

    directory: Path
    hosts: Mapping[str, str]
    secrets: Path | None = None
    edits: Mapping[str, str] = field(default_factory=dict)
    prometheus_host: str = field(default_factory=free_host)
    alertmanager_host: str = field(default_factory=free_host)
    token: str = "token-of-a-test"

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.secrets is None:
            self.secrets = self.directory / "secrets"
            self.secrets.mkdir()
            (self.secrets / "alertmanager_token").write_text(self.token + "\n", encoding="utf-8")
            (self.secrets / "pagerduty_routing_key").write_text("0" * 32, encoding="utf-8")
        self.alertmanager = Process(
            (
                find("alertmanager"),
                f"--config.file={self.directory}/alertmanager/alertmanager.yml",
                f"--storage.path={self.directory}/alertmanager-data",
                f"--web.listen-address={self.alertmanager_host}",
                "--cluster.listen-address=",
            ),
            self.directory / "alertmanager.log",
        )
        self.prometheus = Process(
            (
                find("prometheus"),
                f"--config.file={self.directory}/prometheus/prometheus.yml",
                f"--storage.tsdb.path={self.directory}/prometheus-data",
                f"--web.listen-address={self.prometheus_host}",
                "--storage.tsdb.retention.time=1d",
                "--rules.alert.resend-delay=5s",
            ),
            self.directory / "prometheus.log",
        )

    def __enter__(self) -> Self:
        own = {"prometheus:9090": self.prometheus_host, "alertmanager:9093": self.alertmanager_host}
        render(self.directory, hosts={**self.hosts, **own}, secrets=self.secrets, edits=self.edits)
        try:
            self.alertmanager.start(f"http://{self.alertmanager_host}/-/ready")
            self.prometheus.start(f"http://{self.prometheus_host}/-/ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop both, Prometheus first."""
        self.prometheus.stop()
        self.alertmanager.stop()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of *expression*: ``[{"metric": {label: value}, "value": [time, "text"]}]``."""
        answer = requests.get(
            f"http://{self.prometheus_host}/api/v1/query", params={"query": expression}, timeout=5
        ).json()
        if answer["status"] != "success":
            raise ValueError(f"{expression}: {answer['error']}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The only value of *expression*, or None when it has no sample."""
        result = self.query(expression)
        if len(result) > 1:
            raise ValueError(f"{expression} has {len(result)} samples")
        return float(result[0]["value"][1]) if result else None

    def alerts(self) -> list[dict[str, Any]]:
        """What Prometheus calls pending or firing."""
        answer = requests.get(f"http://{self.prometheus_host}/api/v1/alerts", timeout=5).json()
        result: list[dict[str, Any]] = answer["data"]["alerts"]
        return result
