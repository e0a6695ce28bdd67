"""The configuration is strict, and every fault is told at once."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporters.settings import ConfigError, NdjsonFeed, load
from tests.exporters.running import REPOSITORY

SANDBOX = REPOSITORY / "exporters" / "sandbox.yml"
FEED = {"source": "ndjson", "venue": "v", "url": "http://x", "symbols": ["BTC/USDT:USDT"]}


def loaded(tmp_path, document, **environ: str):
    file = tmp_path / "c.yml"
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return load(file, environ)


def faults(tmp_path, document, **environ: str):
    with pytest.raises(ConfigError) as wrong:
        loaded(tmp_path, document, **environ)
    return {fault.path: fault.message for fault in wrong.value.faults}


def test_the_sandbox_configuration_is_right():
    settings = load(SANDBOX, {})
    assert {each.name for each in settings.trading.strategies} == {"mm-btc", "trend-btc", "meanrev-btc"}
    assert (settings.system.listen.port, settings.market_data.listen.port, settings.trading.listen.port) == (
        9101,
        9102,
        9103,
    )
    assert settings.trading.events.token_file is not None


def test_an_empty_file_means_the_defaults(tmp_path):
    settings = loaded(tmp_path, "")
    assert settings.trading.listen.host == "127.0.0.1"
    assert settings.trading.day_starts_at_seconds == 0


def test_the_environment_overrides_the_file(tmp_path):
    settings = loaded(
        tmp_path,
        {"trading": {"listen": {"port": 1}}, "market_data": {"feeds": [FEED]}},
        ANDON_EXPORTERS__TRADING__LISTEN__PORT="9203",
        ANDON_EXPORTERS__TRADING__DAY_STARTS_AT="'17:30'",
        ANDON_EXPORTERS__MARKET_DATA__FEEDS__0__URL="https://elsewhere",
        ANDON_EXPORTERS__SYSTEM__PROCESS_SECONDS="0.5",
        ANDON_OTHER__THING="7",
    )
    assert settings.trading.listen.port == 9203
    assert settings.trading.day_starts_at_seconds == 17 * 3600 + 30 * 60
    assert isinstance(settings.market_data.feeds[0], NdjsonFeed)
    assert settings.market_data.feeds[0].url == "https://elsewhere"
    assert settings.system.process_seconds == 0.5


def test_every_fault_is_told_at_once(tmp_path):
    found = faults(
        tmp_path,
        {
            "trading": {"listen": {"port": 99999}, "day_starts_at": "25:00", "tail": [], "limits": {"parents": 0}},
            "market_data": {"feeds": [{**FEED, "symbols": ["BTCUSDT"]}, {"source": "carrier pigeon"}]},
            "system": {"processes": [{"name": "x"}], "process_seconds": 0},
            "treading": {},
        },
        ANDON_EXPORTERS__MARKET_DATA__FEEDS__7__URL="x",
    )
    assert set(found) == {
        "trading.listen.port",
        "trading.day_starts_at",
        "trading.tail",
        "trading.limits.parents",
        "market_data.feeds.0.ndjson.symbols",
        "market_data.feeds.1",
        "system.processes.0",
        "system.process_seconds",
        "treading",
        "ANDON_EXPORTERS__MARKET_DATA__FEEDS__7__URL",
    }


@pytest.mark.parametrize(
    "document",
    [
        {"market_data": {"feeds": [FEED, FEED]}},
        {"market_data": {"feeds": [{**FEED, "symbols": ["BTC/USDT"]}]}},
        {"market_data": {"feeds": [{**FEED, "market": "spot"}]}},
        {"market_data": {"feeds": [{**FEED, "symbols": ["BTC/USDT:USDT"] * 2}]}},
        {"market_data": {"feeds": [{**FEED, "url": "ftp://x"}]}},
        {"market_data": {"feeds": [{**FEED, "url": "http://user:secret@x y"}]}},
        {"market_data": {"feeds": [{**FEED, "idle_seconds": float("nan")}]}},
        {"system": {"processes": [{"name": "x", "cmdline": "aaa", "pid_file": "/p"}]}},
        {"system": {"processes": [{"name": "x", "cmdline": "aaa", "status_url": "http://x"}]}},
        {"system": {"processes": [{"name": "x", "cmdline": "aaa"}, {"name": "x", "cmdline": "bbb"}]}},
        {"trading": {"strategies": [{"name": "a b", "engine": "e", "venue": "v", "account": "c"}]}},
        {"trading": []},
        "- a list",
        "{",
    ],
)
def test_what_cannot_be_right_is_refused(document, tmp_path):
    assert faults(tmp_path, document)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yml", {})


def test_an_empty_token_is_no_token(tmp_path):
    token = tmp_path / "token"
    token.write_text("\n")
    settings = loaded(tmp_path, {"trading": {"events": {"token_file": str(token)}}})
    with pytest.raises(ValueError, match="is empty"):
        settings.trading.events.token()


def run(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporters", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_check_says_what_is_wrong_and_that_all_is_well(tmp_path):
    assert run("--check").returncode == 0
    file = tmp_path / "c.yml"
    file.write_text("trading: {listen: {port: -1}, x: 1}")
    done = run("--check", "--config", str(file))
    assert done.returncode == 2
    assert "trading.listen.port" in done.stderr
    assert "trading.x" in done.stderr


def test_an_unknown_exporter_is_refused():
    done = run("weather")
    assert done.returncode == 2
    assert "market-data" in done.stderr


def test_a_port_that_is_taken_keeps_it_from_starting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "c.yml"
        file.write_text(yaml.safe_dump({"system": {"listen": {"port": taken.getsockname()[1]}}}))
        done = run("system", "--config", str(file))
    assert done.returncode == 1
    assert "cannot start" in done.stderr


def kafka(**fields: object):
    told = {"bootstrap_servers": "a:9092,b:9092", "topics": ["t"], **fields}
    return {"trading": {"state_file": "/s.json", "events": {"kafka": told}}}


@pytest.mark.parametrize(
    "document",
    [
        {"trading": {"events": kafka()["trading"]["events"]}},
        kafka(bootstrap_servers="a"),
        kafka(topics=[]),
        kafka(security_protocol="SASL_SSL"),
        kafka(sasl_mechanism="PLAIN", username_file="/u", password_file="/p"),
        kafka(security_protocol="SASL_SSL", sasl_mechanism="PLAIN"),
        {"trading": {"risk": {"confidences": ["0.999"], "observations": 500}}},
        {"trading": {"risk": {"confidences": ["0.3"]}}},
        {"trading": {"risk": {"horizons": ["30s"]}}},
        {"trading": {"risk": {"horizons": ["1 h"]}}},
        {"trading": {"risk": {"min_observations": 3000}}},
        {"trading": {"quality": {"window_minutes": 0}}},
    ],
    ids=str,
)
def test_kafka_and_risk_that_cannot_be_are_refused(tmp_path, document):
    (tmp_path / "x.yml").write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError):
        load(tmp_path / "x.yml", {})


def test_a_kafka_with_a_log_in_is_taken(tmp_path):
    secrets = {"username_file": "/u", "password_file": "/p"}
    (tmp_path / "x.yml").write_text(
        yaml.safe_dump(kafka(security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", **secrets))
    )
    assert load(tmp_path / "x.yml", {}).trading.events.kafka.topics == ("t",)
