"""The local stack's configuration: the committed files with this machine's ports and paths."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from bin.stack.__main__ import read_env_file
from bin.stack.docker import variables
from bin.stack.services import (
    DEFAULT_PORTS,
    SANDBOX,
    SetupError,
    choose,
    host_file,
    localise,
    port_variable,
    read_ports,
    refuse_taken_ports,
    render,
    services,
)
from tests.checkout import fresh_checkout

ROOT = Path(__file__).resolve().parents[2]


def test_ports_are_the_documented_ones_unless_the_environment_moves_them():
    assert read_ports({}) == DEFAULT_PORTS
    assert read_ports({"ANDON_MARKET_DATA_EXPORTER_PORT": "19102"})["market-data-exporter"] == 19102


@pytest.mark.parametrize("text", ["", "ninety", "0", "65536", "-1", "80 80"])
def test_a_port_that_is_none_is_refused_by_the_name_of_its_variable(text):
    with pytest.raises(SetupError, match="ANDON_WEBHOOK_PORT"):
        read_ports({"ANDON_WEBHOOK_PORT": text})


def test_two_services_on_one_port_are_refused():
    with pytest.raises(SetupError, match="ANDON_PAGER_PORT"):
        read_ports({"ANDON_PAGER_PORT": "8700"})


def test_every_port_that_is_taken_is_named_with_the_variable_that_moves_it():
    with socket.socket() as first, socket.socket() as second:
        for taken in (first, second):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        ports = {"webhook": first.getsockname()[1], "market-data-exporter": second.getsockname()[1]}
        with pytest.raises(SetupError) as refused:
            refuse_taken_ports(ports)
    for name, port in ports.items():
        assert f"Port {port} ({name})" in str(refused.value)
        assert port_variable(name) in str(refused.value)


def test_free_ports_are_fine():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    refuse_taken_ports({"webhook": port})


def test_names_of_services_become_loopback_ports_and_paths_this_checkout_s():
    ports = {"engine": 18720, "trading-exporter": 19103, "webhook": 18700}
    text = "http://webhook:8700/x trading-exporter:9103 engine:8720 /run/secrets/a sqlite:////var/lib/andon/andon.db"
    assert localise(text, ports, secrets=Path("/s"), state=Path("/st")) == (
        "http://127.0.0.1:18700/x 127.0.0.1:19103 127.0.0.1:18720 /s/a sqlite:////st/andon.db"
    )


def test_what_only_looks_like_a_service_is_left_alone():
    text = "my-webhook:8700 webhook:87001 webhook:9999 mywebhook:8700 host.webhook:8700"
    assert localise(text, {"webhook": 1}, secrets=Path("/s"), state=Path("/st")) == text


def test_nothing_of_compose_is_left_in_the_rendered_configuration(tmp_path):
    render(read_ports({}), choose({}), run=tmp_path, secrets=tmp_path / "secrets")
    rendered = sorted((tmp_path / "config").rglob("*.yml"))
    names = {file.relative_to(tmp_path / "config").as_posix() for file in rendered}
    assert names >= {
        "prometheus/prometheus.yml",
        "prometheus/rules/limits.yml",
        "alertmanager/alertmanager.yml",
        "webhook.yml",
        "exporters.yml",
    }
    for file in rendered:
        text = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
        assert "/run/secrets" not in text, file
        for name, port in DEFAULT_PORTS.items():
            assert f"{name}:{port}" not in text, file


def test_a_file_that_is_gone_from_the_checkout_goes_from_the_rendered_configuration(tmp_path):
    stale = tmp_path / "config" / "prometheus" / "rules" / "old.alerts.yml"
    stale.parent.mkdir(parents=True)
    stale.write_text("groups: []")
    render(DEFAULT_PORTS, choose({}), run=tmp_path)
    assert not stale.exists()


def test_a_configuration_of_one_s_own_takes_the_place_of_the_sandbox_s(tmp_path):
    own = tmp_path / "mine.yml"
    own.write_text("prometheus: {url: 'http://prometheus:9090'}")
    render({**DEFAULT_PORTS, "prometheus": 19090}, choose({"ANDON_CONFIG": str(own)}), run=tmp_path / "run")
    assert (tmp_path / "run" / "config" / "webhook.yml").read_text() == "prometheus: {url: 'http://127.0.0.1:19090'}"


EXAMPLE = {"ANDON_CONFIG": str(ROOT / "webhook" / "andon.example.yml")}


def names_of(environ: dict[str, str]) -> set[str]:
    waves = services(DEFAULT_PORTS, choose(environ), replay=None)
    assert all(waves)
    return {service.name for wave in waves for service in wave}


def test_the_sandbox_is_started_where_the_configuration_names_it_and_nowhere_else(tmp_path):
    assert names_of({}) == DEFAULT_PORTS.keys()
    assert names_of(EXAMPLE) == DEFAULT_PORTS.keys() - set(SANDBOX)
    changed = tmp_path / "changed.yml"
    changed.write_text(
        (ROOT / "webhook" / "andon.sandbox.yml").read_text().replace("sweep_seconds: 1", "sweep_seconds: 2")
    )
    assert names_of({"ANDON_CONFIG": str(changed)}) == DEFAULT_PORTS.keys()
    paged = tmp_path / "paged.yml"
    paged.write_text("# http://engine:8720 no more\nurl: http://pager:8730/v2  # not http://venue:8710\n")
    assert names_of({"ANDON_CONFIG": str(paged)}) == DEFAULT_PORTS.keys() - {"venue", "engine"}


def test_without_the_sandbox_nothing_of_it_is_scraped_paged_or_remembered(tmp_path):
    render(DEFAULT_PORTS, choose({}), run=tmp_path, secrets=tmp_path)
    sandbox = (tmp_path / "config" / "webhook.yml").read_text()
    assert (tmp_path / "config" / "prometheus" / "targets" / "sandbox.yml").exists()
    render(DEFAULT_PORTS, choose(EXAMPLE), run=tmp_path, secrets=tmp_path)
    config = tmp_path / "config"
    assert not (config / "prometheus" / "targets" / "sandbox.yml").exists()
    assert not (config / "prometheus" / "rules" / "limits.sandbox.yml").exists()
    for file in config.rglob("*.yml"):
        for name in SANDBOX:
            assert f"127.0.0.1:{DEFAULT_PORTS[name]}" not in file.read_text(), file
    receivers = {
        one["name"]: one
        for one in yaml.safe_load((config / "alertmanager" / "alertmanager.yml").read_text())["receivers"]
    }
    for name in ("page", "tell"):
        (pagerduty,) = receivers[name]["pagerduty_configs"]
        assert pagerduty["routing_key_file"]
        assert "url" not in pagerduty
    assert f"sqlite:///{tmp_path}/state/andon.db" in sandbox
    assert f"sqlite:///{tmp_path}/state-own/andon.db" in (config / "webhook.yml").read_text()


def test_without_exporters_of_one_s_own_those_of_the_example_run_and_not_the_sandbox_s(tmp_path):
    assert choose({}).exporters == ROOT / "exporters" / "sandbox.yml"
    assert choose(EXAMPLE).exporters == ROOT / "exporters" / "example.yml"
    own = tmp_path / "exporters.yml"
    own.touch()
    assert choose({**EXAMPLE, "ANDON_EXPORTERS_CONFIG": str(own)}).exporters == own


def test_compose_is_told_the_same_as_local_processes(tmp_path):
    compose = (ROOT / "docker-compose.yml").read_text()
    own = variables(choose(EXAMPLE), EXAMPLE, tmp_path)
    sandbox = variables(choose({}), {}, tmp_path)
    for name in own | sandbox:
        assert f"${{{name}:" in compose, name
    assert own["ANDON_CONFIG"] == EXAMPLE["ANDON_CONFIG"]
    assert own["ANDON_EXPORTERS_CONFIG"] == str(ROOT / "exporters" / "example.yml")
    assert own["ANDON_STATE"]
    assert own["ANDON_SANDBOX_TARGETS"] == own["ANDON_SANDBOX_LIMITS"] == "/dev/null"
    assert "pager:" not in (Path(own["ANDON_ALERTMANAGER_DIR"]) / "alertmanager.yml").read_text()
    assert (
        not {"ANDON_STATE", "ANDON_SANDBOX_TARGETS", "ANDON_SANDBOX_LIMITS", "ANDON_ALERTMANAGER_DIR"} & sandbox.keys()
    )


def test_a_file_is_taken_from_where_make_was_called_and_must_be_there(tmp_path, monkeypatch):
    (tmp_path / "capture.gz").touch()
    monkeypatch.chdir(tmp_path)
    assert host_file({"ANDON_REPLAY": "capture.gz"}, "ANDON_REPLAY") == tmp_path / "capture.gz"
    assert host_file({"ANDON_REPLAY": ""}, "ANDON_REPLAY") is None
    assert host_file({}, "ANDON_CONFIG") is None
    with pytest.raises(SetupError, match=r"ANDON_REPLAY .*nowhere\.gz"):
        host_file({"ANDON_REPLAY": "nowhere.gz"}, "ANDON_REPLAY")


def test_variables_of_the_env_file_are_read_as_compose_reads_them(tmp_path):
    file = tmp_path / ".env"
    assert read_env_file(file) == {}
    file.write_text(
        "# ANDON_PAGER_PORT=1\n\nANDON_WEBHOOK_PORT=18700\nexport ANDON_STACK = local # here\n"
        "ANDON_REPLAY='/a b/c#d.gz'\n"
    )
    assert read_env_file(file) == {
        "ANDON_WEBHOOK_PORT": "18700",
        "ANDON_STACK": "local",
        "ANDON_REPLAY": "/a b/c#d.gz",
    }


def test_the_env_file_moves_the_ports_of_a_local_stack_and_the_shell_wins(tmp_path):
    checkout = fresh_checkout(tmp_path / "andon")
    (checkout / ".env").write_text("ANDON_STACK=neither\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")}

    def kind(**more: str) -> subprocess.CompletedProcess[str]:
        command = [".venv/bin/python", "-m", "bin.stack", "kind"]
        return subprocess.run(
            command, cwd=checkout, env={**environ, **more}, capture_output=True, text=True, timeout=60, check=False
        )

    assert "ANDON_STACK is 'neither'" in kind().stderr
    assert kind(ANDON_STACK="local").stdout == "local\n"
