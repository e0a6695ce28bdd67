"""Run the whole stack with Docker Compose: the services of docker-compose.yml."""

import json
import os
import signal
import subprocess
import sys
import time

from bin.stack.operators import mint
from bin.stack.services import OPERATORS_FILE, ROOT, SetupError, host_file, port_variable, read_ports
from bin.stack.summary import ONE_TIME_OPERATORS, TOKEN_LIFETIME, summary

COMPOSE = ("docker", "compose")
GRAFANA_PORT = 3000
# Files of this machine that are mounted; Compose would take a relative path for the name of a volume.
HOST_FILES = ("ANDON_REPLAY", "ANDON_CONFIG", "ANDON_EXPORTERS_CONFIG")
HEALTHY_WITHIN_SECONDS = 300.0


def _compose(*arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    environ = dict(os.environ)
    for variable in HOST_FILES:
        file = host_file(environ, variable)
        if file is not None:
            environ[variable] = str(file)
    return subprocess.run(  # noqa: S603
        [*COMPOSE, *arguments],
        cwd=ROOT,
        env=environ,
        check=False,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
    )


def _states() -> dict[str, tuple[str, str, int]]:
    """Service -> (state, health, exit code) of every container of this project, stopped ones included."""
    answer = _compose("ps", "--all", "--format", "json", quiet=True).stdout.strip()
    # One JSON array in older releases of Compose, one object a line in newer ones.
    rows = json.loads(answer or "[]") if answer.startswith("[") else [json.loads(line) for line in answer.splitlines()]
    return {row["Service"]: (row["State"], row.get("Health") or "", int(row.get("ExitCode") or 0)) for row in rows}


def _wait_until_healthy(started: float) -> None:
    told: set[str] = set()
    while True:
        states = _states()
        for name, (state, health, code) in sorted(states.items()):
            if state == "exited" and code != 0:
                _compose("logs", "--tail", "20", name)
                raise SetupError(f"{name} ended with status {code}.")
            done = health == "healthy" or (state == "exited" and code == 0)
            if done and name not in told:
                told.add(name)
                verdict = "healthy" if state == "running" else "done"
                sys.stdout.write(f"  \u2713 {name:<22} {verdict} after {time.monotonic() - started:5.1f} s\n")
                sys.stdout.flush()
        if states and told == set(states):
            return
        if time.monotonic() - started > HEALTHY_WITHIN_SECONDS:
            raise SetupError(f"Not healthy in time: {', '.join(sorted(set(states) - told))}. See: docker compose logs")
        time.sleep(0.5)


def up(*, detach: bool) -> None:
    """Build and start everything; stay until Ctrl-C, or with `detach` return when it is healthy."""
    ports = read_ports(os.environ) | {"grafana": int(os.environ.get(port_variable("grafana"), GRAFANA_PORT))}
    tokens = mint(OPERATORS_FILE, ONE_TIME_OPERATORS, lifetime=TOKEN_LIFETIME)
    if _compose("build").returncode != 0:
        raise SetupError("The images could not be built; the output above says why.")
    started = time.monotonic()
    # The one-shots run anew each time, so that the services get the tokens that were minted just now.
    if _compose("up", "--detach", "--no-build", "--quiet-pull").returncode != 0:
        raise SetupError("docker compose up failed; the output above says why.")
    try:
        _wait_until_healthy(started)
        sys.stdout.write(summary(ports, tokens, docker=True))
        sys.stdout.flush()
        if detach:
            return
        _until_asked_to_stop()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    down()


def _until_asked_to_stop() -> None:
    asked = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    signal.sigwait(asked)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, asked)


def down() -> None:
    """Stop and remove the containers; the volumes (journal, metrics) are kept."""
    if _compose("down").returncode != 0:
        raise SetupError("docker compose down failed; the output above says why.")


def reload() -> None:
    """Have Prometheus and Alertmanager read their configuration again."""
    if _compose("kill", "--signal", "HUP", "prometheus", "alertmanager").returncode != 0:
        raise SetupError("Prometheus or Alertmanager is not running: make up")


def logs() -> None:
    """Follow the services' logs until Ctrl-C."""
    _compose("logs", "--follow", "--tail", "20")


def hand_out_secrets() -> None:
    """Copy what changed in secrets/ to the services that may read it."""
    if "webhook" in _states():
        _compose("run", "--rm", "secrets")
