"""Run the whole stack with Docker Compose: the services of docker-compose.yml."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from bin.stack.operators import mint
from bin.stack.services import OPERATORS_FILE, ROOT, SetupError, host_file, port_variable, read_ports
from bin.stack.summary import ONE_TIME_OPERATORS, TOKEN_LIFETIME, summary

COMPOSE = ("docker", "compose")
GRAFANA_PORT = 3000
# Files of this machine that are mounted; Compose would take a relative path for the name of a volume.
HOST_FILES = ("ANDON_REPLAY", "ANDON_CONFIG", "ANDON_EXPORTERS_CONFIG")
HEALTHY_WITHIN_SECONDS = 300.0


def _environ() -> dict[str, str]:
    environ = dict(os.environ)
    for variable in HOST_FILES:
        file = host_file(environ, variable)
        if file is not None:
            environ[variable] = str(file)
    return environ


def _compose(*arguments: str) -> None:
    """Run Compose with its output on the terminal; raises SetupError when it fails."""
    if subprocess.run([*COMPOSE, *arguments], cwd=ROOT, env=_environ(), check=False).returncode != 0:  # noqa: S603
        raise SetupError(f"docker compose {' '.join(arguments)} failed; the output above says why.")


def _states() -> dict[str, tuple[str, str, int]]:
    """Service -> (state, health, exit code) of every container of this project, stopped ones included."""
    command = [*COMPOSE, "ps", "--all", "--format", "json"]
    answer = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=_environ(), check=False, text=True, stdout=subprocess.PIPE
    ).stdout.strip()
    # One JSON array in older releases of Compose, one object a line in newer ones.
    rows = json.loads(answer) if answer.startswith("[") else [json.loads(line) for line in answer.splitlines()]
    return {row["Service"]: (row["State"], row.get("Health") or "", int(row.get("ExitCode") or 0)) for row in rows}


def _start_and_tell() -> None:
    """Start everything; each service says when it is healthy. Raises SetupError when one is not.

    `docker compose up` returns when the last dependency is healthy, so it runs beside the telling.
    """
    started = time.monotonic()
    told: set[str] = set()
    with tempfile.TemporaryFile("w+") as output:
        # The one-shots run anew each time, so that the services get the tokens that were minted just now.
        starting = subprocess.Popen(  # noqa: S603
            [*COMPOSE, "up", "--detach", "--no-build"], cwd=ROOT, env=_environ(), stdout=output, stderr=output
        )
        try:
            while True:
                ended = starting.poll() is not None
                states = _states()
                for name, (state, health, code) in sorted(states.items()):
                    done = health == "healthy" or (state == "exited" and code == 0 and not health)
                    if done and name not in told:
                        told.add(name)
                        verdict = "healthy" if health else "done"
                        say(f"  \u2713 {name:<22} {verdict} after {time.monotonic() - started:5.1f} s")
                if ended and starting.returncode != 0:
                    output.seek(0)
                    raise SetupError(f"docker compose up failed:\n{output.read()[-2000:]}\nSee: docker compose logs")
                if ended and told == states.keys():
                    return
                if time.monotonic() - started > HEALTHY_WITHIN_SECONDS:
                    late = ", ".join(sorted(states.keys() - told))
                    raise SetupError(f"Not healthy in time: {late}. See: docker compose logs")
                time.sleep(0.5)
        finally:
            if starting.poll() is None:
                starting.terminate()
                starting.wait()


def up(*, detach: bool) -> None:
    """Build and start everything; stay until Ctrl-C, or with `detach` return when it is healthy."""
    ports = read_ports(os.environ) | {"grafana": int(os.environ.get(port_variable("grafana"), GRAFANA_PORT))}
    tokens = mint(OPERATORS_FILE, ONE_TIME_OPERATORS, lifetime=TOKEN_LIFETIME)
    _compose("build")
    try:
        _start_and_tell()
        say(summary(ports, tokens, docker=True))
        if detach:
            return
        _until_asked_to_stop()
    except KeyboardInterrupt:
        say("")
    down()


def _until_asked_to_stop() -> None:
    asked = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    signal.sigwait(asked)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, asked)


def down() -> None:
    """Stop and remove the containers; the volumes (journal, metrics) are kept."""
    _compose("down")


def reload() -> None:
    """Have Prometheus and Alertmanager read their configuration again."""
    _compose("kill", "--signal", "HUP", "prometheus", "alertmanager")


def logs() -> None:
    """Follow the services' logs until Ctrl-C."""
    _compose("logs", "--follow", "--tail", "20")


def hand_out_secrets() -> None:
    """Copy what changed in secrets/ to the services that may read it."""
    if "webhook" in _states():
        _compose("run", "--rm", "secrets")


def say(text: str) -> None:
    """A line for the person who ran `make up`."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
