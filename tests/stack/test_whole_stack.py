"""`make up` and `make drill` for real, as local processes: all healthy, a breach killed and verified, a clean end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bin.stack.services import DEFAULT_PORTS, port_variable

ROOT = Path(__file__).resolve().parents[2]
MM = "venue=sandbox,account=mm,strategy=mm-btc"

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def until(condition: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {seconds:.0f} s"
        time.sleep(0.1)


class LocalStack:
    """One `python -m bin.stack up`, with ports, state and secrets of its own."""

    def __init__(self, folder: Path) -> None:
        self.ports = dict(zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True))
        self.environ = {
            **os.environ,
            **{port_variable(name): str(port) for name, port in self.ports.items()},
            "ANDON_STACK": "local",
            "ANDON_RUN": str(folder / "run"),
            "ANDON_SECRETS": str(folder / "secrets"),
        }
        self.output = folder / "output"
        subprocess.run(
            ["sh", "bin/secrets.sh", str(folder / "secrets")], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        self.launcher: subprocess.Popen[bytes] | None = None
        self.services: list[psutil.Process] = []

    def up(self) -> None:
        with self.output.open("wb") as output:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "bin.stack", "up"], cwd=ROOT, env=self.environ, stdout=output, stderr=output
            )
        launcher = self.launcher
        until(lambda: "Next, in another" in self.said() or launcher.poll() is not None, "the stack is healthy")
        assert launcher.poll() is None, self.said()
        self.services = psutil.Process(launcher.pid).children()

    def stop(self) -> int:
        if self.launcher is None or self.launcher.poll() is not None:
            return 0
        self.launcher.send_signal(signal.SIGINT)
        return self.launcher.wait(timeout=120)

    def said(self) -> str:
        return self.output.read_text()

    def get(self, service: str, path: str) -> str:
        url = f"http://127.0.0.1:{self.ports[service]}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def query(self, expr: str) -> list[dict]:
        answer = self.get("prometheus", "/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
        return json.loads(answer)["data"]["result"]

    def halted(self) -> set[str]:
        """The scopes that are HALTED. (The drill moves the price, which may put its symbol on reduce-only as well.)"""
        lines = self.get("webhook", "/metrics").splitlines()
        return {
            re.search(r'scope="([^"]*)"', line)[1]
            for line in lines
            if re.match(r'andon_switch_state\{.*state="halted".* 1\.0$', line)
        }

    def ready(self) -> bool:
        try:
            return "ok" in self.get("webhook", "/readyz")
        except OSError:
            return False


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.stop()


def test_each_service_says_when_it_is_healthy_and_two_tokens_are_shown(stack):
    for name in DEFAULT_PORTS:
        assert re.search(rf"✓ {name} +healthy in +\d+\.\d s   http://127\.0\.0\.1:{stack.ports[name]}", stack.said()), (
            name
        )
    assert len(re.findall(r"(?:operator|approver) \(risk\)   \S{20,}", stack.said())) == 2


def test_every_scrape_target_is_up(stack):
    until(lambda: stack.query("up") and not stack.query("up == 0"), "every target is up", seconds=30)


def test_a_drill_is_verified(stack):
    drill = subprocess.run(
        [sys.executable, "-m", "bin.stack", "drill"],
        cwd=ROOT,
        env=stack.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert "VERIFIED: flatten" in drill.stdout
    assert stack.halted() == {MM}


def test_a_webhook_that_is_killed_comes_back_and_the_halt_with_it(stack):
    (webhook,) = [process for process in stack.services if "webhook" in process.cmdline()]
    webhook.kill()
    until(lambda: "webhook ended with status -9" in stack.said(), "the death is reported")
    until(stack.ready, "the webhook is ready again")
    assert stack.halted() == {MM}


def test_ctrl_c_stops_everything_and_the_next_start_keeps_the_halt_and_halts_nothing_else(stack):
    assert stack.stop() == 0
    assert "Stopped." in stack.said()
    assert not [
        process for process in stack.services if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]
    for port in stack.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    # Longer than every limit on age: what Prometheus remembers is then too old, and must not be taken for now.
    time.sleep(6)
    stack.up()
    assert "Still stopped since an earlier run" in stack.said()
    assert f"\n    HALTED {MM}\n" in stack.said()
    until(lambda: bool(stack.query("count(ALERTS)")), "rules are evaluated", seconds=30)
    until(
        lambda: bool(stack.query("trading_strategy_last_heartbeat_timestamp_seconds")),
        "heartbeats are read",
        seconds=30,
    )
    time.sleep(3)
    assert stack.halted() == {MM}
