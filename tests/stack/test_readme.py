"""The commands of README.md and docs/going-live.md, typed as they stand there into a fresh checkout."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from bin.stack.services import DEFAULT_PORTS, SANDBOX, port_variable
from tests.checkout import ROOT, fresh_checkout
from tests.monitoring import wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

ANY_SECRET = "0123456789abcdef0123456789abcdef\n"


def commands(page: str, heading: str) -> list[str]:
    """The lines of the shell blocks below a heading."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


class Reader:
    """Somebody with a fresh checkout, ports of their own, and nobody outside who would answer."""

    def __init__(self, folder: Path) -> None:
        self.checkout = fresh_checkout(folder / "andon")
        self.ports = {name: free_port() for name in DEFAULT_PORTS}
        closed = f"http://127.0.0.1:{free_port()}"
        alertmanager = folder / "alertmanager.yml"
        shipped = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
        alertmanager.write_text(shipped.replace("http://pager:8730", closed))
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANDON_")},
            **{port_variable(name): str(port) for name, port in self.ports.items()},
            "ANDON_STACK": "local",
            "ANDON_ALERTMANAGER_CONFIG": str(alertmanager),
            "ANDON__VENUES__BINANCE_MAIN__OPTIONS__BASE_URL": closed,
            "ANDON__NOTIFIERS__PAGERDUTY__OPTIONS__URL": closed,
        }

    def run(self, command: str) -> str:
        """Type a command that ends; a secret is pasted where one is asked for."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.checkout,
            env=self.environ,
            input=ANY_SECRET,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def up(self, command: str) -> Iterator[str]:
        """Type a `make up`; what it said until everything was healthy.  It ends with Ctrl-C."""
        said = self.checkout / "said"
        with said.open("wb") as output:
            make = subprocess.Popen(
                command,
                shell=True,
                cwd=self.checkout,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_until(
                lambda: "Next, in another terminal" in said.read_text() or make.poll() is not None,
                seconds=90,
                what=command,
                hint=said.read_text,
            )
            assert make.poll() is None, said.read_text()
            yield said.read_text()
        finally:
            if make.poll() is None:
                os.killpg(make.pid, signal.SIGINT)
            make.wait(60)
        assert "Stopped." in said.read_text()

    def firing(self) -> Mapping[str, Mapping[str, str]]:
        """The labels of each alert that fires, by its name."""
        answer = requests.get(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/alerts", timeout=5).json()
        return {
            one["labels"]["alertname"]: one["labels"] for one in answer["data"]["alerts"] if one["state"] == "firing"
        }


def is_listened_on(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_steps_to_a_real_exchange_in_shadow_work_as_they_are_written(tmp_path):
    reader = Reader(tmp_path)
    *steps, up = commands("README.md", "Point it at a real exchange, in shadow")
    said = [reader.run(step) for step in steps]
    assert "webhook/andon.yml is right." in said[-1]
    assert up == "ANDON_CONFIG=webhook/andon.yml make up"
    with reader.up(up) as told:
        assert "Venues         binance-main (SHADOW: nothing is sent)" in told
        assert "Engines        desk (SHADOW: nothing is sent)" in told
        for name, port in reader.ports.items():
            assert is_listened_on(port) == (name not in SANDBOX), name
            assert (f"✓ {name} " in told) == (name not in SANDBOX), name
        assert not re.search("sandbox|drill", told, re.IGNORECASE)
        firing = wait_until(reader.firing, seconds=30, what="the rules are evaluated")
        assert "Watchdog" in firing
        assert not [labels for labels in firing.values() if "kill_action" in labels]


def test_the_exporters_of_one_s_own_are_right_as_shipped_and_with_all_that_is_offered(tmp_path):
    reader = Reader(tmp_path)
    copy, check, up = commands("docs/going-live.md", "What watches your trading")
    reader.run(copy)
    assert ": ok" in reader.run(check)
    own = reader.checkout / "exporters" / "exporters.yml"
    offered = re.sub(r"^( *)# (?=\w+:$| *- \{)", r"\1", own.read_text(), flags=re.MULTILINE)
    own.write_text(offered)
    assert ": ok" in reader.run(check)
    settings = yaml.safe_load(offered)
    assert [strategy["name"] for strategy in settings["trading"]["strategies"]] == ["grid", "carry"]
    assert all((settings["system"]["venues"], settings["market_data"]["feeds"], settings["trading"]["reconciliation"]))
    assert up == f"ANDON_CONFIG=webhook/andon.yml ANDON_EXPORTERS_CONFIG={check.split()[-1]} make up"


def test_files_of_one_s_own_are_not_for_git():
    own = ["webhook/andon.yml", "exporters/exporters.yml", ".env", "secrets/venue_main_api_key"]
    done = subprocess.run(
        ["git", "check-ignore", *own], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == own
