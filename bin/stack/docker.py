"""Run the whole stack with Docker Compose: the services of docker-compose.yml."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bin.stack.operators import mint
from bin.stack.services import (
    OPERATORS_FILE,
    ROOT,
    RUN,
    SANDBOX,
    Choice,
    SetupError,
    alertmanager_config,
    choose,
    host_file,
    port_variable,
    read_ports,
)
from bin.stack.summary import ONE_TIME_OPERATORS, TOKEN_LIFETIME, read_settings, summary

COMPOSE = ("docker", "compose")
GRAFANA_PORT = 3000
HEALTHY_WITHIN_SECONDS = 300.0


def variables(choice: Choice, environ: Mapping[str, str], run: Path) -> dict[str, str]:
    """What docker-compose.yml is told: files by absolute paths (a relative one is the name of a volume to Compose).

    Raises SetupError when a variable names a file that is not there.
    """
    replay = host_file(environ, "ANDON_REPLAY")
    told = {
        "ANDON_CONFIG": str(choice.webhook),
        "ANDON_EXPORTERS_CONFIG": str(choice.exporters),
        "ANDON_REPLAY": str(replay or ""),
    }
    if choice.own:
        told |= {"ANDON_STATE": "-own", "ANDON_SANDBOX_TARGETS": os.devnull, "ANDON_SANDBOX_LIMITS": os.devnull}
    if "pager" not in choice.sandbox or environ.get("ANDON_ALERTMANAGER_CONFIG"):
        # Written over, not anew: a running container sees the change.
        run.mkdir(mode=0o700, exist_ok=True)
        folder = run / "alertmanager"
        folder.mkdir(exist_ok=True)
        (folder / "alertmanager.yml").write_text(alertmanager_config(choice))
        told["ANDON_ALERTMANAGER_DIR"] = str(folder)
    return told


def _environ() -> dict[str, str]:
    return {**os.environ, **variables(choose(os.environ), os.environ, RUN)}


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


def _start_and_tell(choice: Choice, environ: Mapping[str, str]) -> None:
    """Start everything; each service says when it is healthy. Raises SetupError when one is not.

    `docker compose up` returns when the last dependency is healthy, so it runs beside the telling.
    """
    started = time.monotonic()
    told: set[str] = set()
    with tempfile.TemporaryFile("w+") as output:
        # The one-shots run anew each time, so that the services get the tokens that were minted just now.
        left_out = [f"--scale={name}=0" for name in SANDBOX if name not in choice.sandbox]
        starting = subprocess.Popen(  # noqa: S603
            [*COMPOSE, "up", "--detach", "--no-build", *left_out], cwd=ROOT, env=environ, stdout=output, stderr=output
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
    choice = choose(os.environ)
    # Containers see no variable of this shell but those that docker-compose.yml hands on.
    settings = read_settings(choice, {})
    tokens = mint(OPERATORS_FILE, ONE_TIME_OPERATORS, lifetime=TOKEN_LIFETIME)
    environ = _environ()
    if choice.own and settings.listen.public_url:
        environ["ANDON_PUBLIC_URL"] = settings.listen.public_url
    _compose("build")
    try:
        _start_and_tell(choice, environ)
        say(summary(ports, tokens, choice, settings, docker=True))
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
    """Have Prometheus and Alertmanager read their configuration again; raises SetupError when it is faulty."""
    # With the variables of `up`, Alertmanager's file is written anew.
    _compose("run", "--rm", "check-prometheus")
    _compose("run", "--rm", "check-alertmanager")
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
