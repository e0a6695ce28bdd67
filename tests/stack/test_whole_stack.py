"""The sandbox as README.md and docs/running.md tell it, as local processes: all healthy, a breach killed and verified,
a clean end, and a halt that outlives it until two people resume.
"""

import re
import socket
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import requests

from tests.monitoring import wait_until
from tests.stack.reader import Reader, commands

MM = "venue=sandbox,account=mm,strategy=mm-btc"
UP = commands("README.md", "Two commands")[0]
(DRILL,) = commands("README.md", "What you should see")
(RELOAD,) = commands("README.md", "Tune a rule")
RESUME, EXPORT, STATUS, *_ = commands("docs/running.md", "Resume")
# What Prometheus remembers of before a restart is older than every limit on age after this.
TOO_OLD_SECONDS = 6.0

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def halted(reader: Reader) -> set[str]:
    """The scopes that are HALTED. (The drill moves the price, which may put its symbol on reduce-only as well.)"""
    lines = reader.get("webhook", "/metrics").text.splitlines()
    return {
        re.search(r'scope="([^"]*)"', line)[1]
        for line in lines
        if re.match(r'andon_switch_state\{.*state="halted".* 1\.0$', line)
    }


def ready(reader: Reader) -> bool:
    try:
        return reader.get("webhook", "/readyz").ok
    except requests.RequestException:
        return False


def andon(reader: Reader, command: str) -> str:
    """Type `andon` as the page does, with this stack's port and the operator's token."""
    assert STATUS == "ANDON_TOKEN=<operator's token> .venv/bin/andon status"
    (token,) = re.findall(r"operator \(risk\)   (\S+)", reader.said)
    typed = STATUS.replace("<operator's token>", token).replace("status", command)
    return reader.run(f"{EXPORT.replace('8700', str(reader.ports['webhook']))}; {typed}")


def kills_were_looked_for(reader: Reader) -> datetime:
    """When the last of the fast groups that may halt was evaluated."""
    return min(
        datetime.fromisoformat(group["lastEvaluation"])
        for group in reader.get("prometheus", "/api/v1/rules").json()["data"]["groups"]
        if group["interval"] <= 1 and any("kill_action" in rule.get("labels", {}) for rule in group["rules"])
    )


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    reader = Reader(tmp_path_factory.mktemp("whole"))
    # A test need not wait as long as an operator for an alert that ended to be told.
    rules = reader.checkout / "prometheus" / "rules" / "trading.alerts.yml"
    rules.write_text(rules.read_text().replace("keep_firing_for: 30s", "keep_firing_for: 1s"))
    try:
        reader.up(UP)
        yield reader
    finally:
        reader.ctrl_c()


def test_each_service_says_when_it_is_healthy_and_two_tokens_are_shown(reader):
    assert UP == "make up"
    for name, port in reader.ports.items():
        assert re.search(rf"✓ {name} +healthy in +\d+\.\d s   http://127\.0\.0\.1:{port}", reader.said), name
    assert len(re.findall(r"(?:operator|approver) \(risk\)   \S{20,}", reader.said)) == 2
    assert "Venues         sandbox-mm, sandbox-trend, sandbox-meanrev (live)" in reader.said
    assert "make drill" in reader.said
    assert "SHADOW" not in reader.said


def test_every_scrape_target_is_up(reader):
    def all_up() -> bool:
        targets = reader.get("prometheus", "/api/v1/targets").json()["data"]["activeTargets"]
        # Grafana runs with Docker only, and no rule asks for it.
        jobs = {target["labels"]["job"]: target["health"] for target in targets if target["labels"]["job"] != "grafana"}
        return jobs.keys() >= {"trading-kill", "webhook", "sandbox-pager"} and set(jobs.values()) == {"up"}

    wait_until(all_up, seconds=30, what="every target is up", pause=0.1)


def test_a_drill_is_verified(reader):
    assert DRILL == "make drill"
    said = reader.run(DRILL)
    assert "VERIFIED: flatten" in said
    assert halted(reader) == {MM}


def test_a_webhook_that_is_killed_comes_back_and_the_halt_with_it(reader):
    # One of the children may have been a check that has ended since.
    (webhook,) = [process for process in reader.services if process.is_running() and "webhook" in process.cmdline()]
    webhook.kill()
    wait_until(lambda: "webhook ended with status -9" in reader.said, seconds=90, what="the death is reported")
    wait_until(lambda: ready(reader), seconds=90, what="the webhook is ready again")
    assert halted(reader) == {MM}


def test_a_limit_is_read_again_and_a_faulty_one_is_not(reader):
    limits = reader.checkout / "prometheus" / "rules" / "limits.yml"
    shipped = limits.read_text()
    tuned = re.sub(r"(record: limit:trading_drawdown:ratio\n +expr: vector\()[0-9.]+", r"\g<1>0.11", shipped, count=1)
    limits.write_text(tuned)
    reader.run(RELOAD)
    wait_until(
        lambda: reader.query("limit:trading_drawdown:ratio == 0.11"), seconds=30, what="the new limit", pause=0.1
    )
    limits.write_text(tuned.replace("vector(0.11)", "vector(0.11"))
    assert "Nothing was reloaded." in reader.run(RELOAD, status=2)
    limits.write_text(shipped)


def test_two_people_resume_after_a_drill(reader):
    tokens = dict(re.findall(r"(operator|approver) \(risk\)   (\S+)", reader.said))
    for name, token in tokens.items():
        (reader.checkout / f"{name}.token").write_text(token)
    assert f"Resumed: {MM}" in reader.run(RESUME)
    wait_until(lambda: not halted(reader), seconds=30, what="nothing is halted", pause=0.1)
    assert "halted" not in andon(reader, "status").lower()


def test_ctrl_c_stops_everything_and_the_next_start_keeps_the_halt_and_halts_nothing_else(reader):
    andon(reader, f"trip --action halt --scope {MM} --reason tired")
    reader.ctrl_c()
    stopped = time.monotonic()
    assert "Stopped." in reader.said
    assert not [each for each in reader.services if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    for port in reader.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    # The strategies' last heartbeats are from before; time itself has to pass.
    wait_until(lambda: time.monotonic() > stopped + TOO_OLD_SECONDS, seconds=30, what="the past is old", pause=0.1)
    reader.up(UP)
    assert "Still stopped since an earlier run" in reader.said
    assert f"\n    HALTED {MM}\n" in reader.said
    heartbeats = "trading_strategy_last_heartbeat_timestamp_seconds"
    wait_until(lambda: reader.query(heartbeats), seconds=30, what="heartbeats are read")
    # And then every kill rule had its time.
    long_enough = datetime.now(UTC) + timedelta(seconds=2)
    wait_until(lambda: kills_were_looked_for(reader) > long_enough, seconds=60, what="the rules", pause=0.1)
    assert halted(reader) == {MM}
