"""Engines under test, each with what a test may do to it: the contract suite speaks to all of them alike."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.local_server import Asked, LocalServer, Reply, local_server
from webhook.actions.port import Engine
from webhook.clock import SystemClock
from webhook.engines import ENGINES
from webhook.engines.paper import PaperEngine, PaperOptions
from webhook.killswitch.scope import GLOBAL, Scope

TIMEOUT = 5.0
TOKEN = "engine-token-of-the-test"
STRATEGIES = {
    "mm-btc": {"venue": "sandbox", "account": "mm", "symbol": "BTC/USDT:USDT"},
    "trend-btc": {"venue": "sandbox", "account": "trend", "symbol": "BTC/USDT:USDT"},
}
SANDBOX_STATES = {"running": "running", "reduce_only": "reduce_only", "paused": "blocked"}


class Bench(Protocol):
    """One engine, from both sides."""

    engine: Engine

    def states(self) -> dict[str, str]:
        """What each strategy really does: ``running``, ``reduce_only`` or ``blocked``."""

    def asked(self) -> int:
        """How many requests it had."""

    def ignore_what_it_is_told(self) -> None:
        """From now on it says yes and trades on."""

    def hang(self) -> None:
        """From now on it takes requests and never answers."""

    def vanish(self) -> None:
        """From now on nobody answers."""


@dataclass
class PaperBench:
    engine: PaperEngine

    def states(self) -> dict[str, str]:
        return {name: state.value for name, state in self.engine.states.items()}

    def asked(self) -> int:
        return self.engine.calls

    def ignore_what_it_is_told(self) -> None:
        self.engine.faults.ignores = True

    def hang(self) -> None:
        self.engine.faults.latency = 60.0

    def vanish(self) -> None:
        self.engine.faults.unreachable = True


@dataclass
class SandboxControl:
    """The control API of the sandbox's engine, as its documentation has it."""

    strategies: dict[str, dict[str, str]]
    states: dict[str, str] = field(default_factory=dict)
    ignores: bool = False
    hangs: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.states = dict.fromkeys(self.strategies, "running")

    def answer(self, asked: Asked) -> Reply:
        if self.hangs:
            return Reply(wait=60.0)
        if asked.path == "/healthz":
            return Reply(body={"status": "ok"})
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"error": "a bearer token is needed"})
        if asked.path == "/status":
            labelled = {name: {**labels, "state": self.states[name]} for name, labels in self.strategies.items()}
            return Reply(body={"engine": "sandbox-engine", "strategies": labelled})
        state = {"pause": "paused", "reduce-only": "reduce_only", "resume": "running"}[asked.path.rsplit("/", 1)[1]]
        body = asked.json
        wanted = {name: value for name, value in body.items() if name in ("venue", "account", "symbol") and value}
        matched = [
            name
            for name, labels in self.strategies.items()
            if wanted.items() <= labels.items() and body.get("strategy") in (None, name)
        ]
        if not self.ignores:
            with self.lock:
                self.states.update(dict.fromkeys(matched, state))
        return Reply(body={"strategies": {name: {"state": state} for name in matched}, "matched": len(matched)})


@dataclass
class HttpBench:
    engine: Engine
    control: SandboxControl
    server: LocalServer
    gone: bool = False

    def states(self) -> dict[str, str]:
        return {name: SANDBOX_STATES[state] for name, state in self.control.states.items()}

    def asked(self) -> int:
        return len(self.server.asked)

    def ignore_what_it_is_told(self) -> None:
        self.control.ignores = True

    def hang(self) -> None:
        self.control.hangs = True

    def vanish(self) -> None:
        self.server.answer = lambda _: Reply(status=0)


def sandbox_engine_options(url: str, token_file: Path) -> dict[str, Any]:
    """The options for the control API of the sandbox's engine."""
    body = {name: f"{{{name}}}" for name in ("strategy", "account", "symbol", "venue", "reason")}

    def command(name: str, state: str) -> dict[str, Any]:
        success = {"status": [200], "json": {"path": "strategies.*.state", "equals": state}}
        return {"method": "POST", "url": f"{url}/control/{name}", "body": body, "success": success}

    return {
        "token_file": str(token_file),
        "scopes": ["venue", "account", "strategy", "symbol"],
        "block": command("pause", "paused"),
        "reduce_only": command("reduce-only", "reduce_only"),
        "resume": command("resume", "running"),
        "status": {
            "url": f"{url}/status",
            "parts": "strategies.*",
            "state": "state",
            "states": SANDBOX_STATES,
            "labels": {"strategy": "@key", "venue": "venue", "account": "account", "symbol": "symbol"},
        },
        "ping": {"method": "GET", "url": f"{url}/healthz"},
    }


def http_engine(options: dict[str, Any], *, mode: str = "live", scope: Scope = GLOBAL) -> Engine:
    """An HTTP engine made as the composition root makes it."""
    kind = ENGINES["http"]
    # Through JSON, because options come from a file: tuples and paths are lists and texts there.
    checked = kind.options.model_validate(json.loads(json.dumps(options)))
    return kind.build(name="sandbox-engine", mode=mode, scope=scope, options=checked, clock=SystemClock())


@contextmanager
def http_bench(
    folder: Path, strategies: dict[str, dict[str, str]] | None = None, **changes: Any
) -> Iterator[HttpBench]:
    """An HTTP engine at a stand-in for the sandbox's engine."""
    token_file = folder / "engine_token"
    token_file.write_text(f"{TOKEN}\n")
    control = SandboxControl(STRATEGIES if strategies is None else strategies)
    with local_server(control.answer) as server:
        engine = http_engine({**sandbox_engine_options(server.url, token_file), **changes})
        try:
            yield HttpBench(engine, control, server)
        finally:
            engine.close()


@contextmanager
def paper_bench(folder: Path) -> Iterator[PaperBench]:  # noqa: ARG001 - as the others
    """A paper engine."""
    yield PaperBench(PaperEngine(options=PaperOptions(strategies=STRATEGIES)))


BENCHES = {"http": http_bench, "paper": paper_bench}
