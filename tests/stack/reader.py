"""Somebody who types the commands of README.md and docs/ as they stand there into a fresh checkout."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import requests

from bin.stack.services import DEFAULT_PORTS, port_variable
from tests.checkout import ROOT, fresh_checkout
from tests.monitoring import wait_until
from tests.ports import free_port

ANY_SECRET = "0123456789abcdef0123456789abcdef\n"


def commands(page: str, heading: str) -> list[str]:
    """The lines of the shell blocks below a heading, without comments."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line.partition("  #")[0].rstrip() for block in blocks for line in block.splitlines() if line]


class Reader:
    """A fresh checkout, local processes on ports of its own, and nobody outside who would answer."""

    def __init__(self, folder: Path) -> None:
        self.checkout = fresh_checkout(folder / "andon")
        self.ports = {name: free_port() for name in DEFAULT_PORTS}
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANDON_")},
            **{port_variable(name): str(port) for name, port in self.ports.items()},
            "ANDON_STACK": "local",
        }
        self.services: list[psutil.Process] = []
        self._said = folder / "said"
        self._make: subprocess.Popen[bytes] | None = None

    def run(self, command: str, *, status: int = 0) -> str:
        """Type a command that ends, and paste a secret where one is asked for; what it said."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.checkout,
            env=self.environ,
            input=ANY_SECRET,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}"
        return done.stdout

    def up(self, command: str) -> None:
        """Type a `make up`, and wait until everything is healthy."""
        with self._said.open("wb") as output:
            # A session of its own, as a terminal gives: Ctrl-C is for all of it.
            self._make = make = subprocess.Popen(
                command,
                shell=True,
                cwd=self.checkout,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(
            lambda: "Next, in another terminal" in self.said or make.poll() is not None,
            seconds=100,
            what=command,
            hint=lambda: self.said,
        )
        assert make.poll() is None, self.said
        launcher = json.loads((self.checkout / ".run" / "stack.pid").read_text())["pid"]
        self.services = psutil.Process(launcher).children()

    def ctrl_c(self) -> None:
        """Press Ctrl-C where `make up` runs, and wait for its end."""
        if self._make is not None and self._make.poll() is None:
            os.killpg(self._make.pid, signal.SIGINT)
            self._make.wait(timeout=100)

    @property
    def said(self) -> str:
        """What the last `make up` has said."""
        return self._said.read_text()

    def get(self, service: str, path: str, **parameters: str) -> requests.Response:
        """An answer of a service."""
        return requests.get(f"http://127.0.0.1:{self.ports[service]}{path}", params=parameters, timeout=5)

    def query(self, expression: str) -> list[dict]:
        """The instant vector of an expression."""
        found: list[dict] = self.get("prometheus", "/api/v1/query", query=expression).json()["data"]["result"]
        return found
