"""What docker-compose.yml promises: all pinned, nobody root, loopback only, each secret where it is read."""

import re
from pathlib import Path

import pytest
import yaml

from bin.stack.services import DEFAULT_PORTS, port_variable

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ONE_SHOTS = {"secrets", "check-prometheus", "check-alertmanager"}
LASTING = sorted(SERVICES.keys() - ONE_SHOTS)
HANDED_OUT = {
    line.split()[1]: line.split()[3:]
    for line in (ROOT / "bin" / "hand_out_secrets.sh").read_text().splitlines()
    if line.startswith("hand_out ")
}
every_service = pytest.mark.parametrize("name", sorted(SERVICES))
every_lasting_service = pytest.mark.parametrize("name", LASTING)


def mounts(name: str) -> dict[str, str]:
    """Source -> the rest of a service's volumes."""
    return dict(volume.split(":", 1) for volume in SERVICES[name].get("volumes", []) if not volume.startswith("$"))


@every_service
def test_images_are_pinned_to_a_version(name):
    repository, _, tag = SERVICES[name]["image"].partition(":")
    assert repository
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), f"{name}: {SERVICES[name]['image']}"


@pytest.mark.parametrize("dockerfile", ["webhook/Dockerfile", "exporters/Dockerfile", "sandbox/Dockerfile"])
def test_our_images_are_built_in_stages_on_a_pinned_base_and_run_as_nobody_in_particular(dockerfile):
    text = (ROOT / dockerfile).read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.1[1-3]-slim", base) for base in bases)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--constraint constraints.txt" in text
    assert dockerfile.split("/")[0] in (ROOT / ".dockerignore").read_text()


def test_secrets_never_reach_a_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert not any(line.startswith("!") and "secret" in line for line in ignored)


@every_lasting_service
def test_every_service_has_a_healthcheck_and_comes_back(name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]


@every_service
def test_nobody_can_write_gain_rights_or_fill_the_disk(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["logging"]["options"]["max-size"]
    assert service["pids_limit"]
    if name != "secrets":
        assert "cap_add" not in service
        assert service.get("user", "10001:10001").split(":")[0] != "0"


def test_only_the_one_shot_that_gives_files_to_their_readers_is_root_and_it_has_no_network():
    service = SERVICES["secrets"]
    assert service["user"] == "0:0"
    assert sorted(service["cap_add"]) == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    assert service["network_mode"] == "none"


@every_service
def test_ports_are_open_on_loopback_only_and_can_be_moved(name):
    for port in SERVICES[name].get("ports", []):
        default = {**DEFAULT_PORTS, "grafana": 3000}[name]
        assert port == f"127.0.0.1:${{{port_variable(name)}:-{default}}}:{default}"


def test_every_default_port_is_published_and_documented():
    example = (ROOT / ".env.example").read_text()
    for name, port in {**DEFAULT_PORTS, "grafana": 3000}.items():
        assert SERVICES[name]["ports"]
        assert f"{port_variable(name)}={port}" in example


def test_the_kill_keys_reach_one_service_only():
    holders = [service for service, patterns in HANDED_OUT.items() if any(p.startswith("'venue_") for p in patterns)]
    assert holders == ["webhook"]
    assert HANDED_OUT["engine"] == ["engine_accounts.json", "engine_token", "events_token", "sandbox_admin_token"]


@every_lasting_service
def test_a_service_mounts_its_own_secrets_and_nobody_else_s(name):
    foreign = {f"{service}-secrets" for service in HANDED_OUT} - {f"{name}-secrets"}
    assert not foreign & mounts(name).keys()
    assert "./secrets" not in mounts(name)
    if name in HANDED_OUT:
        assert mounts(name)[f"{name}-secrets"] == "/run/secrets:ro"


def test_the_one_shot_hands_out_to_every_volume_of_secrets():
    assert {service: f"{service}-secrets" for service in HANDED_OUT} == {
        target.removeprefix("/hand-out/"): source
        for source, target in mounts("secrets").items()
        if target.startswith("/hand-out/")
    }


@every_service
def test_no_secret_stands_in_the_file(name):
    environment = SERVICES[name].get("environment", {})
    for variable, value in environment.items():
        if re.search(r"PASSWORD|TOKEN|SECRET|KEY", variable):
            assert variable.endswith(("__FILE", "_DIR")), variable
            assert f"{value}/".startswith("/run/secrets/"), variable


@every_service
def test_files_of_the_checkout_are_mounted_read_only(name):
    for source, rest in mounts(name).items():
        if source.startswith("./") and (name, source) != ("secrets", "./secrets"):
            assert rest.endswith(":ro"), f"{name}: {source}"
    for volume in SERVICES[name].get("volumes", []):
        if volume.startswith("$"):
            assert volume.endswith(":ro"), f"{name}: {volume}"


def test_every_volume_and_network_that_is_declared_is_used_and_the_other_way_round():
    used = {source for name in SERVICES for source in mounts(name) if not source.startswith(("./", "/"))}
    assert used == COMPOSE["volumes"].keys()
    networks = {network for service in SERVICES.values() for network in service.get("networks", [])}
    assert networks == COMPOSE["networks"].keys()


def test_services_talk_on_a_network_without_a_way_out_and_few_may_leave():
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all("inside" in SERVICES[name]["networks"] for name in LASTING)
    leaving = {name for name in LASTING if "outside" in SERVICES[name]["networks"]}
    offered = {"blackbox-exporter", "postgres-exporter"}  # only with their profiles
    assert leaving == {"webhook", "alertmanager", "market-data-exporter", "system-exporter", *offered}
    assert all(SERVICES[name]["profiles"] for name in offered)


def test_alerts_are_sent_again_after_seconds_in_both_kinds_of_stack():
    flag = "--rules.alert.resend-delay=5s"
    assert flag in SERVICES["prometheus"]["command"]
    assert flag in (ROOT / "bin" / "stack" / "services.py").read_text()
