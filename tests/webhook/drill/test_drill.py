"""The drill over a real service and stand-ins for the sandbox: what it refuses, what it tells, what it believes."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders import an_alert
from tests.rig import Rig, a_rig
from tests.web_app import app_of, served
from webhook.access.operators import add_operator
from webhook.access.principal import Role
from webhook.cli import main
from webhook.drill.faults import BREAKS
from webhook.drill.world import reaches, series
from webhook.killswitch.scope import Scope
from webhook.settings import load

SCOPE = "venue=sandbox,account=mm,strategy=mm-btc"
STRATEGY = Scope.parse(SCOPE)


@dataclass
class Sandbox:
    """One HTTP server that plays venue, engine, exporter and Prometheus, as far as a drill looks at them."""

    rig: Rig | None = None
    breached: bool = False
    faults: list[Any] = field(default_factory=list)
    orders: int = 2
    believes: bool = True
    """Whether the venue becomes empty when the service says so."""

    def answer(self, method: str, path: str, body: Any) -> Any:
        match method, path.partition("?")[0]:
            case "GET", "/admin/state":
                left = self.orders if not (self.tripped() and self.believes) else 0
                account = {"open_orders_total": left, "positions": {}}
                return {"accounts": {"mm": account, "shared": account}}
            case "POST", "/faults":
                self.faults.append(body)
                self.breached = True
                self.deliver()
                return {}
            case "GET", "/metrics":
                return f'trading_drawdown_ratio{{strategy="mm-btc"}} {0.2 if self.breached else 0.0}\n'
            case "GET", "/api/v1/query":
                return {"data": {"result": [{"value": [0, "0.05"]}] if "drawdown" in path else []}}
            case "GET", "/api/v1/alerts":
                assert self.rig is not None
                return {"data": {"alerts": self.rig.prometheus.alerts}}
            case ("DELETE", "/faults") | ("DELETE", "/admin/faults") | ("POST", "/admin/reset"):
                self.breached = False
                assert self.rig is not None
                self.rig.prometheus.alerts.clear()
                self.rig.all_resolve()
                return {}
        raise AssertionError(f"{method} {path}")

    def tripped(self) -> bool:
        assert self.rig is not None
        return any(one.verdict.status.value == "verified" for one in self.rig.queries.trips())

    def deliver(self) -> None:
        assert self.rig is not None
        alert = an_alert(starts_at=datetime.now(UTC))
        self.rig.prometheus.fires(alert)
        timer = threading.Timer(0.2, self.rig.deliver, [alert])
        timer.start()


@dataclass
class Range:
    """Where drills are held."""

    sandbox: Sandbox
    rig: Rig
    folder: Path
    url: str
    capsys: Any

    def drill(self, *arguments: str) -> tuple[int, str]:
        files = {name: str(self.folder / f"{name}.token") for name in ("one", "other", "engine")}
        urls = [
            f"--{name}-url={self.url}"
            for name in ("venue", "engine", "prometheus", "trading-exporter", "market-data-exporter")
        ]
        code = main(
            [
                "drill",
                "--token-file",
                files["one"],
                "--approver-token-file",
                files["other"],
                "--engine-token-file",
                files["engine"],
                "--timeout",
                "5",
                *urls,
                *arguments,
            ]
        )
        told = self.capsys.readouterr()
        return code, told.out + told.err


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Range]:
    sandbox = Sandbox()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            found = sandbox.answer(self.command, self.path, body)
            content = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    for name, role in {"one": Role.RISK, "other": Role.RISK}.items():
        (tmp_path / f"{name}.token").write_text(add_operator(tmp_path / "operators.json", name, role, None))
    (tmp_path / "engine.token").write_text("engine-token")
    world = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{world.server_port}"
    with a_rig(tmp_path) as rig:
        sandbox.rig = rig
        settings = load(tmp_path / "andon.json", {})
        # The paper venue stands for ccxt on the sandbox; what the service says of itself is what a drill goes by.
        told = [one.model_copy(update={"adapter": "ccxt", "options": {"base_url": url}}) for one in settings.venues]
        thread = threading.Thread(target=world.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            with served(app_of(rig, settings.model_copy(update={"venues": tuple(told)}))) as service:
                monkeypatch.setenv("ANDON_URL", service)
                yield Range(sandbox, rig, tmp_path, url, capsys)
        finally:
            world.shutdown()
            world.server_close()
            thread.join()


def test_a_kill_is_timed_from_the_breach_to_the_venues_own_word(ground: Range) -> None:
    code, told = ground.drill()
    assert code == 0, told
    assert ground.sandbox.faults == [{"kind": "bleed", "strategy": "mm-btc"}]
    lines = [line.split(maxsplit=2)[2] for line in told.splitlines() if line.startswith(("  +", "  -"))]
    for words in (
        "breach in the exporter: trading_drawdown_ratio 0.2 > 0.05",
        "fires in Prometheus",
        "received from alertmanager",
        "stored",
        "first cancel",
        "no open order",
        "no position",
        "the venue itself says",
    ):
        assert any(words in line for line in lines), (words, told)
    assert "VERIFIED: flatten" in told
    assert "to restore" in told.lower()


def test_it_restores_and_resumes_as_two_people(ground: Range) -> None:
    code, told = ground.drill("--resume")
    assert code == 0, told
    assert f"Resumed: {SCOPE}" in told
    assert all(one.state.value == "normal" for one in ground.rig.queries.switches())


def test_a_venue_that_is_not_empty_is_believed_before_the_service(ground: Range) -> None:
    ground.sandbox.believes = False
    code, told = ground.drill("--timeout", "1.5")
    assert code == 4
    assert "NOT VERIFIED" in told
    assert "The venue says: 2 open orders" in told


def test_a_scope_that_was_halted_before_is_told_and_nothing_is_broken(ground: Range) -> None:
    ground.rig.until_verified(ground.rig.trip())
    code, told = ground.drill()
    assert code == 1
    assert "HALTED BEFORE the drill" in told
    assert ground.sandbox.faults == []


def test_what_is_breached_before_is_told_and_nothing_is_broken(ground: Range) -> None:
    ground.sandbox.breached = True
    code, told = ground.drill()
    assert (code, ground.sandbox.faults) == (1, [])
    assert "Above its limit BEFORE the drill" in told


@pytest.mark.parametrize(
    ("update", "word"),
    [
        ({"options": {}}, "the real exchange"),
        ({"options": {"base_url": "https://fapi.binance.com"}}, "fapi.binance.com"),
        ({"adapter": "paper"}, "paper"),
        ({"account": "elsewhere"}, "no account 'elsewhere'"),
    ],
)
def test_it_refuses_when_anything_armed_is_not_the_sandbox(
    ground: Range, monkeypatch: pytest.MonkeyPatch, update: dict[str, Any], word: str
) -> None:
    settings = load(ground.folder / "andon.json", {})
    told = [one.model_copy(update={"adapter": "ccxt", "options": {"base_url": ground.url}}) for one in settings.venues]
    told[1] = told[1].model_copy(update=update)
    with served(app_of(ground.rig, settings.model_copy(update={"venues": tuple(told)}))) as service:
        monkeypatch.setenv("ANDON_URL", service)
        code, told_text = ground.drill("--url", service)
    assert code == 1
    assert word in told_text
    assert ground.sandbox.faults == []


def test_an_unknown_strategy_is_refused(ground: Range) -> None:
    code, told = ground.drill("--strategy", "nobody")
    assert (code, "knows no strategy 'nobody'" in told, ground.sandbox.faults) == (1, True, [])


def test_an_alert_reaches_the_scope_that_its_labels_name() -> None:
    labels = {"kill_scope": "venue,account", "venue": "sandbox", "account": "mm", "strategy": "other"}
    assert reaches(labels, STRATEGY)
    assert not reaches(labels | {"account": "trend"}, STRATEGY)
    assert reaches({"kill_scope": "global"}, STRATEGY)


def test_samples_are_read_with_and_without_labels() -> None:
    text = '# HELP a_b x\na_b{x="1",y="q\\"r"} 2.5\na_b_c 3\na_b 4e-05\n'
    assert [value for _, _, value in series(text, "a_b")] == [2.5, 4e-05]


def test_every_fault_names_what_must_be_seen() -> None:
    for name, broken in BREAKS.items():
        assert broken.signs, name
        assert broken.engine or broken.venue, name
        assert broken.expects in ("halt", "flatten"), name
        for sign in broken.signs:
            assert "{" not in sign.limit.format(strategy="x").replace('{strategy="x"}', ""), sign
