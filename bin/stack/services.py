"""Which processes make up a local stack, and their configuration.

The committed configuration speaks Compose: `webhook:8700`, `/run/secrets/...`, `/var/lib/...`. A local stack uses the
same files with those names replaced by loopback ports and paths under .run/, so that nothing is configured twice.
"""

import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Elsewhere for tests, which must not touch the stack and the secrets of whoever runs them.
RUN = Path(os.environ.get("ANDON_RUN") or ROOT / ".run")
SECRETS = Path(os.environ.get("ANDON_SECRETS") or ROOT / "secrets")
OPERATORS_FILE = SECRETS / "operators.json"
HOST = "127.0.0.1"

DEFAULT_PORTS = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "webhook": 8700,
    "system-exporter": 9101,
    "market-data-exporter": 9102,
    "trading-exporter": 9103,
    "venue": 8710,
    "engine": 8720,
    "pager": 8730,
}
SANDBOX = ("venue", "engine", "pager")
# Folders of configuration that are copied into .run/config with names and paths replaced; single files besides them.
FOLDERS = ("prometheus", "prometheus/rules", "prometheus/targets")
SANDBOX_FILES = ("prometheus/targets/sandbox.yml", "prometheus/rules/limits.sandbox.yml")


class SetupError(Exception):
    """The stack cannot be started; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process: what to run, where it listens and which path says that it is healthy."""

    name: str
    argv: tuple[str, ...]
    port: int
    health: str = "/healthz"
    env: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 10.0

    @property
    def url(self) -> str:
        """Where it is, on loopback."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is run: the three files that a variable can name, and the services of the sandbox that they need."""

    webhook: Path
    exporters: Path
    alertmanager: Path
    sandbox: frozenset[str]

    @property
    def own(self) -> bool:
        """Whether this is somebody's own trading, and not the sandbox's."""
        return "venue" not in self.sandbox

    @property
    def services(self) -> list[str]:
        """The names of all services that are started."""
        return [name for name in DEFAULT_PORTS if name not in SANDBOX or name in self.sandbox]

    @property
    def state(self) -> str:
        """The folder below .run for what is kept: halts and peaks of the sandbox say nothing about real accounts."""
        return "state-own" if self.own else "state"


def choose(environ: Mapping[str, str], root: Path = ROOT) -> Choice:
    """Which files are used; a service of the sandbox runs where the webhook's configuration names its address.

    Raises SetupError when a variable names a file that is not there.
    """
    webhook = host_file(environ, "ANDON_CONFIG") or root / "webhook" / "andon.sandbox.yml"
    said = re.sub(r"(^|\s)#.*", "", webhook.read_text())
    sandbox = frozenset(name for name in SANDBOX if re.search(_address(name), said))
    exporters = "sandbox.yml" if "venue" in sandbox else "example.yml"
    return Choice(
        webhook,
        host_file(environ, "ANDON_EXPORTERS_CONFIG") or root / "exporters" / exporters,
        host_file(environ, "ANDON_ALERTMANAGER_CONFIG") or root / "alertmanager" / "alertmanager.yml",
        sandbox,
    )


def port_variable(name: str) -> str:
    """The environment variable that moves a service to another port."""
    return f"ANDON_{name.replace('-', '_').upper()}_PORT"


def read_ports(environ: Mapping[str, str]) -> dict[str, int]:
    """Service name -> port. Raises SetupError when a variable is not a port or two services share one."""
    ports: dict[str, int] = {}
    for name, default in DEFAULT_PORTS.items():
        text = environ.get(port_variable(name), str(default))
        if not text.isdigit() or not 1 <= int(text) <= 65535:
            raise SetupError(f"{port_variable(name)} is {text!r}: a port is a number from 1 to 65535.")
        port = int(text)
        if port in ports.values():
            other = next(other for other, taken in ports.items() if taken == port)
            raise SetupError(f"{name} and {other} would both listen on port {port}: set {port_variable(name)}.")
        ports[name] = port
    return ports


def refuse_taken_ports(ports: Mapping[str, int]) -> None:
    """Raise SetupError naming every port that another program already listens on."""
    taken = []
    for name, port in ports.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                taken.append(
                    f"Port {port} ({name}) cannot be used: {error.strerror}. "
                    f"Stop what listens there, or choose another: {port_variable(name)}={port + 10000} make up"
                )
    if taken:
        raise SetupError("\n".join(taken))


def localise(text: str, ports: Mapping[str, int], *, secrets: Path, state: Path) -> str:
    """A configuration text written for Compose, with this machine's addresses and paths."""
    for name, port in ports.items():
        text = re.sub(_address(name), f"{HOST}:{port}", text)
    return text.replace("/run/secrets/", f"{secrets}/").replace("/var/lib/andon", str(state))


def _address(name: str) -> str:
    return rf"(?<![\w.-]){re.escape(name)}:{DEFAULT_PORTS[name]}\b"


def alertmanager_config(choice: Choice) -> str:
    """Alertmanager's configuration; without the sandbox's pager its pages go to PagerDuty itself."""
    text = choice.alertmanager.read_text()
    return text if "pager" in choice.sandbox else re.sub(rf"\n *url: http://{_address('pager')}\S*", "", text)


def render(
    ports: Mapping[str, int], choice: Choice, *, root: Path = ROOT, run: Path = RUN, secrets: Path = SECRETS
) -> None:
    """Write the localised configuration into run/config; what is gone from the source goes there too."""
    config, state = run / "config", run / choice.state
    state.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(config, ignore_errors=True)
    files = {
        file.relative_to(root).as_posix(): file.read_text()
        for folder in FOLDERS
        for file in (root / folder).glob("*.yml")
    }
    if choice.own:
        for name in SANDBOX_FILES:
            files.pop(name, None)
    files |= {
        "webhook.yml": choice.webhook.read_text(),
        "exporters.yml": choice.exporters.read_text(),
        "alertmanager/alertmanager.yml": alertmanager_config(choice),
    }
    for name, text in files.items():
        (config / name).parent.mkdir(parents=True, exist_ok=True)
        (config / name).write_text(localise(text, ports, secrets=secrets, state=state))


def secrets_dir(secrets: Path = SECRETS) -> dict[str, str]:
    """The variable by which the webhook finds its secrets wherever its configuration lies."""
    return {"ANDON__SECRETS_DIR": str(secrets)}


def binary(*names: str) -> str:
    """The first of these programs on the PATH (or unpacked by bin/setup.sh)."""
    unpacked = ROOT / ".cache" / "debian" / "usr" / "bin"
    for name in names:
        found = shutil.which(name) or shutil.which(name, path=str(unpacked))
        if found:
            return found
    raise SetupError(f"{' or '.join(names)} was not found: run bin/setup.sh stack")


def host_file(environ: Mapping[str, str], variable: str) -> Path | None:
    """The file that a variable names, or None; raises SetupError when it is not there."""
    given = environ.get(variable, "")
    if not given:
        return None
    file = Path(given).expanduser().resolve()
    if not file.is_file():
        raise SetupError(f"{variable} names {file}, which is not a file.")
    return file


def services(
    ports: Mapping[str, int], choice: Choice, *, replay: Path | None, run: Path = RUN, secrets: Path = SECRETS
) -> tuple[tuple[Service, ...], ...]:
    """The stack in waves: a wave is started when every service of the wave before it is healthy."""
    waves = _waves(ports, replay, run / "config", run / choice.state, secrets)
    chosen = (tuple(service for service in wave if service.name in choice.services) for wave in waves)
    return tuple(wave for wave in chosen if wave)


def _waves(
    ports: Mapping[str, int], replay: Path | None, config: Path, state: Path, secrets: Path
) -> tuple[tuple[Service, ...], ...]:
    python = sys.executable
    recording = (f"--replay={replay}", "--loop") if replay else ()

    def sandbox(name: str, *arguments: str) -> Service:
        argv = (python, "-m", "sandbox", name, f"--port={ports[name]}", *arguments)
        return Service(name, argv, ports[name])

    def exporter(name: str) -> Service:
        service = f"{name}-exporter"
        argv = (python, "-m", "exporters", name, f"--config={config / 'exporters.yml'}")
        section = name.replace("-", "_").upper()
        return Service(
            service, argv, ports[service], env={f"ANDON_EXPORTERS__{section}__LISTEN__PORT": str(ports[service])}
        )

    return (
        (
            sandbox("venue", f"--accounts={secrets / 'sandbox_accounts.json'}", *recording),
            sandbox("pager"),
            exporter("trading"),
        ),
        (
            sandbox(
                "engine",
                f"--venue-url=http://{HOST}:{ports['venue']}",
                f"--accounts={secrets / 'engine_accounts.json'}",
                f"--events-url=http://{HOST}:{ports['trading-exporter']}/api/v1/events",
                f"--events-token-file={secrets / 'events_token'}",
                f"--control-token-file={secrets / 'engine_token'}",
                f"--state-file={state / 'engine.json'}",
            ),
            exporter("market-data"),
            exporter("system"),
        ),
        (
            Service(
                "webhook",
                (python, "-m", "webhook", "serve", "--config", str(config / "webhook.yml")),
                ports["webhook"],
                env={"ANDON__LISTEN__PORT": str(ports["webhook"]), **secrets_dir(secrets)},
                stop_seconds=75.0,
            ),
        ),
        (
            Service(
                "alertmanager",
                (
                    binary("alertmanager", "prometheus-alertmanager"),
                    f"--config.file={config / 'alertmanager' / 'alertmanager.yml'}",
                    f"--storage.path={state / 'alertmanager'}",
                    "--data.retention=120h",
                    f"--web.listen-address={HOST}:{ports['alertmanager']}",
                    f"--web.external-url=http://{HOST}:{ports['alertmanager']}",
                    "--cluster.listen-address=",
                ),
                ports["alertmanager"],
                "/-/ready",
            ),
        ),
        (
            Service(
                "prometheus",
                (
                    binary("prometheus"),
                    f"--config.file={config / 'prometheus' / 'prometheus.yml'}",
                    f"--storage.tsdb.path={state / 'prometheus'}",
                    "--storage.tsdb.retention.time=2d",
                    f"--web.listen-address={HOST}:{ports['prometheus']}",
                    f"--web.external-url=http://{HOST}:{ports['prometheus']}",
                    "--rules.alert.resend-delay=5s",
                ),
                ports["prometheus"],
                "/-/ready",
            ),
        ),
    )
