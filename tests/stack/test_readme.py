"""The way from the sandbox to a real exchange in shadow, as README.md and docs/going-live.md tell it."""

import re
import socket
import subprocess

import pytest
import yaml

from bin.stack.services import SANDBOX
from tests.checkout import ROOT
from tests.monitoring import wait_until
from tests.ports import free_port
from tests.stack.reader import Reader, commands

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture
def reader(tmp_path):
    reader = Reader(tmp_path)
    yield reader
    reader.ctrl_c()


def nobody_answers(reader: Reader) -> None:
    """In the place of the exchange, PagerDuty and the internet: a closed port."""
    closed = f"http://127.0.0.1:{free_port()}"
    alertmanager = reader.checkout / "alertmanager" / "ours.yml"
    shipped = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    alertmanager.write_text(shipped.replace("http://pager:8730", closed))
    reader.environ |= {
        "ANDON_ALERTMANAGER_CONFIG": str(alertmanager),
        "ANDON__VENUES__BINANCE_MAIN__OPTIONS__BASE_URL": closed,
        "ANDON__NOTIFIERS__PAGERDUTY__OPTIONS__URL": closed,
    }


def is_listened_on(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_steps_to_a_real_exchange_in_shadow_work_as_they_are_written(reader):
    nobody_answers(reader)
    *steps, up = commands("README.md", "Point it at a real exchange, in shadow")
    said = [reader.run(step) for step in steps]
    assert "webhook/andon.yml is right." in said[-1]
    assert up == "ANDON_CONFIG=webhook/andon.yml make up"
    reader.up(up)
    assert "Venues         binance-main (SHADOW: nothing is sent)" in reader.said
    assert "Engines        desk (SHADOW: nothing is sent)" in reader.said
    assert not re.search("sandbox|drill", reader.said, re.IGNORECASE)
    for name, port in reader.ports.items():
        assert is_listened_on(port) == (name not in SANDBOX), name
        assert (f"✓ {name} " in reader.said) == (name not in SANDBOX), name
    wait_until(lambda: reader.query('ALERTS{alertname="Watchdog"}'), seconds=30, what="the rules are evaluated")
    assert not reader.query('ALERTS{kill_action!=""}')
    reader.ctrl_c()
    assert "Stopped." in reader.said


def test_a_configuration_that_is_wrong_is_told_before_anything_starts(reader):
    for step in commands("README.md", "Point it at a real exchange, in shadow")[:2]:
        reader.run(step)
    said = reader.run("ANDON_CONFIG=webhook/andon.yml make up", status=2)
    assert re.search(r"venues\[0\]\.options\.api_key_file .*/andon/secrets/venue_main_api_key does not exist", said)
    assert "healthy" not in said
    assert "no such file" not in reader.run("ANDON_CONFIG=webhook/mine.yml make up", status=2).lower()


def test_the_exporters_of_one_s_own_are_right_as_shipped_and_with_all_that_is_offered(reader):
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
