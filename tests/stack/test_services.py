"""The local stack's configuration: the committed files with this machine's ports and paths."""

import socket
from pathlib import Path

import pytest

from bin.stack.services import (
    DEFAULT_PORTS,
    SetupError,
    host_file,
    localise,
    port_variable,
    read_ports,
    refuse_taken_ports,
    render,
)

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
    render(read_ports({}), {}, run=tmp_path, secrets=tmp_path / "secrets")
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
    render(DEFAULT_PORTS, {}, run=tmp_path)
    assert not stale.exists()


def test_a_configuration_of_one_s_own_takes_the_place_of_the_sandbox_s(tmp_path):
    own = tmp_path / "mine.yml"
    own.write_text("prometheus: {url: 'http://prometheus:9090'}")
    render({**DEFAULT_PORTS, "prometheus": 19090}, {"ANDON_CONFIG": str(own)}, run=tmp_path / "run")
    assert (tmp_path / "run" / "config" / "webhook.yml").read_text() == "prometheus: {url: 'http://127.0.0.1:19090'}"


def test_a_file_is_taken_from_where_make_was_called_and_must_be_there(tmp_path, monkeypatch):
    (tmp_path / "capture.gz").touch()
    monkeypatch.chdir(tmp_path)
    assert host_file({"ANDON_REPLAY": "capture.gz"}, "ANDON_REPLAY") == tmp_path / "capture.gz"
    assert host_file({"ANDON_REPLAY": ""}, "ANDON_REPLAY") is None
    assert host_file({}, "ANDON_CONFIG") is None
    with pytest.raises(SetupError, match=r"ANDON_REPLAY .*nowhere\.gz"):
        host_file({"ANDON_REPLAY": "nowhere.gz"}, "ANDON_REPLAY")
