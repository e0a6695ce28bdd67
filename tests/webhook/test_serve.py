"""The real process: gunicorn, its worker, signals, slow and rude clients."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_payload, an_alert_entry
from tests.disks import a_disk_that_can_hang, hung
from tests.rig import settings_document, until
from webhook.access.operators import add_operator
from webhook.access.principal import Role

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
INTAKE = "a-token-of-more-than-sixteen-characters"


@dataclass
class Process:
    """A running `andon serve`."""

    process: subprocess.Popen[bytes]
    log: Path
    folder: Path
    port: int = 0
    token: str = ""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def listening(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        found = [line for line in self.lines() if line.get("event") == "listening"]
        if found:
            self.port = int(found[0]["addresses"][0].rpartition(":")[2])
        return bool(found) and self.answers()

    def answers(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str, token: str = "", body: bytes | None = None, timeout: float = 10) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def json(self, path: str) -> Any:
        return json.loads(self.get(path)[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextmanager
def a_process(folder: Path, **changes: Any) -> Iterator[Process]:
    folder.mkdir(exist_ok=True)
    document = settings_document(folder, **changes)
    document["listen"] = {"port": 0, "threads": 4} | changes.get("listen", {})
    token = add_operator(folder / "operators.json", "rita", Role.RISK, None)
    (folder / "andon.yml").write_text(json.dumps(document))
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "webhook", "serve", "--config", str(folder / "andon.yml")],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
    running = Process(process, log, folder, token=token)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with a_process(tmp_path_factory.mktemp("served")) as running:
        until(running.listening, 30, running.log.read_text)
        yield running


def a_request(body: bytes, *, length: int | None = None) -> bytes:
    return (
        f"POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {INTAKE}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    ).encode() + body


def a_kill(**labels: str) -> bytes:
    chosen = {
        "alertname": "TradingHaltAsked",
        "kill_action": "halt",
        "kill_scope": "venue,account",
        "venue": "sandbox",
        "account": "shared",
    } | labels
    return json.dumps(a_payload(an_alert_entry(labels=chosen, startsAt=datetime.now(UTC).isoformat()))).encode()


def test_it_serves_with_one_worker_and_no_more_memory_than_promised(served: Process) -> None:
    assert served.get("/healthz")[0] == 200
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    assert len(children) == 1
    pages = Path(f"/proc/{children[0]}/status").read_text()
    resident = next(int(line.split()[1]) for line in pages.splitlines() if line.startswith("VmRSS"))
    assert resident < 200 * 1024


def test_a_client_that_hangs_up_before_the_answer_does_not_lose_the_kill(served: Process) -> None:
    with served.connect() as client:
        client.sendall(a_request(a_kill(account="mm")))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    until(lambda: any(one["scope"] == "venue=sandbox,account=mm" for one in served.json("/api/v1/trips")["trips"]))


def test_clients_that_stop_half_way_are_let_go_of(served: Process) -> None:
    halves = [served.connect() for _ in range(4)]
    try:
        for place, client in enumerate(halves):
            client.sendall(a_request(a_kill())[: 20 if place % 2 else -20])
        started = time.monotonic()
        assert served.get("/api/v1/alerts", INTAKE, a_kill(), timeout=30)[0] == 200
        assert time.monotonic() - started < 15
    finally:
        for client in halves:
            client.close()


def test_clients_that_say_nothing_keep_nobody_out(served: Process) -> None:
    silent = [served.connect() for _ in range(40)]
    try:
        started = time.monotonic()
        assert served.get("/api/v1/alerts", INTAKE, a_kill())[0] == 200
        assert time.monotonic() - started < 3
    finally:
        for client in silent:
            client.close()


@pytest.mark.parametrize(
    "rude",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
)
def test_what_is_no_request_harms_nobody(served: Process, rude: bytes) -> None:
    with served.connect() as client:
        client.sendall(rude)
        client.settimeout(5)
        answer = client.recv(4096)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert served.get("/healthz")[0] == 200


def test_a_chunked_body_is_read_and_bounded(served: Process) -> None:
    def chunked(body: bytes) -> int:
        head = a_request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        with served.connect() as client:
            client.sendall(head)
            for start in range(0, len(body), 1 << 20):
                part = body[start : start + (1 << 20)]
                client.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            client.sendall(b"0\r\n\r\n")
            return int(client.recv(4096).split()[1])

    assert chunked(json.dumps(a_payload(alerts=[])).encode()) == 200
    assert chunked(b'{"version": "4", "alerts": [' + b" " * (5 << 20) + b"]}") == 503


def test_sighup_reads_the_configuration_again_and_refuses_a_faulty_one(tmp_path: Path) -> None:
    with a_process(tmp_path) as running:
        until(running.listening, 30, running.log.read_text)
        path = tmp_path / "andon.yml"
        document = json.loads(path.read_text())
        path.write_text(json.dumps(document | {"mode": "shadow"}))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.answers() and running.json("/api/v1/switches")["mode"] == "shadow", 30)
        path.write_text(json.dumps(document | {"mode": "nothing"}))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: any(line.get("event") == "configuration.refused" for line in running.lines()), 30)
        until(running.answers, 30)


def test_sigterm_answers_what_is_under_way_and_ends_clean(tmp_path: Path) -> None:
    with a_process(tmp_path) as running:
        until(running.listening, 30, running.log.read_text)
        body = a_kill()
        with running.connect() as client:
            request = a_request(body)
            client.sendall(request[:-10])
            # The service has the beginning of a request in hand when it is told to stop.
            time.sleep(0.3)
            running.process.terminate()
            time.sleep(0.3)
            client.sendall(request[-10:])
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert running.process.wait(20) == 0
        assert not [
            line for line in running.lines() if line["level"] in ("error", "critical") and line["event"] != "tripped"
        ]


def test_a_faulty_configuration_is_told_in_full_and_nothing_starts(tmp_path: Path) -> None:
    unknown = [{"name": "v", "venue": "sandbox", "account": "mm", "adapter": "papr"}]
    with a_process(tmp_path, venues=unknown, mode="x") as running:
        assert running.process.wait(30) == 1
        assert "mode (line" in running.log.read_text()
    with a_process(tmp_path / "b", venues=unknown) as running:
        assert running.process.wait(30) != 0
        assert "'papr' is not one of" in running.log.read_text()


def test_reads_that_hang_with_the_disk_take_no_thread_from_a_kill(tmp_path: Path) -> None:
    """A console that asks on and on hangs in the kernel; an alert is decided in memory all the same."""
    with (
        a_disk_that_can_hang(tmp_path / "disk") as disk,
        a_process(tmp_path / "served", store={"url": f"sqlite:///{disk}/andon.db"}, listen={"threads": 16}) as running,
    ):
        until(running.listening, 30, running.log.read_text)
        asking = [
            threading.Thread(target=running.get, args=("/api/v1/audit",), kwargs={"timeout": 60}) for _ in range(40)
        ]
        with hung(disk):
            for thread in asking:
                thread.start()
            status, answer = running.get("/api/v1/alerts", INTAKE, a_kill(), timeout=15)
            assert (status, b"decided in memory" in answer) == (503, True), answer
            sent = 'andon_kill_stage_seconds_count{stage="first_cancel_sent"} 1.0'
            until(lambda: sent in running.get("/metrics")[1].decode())
        for thread in asking:
            thread.join(60)
        until(lambda: [one["status"] for one in running.json("/api/v1/trips")["trips"]] == ["verified"], 20)
