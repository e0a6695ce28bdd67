"""Exporters as real processes on free ports, and plain HTTP to them."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE = 30.0


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Wait for *condition* to be true and return it; fails by name."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {deadline} s for {what}"
        time.sleep(0.01)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def samples(self) -> dict[str, float]:
        """Sample name with labels, as written -> value."""
        pairs = (line.rsplit(" ", 1) for line in self.body.decode().splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return next(each["port"] for each in list(self.log) if each["event"] == "listening")

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        finally:
            connection.close()

    def samples(self, path: str = "/metrics") -> dict[str, float]:
        return self.ask(path).samples

    def wait_for(self, sample: str, value: float | None = None, path: str = "/metrics") -> float:
        """Until the sample is served (with this value)."""

        def there() -> bool:
            found = self.samples(path)
            return sample in found and (value is None or found[sample] == value)

        until(there, f"{sample} = {value}")
        return self.samples(path)[sample]


@contextmanager
def exporter(name: str, config: dict[str, Any], folder: Path, **environ: str) -> Iterator[Running]:
    """Start it, wait until it serves, and end it with SIGTERM if it still runs."""
    file = folder / f"{name}.yml"
    file.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "exporters", name, "--config", str(file)],
        cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **environ},
    )  # fmt: skip
    running = Running(process)
    reader = threading.Thread(target=_read, args=(process, running.log), daemon=True)
    reader.start()
    try:
        until(
            lambda: process.poll() is not None or any(each["event"] == "listening" for each in list(running.log)), name
        )
        assert process.poll() is None, running.log
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)
        reader.join(DEADLINE)
        assert process.stderr is not None
        process.stderr.close()


def _read(process: subprocess.Popen[bytes], log: list[dict[str, Any]]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        try:
            log.append(json.loads(line))
        except ValueError:
            log.append({"event": line.decode(errors="replace")})
