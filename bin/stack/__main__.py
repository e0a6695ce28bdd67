"""The whole stack: on the sandbox venue, or with ANDON_CONFIG on the accounts that it names.

    python -m bin.stack up [--detach]    start it, watch over it, stop it on Ctrl-C
    python -m bin.stack down             stop a stack that was started elsewhere
    python -m bin.stack reload           have Prometheus and Alertmanager read their configuration again
    python -m bin.stack logs             follow what the services say
    python -m bin.stack hand-out         give running services what changed in secrets/
    python -m bin.stack drill [OPTIONS]  break the sandbox and time the kill

With Docker Compose where an engine answers, else as local processes; ANDON_STACK=docker|local chooses.  Variables are
read from .env as well, as Compose does.
The targets of the Makefile call this.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from bin.stack import docker, local
from bin.stack.operators import mint
from bin.stack.services import HOST, OPERATORS_FILE, ROOT, SECRETS, SetupError, read_ports
from webhook.access.principal import Role


def read_env_file(file: Path) -> dict[str, str]:
    """The lines `NAME=value` of a file as Compose reads it: comments and pairs of quotes are left out."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = (line.removeprefix("export ").partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}


def _unquoted(value: str) -> str:
    if value[:1] in {"'", '"'} and value.endswith(value[:1]) and len(value) > 1:
        return value[1:-1]
    return value.partition(" #")[0].rstrip()


def kind_of_stack(environ: Mapping[str, str]) -> str:
    """`docker` or `local`. Raises SetupError when ANDON_STACK says neither."""
    chosen = environ.get("ANDON_STACK", "")
    if chosen not in {"", "docker", "local"}:
        raise SetupError(f"ANDON_STACK is {chosen!r}: use docker or local.")
    return chosen or ("docker" if _docker_answers() else "local")


def _docker_answers() -> bool:
    found = shutil.which("docker")
    questions = (["compose", "version"], ["info"])
    return found is not None and all(
        subprocess.run([found, *question], capture_output=True, check=False).returncode == 0  # noqa: S603
        for question in questions
    )


def drill(arguments: list[str]) -> int:
    """Run `andon drill` as the person of ANDON_TOKEN, or as an operator `drill` whose token lasts an hour."""
    ports = read_ports(os.environ)
    environ = {**os.environ, "ANDON_URL": os.environ.get("ANDON_URL") or f"http://{HOST}:{ports['webhook']}"}
    if not environ.get("ANDON_TOKEN"):
        environ["ANDON_TOKEN"] = mint(OPERATORS_FILE, {"drill": Role.TRADER}, lifetime=timedelta(hours=1))["drill"]
        hand_out_secrets()
    tokens = (
        f"--engine-token-file={SECRETS / 'engine_token'}",
        f"--venue-token-file={SECRETS / 'sandbox_admin_token'}",
    )
    command = [sys.executable, "-m", "webhook", "drill", *tokens]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environ, check=False).returncode  # noqa: S603


def hand_out_secrets() -> None:
    """Give the running services what changed in secrets/: local ones read the files themselves."""
    if kind_of_stack(os.environ) == "docker":
        docker.hand_out_secrets()


def main() -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bin.stack", description="The whole stack on the sandbox venue.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the stack")
    up.add_argument("--detach", action="store_true", help="return when it is healthy, and leave it running")
    for name, text in (
        ("kind", "print docker or local"),
        ("down", "stop a stack that was started elsewhere"),
        ("reload", "have Prometheus and Alertmanager read their configuration again"),
        ("logs", "follow what the services say"),
        ("hand-out", "give running services what changed in secrets/"),
    ):
        commands.add_parser(name, help=text)
    commands.add_parser(
        "drill", help="break the sandbox and time the kill; options are those of andon drill", add_help=False
    )
    options, rest = parser.parse_known_args()
    if rest and options.command != "drill":
        parser.error(f"unknown options: {' '.join(rest)}")
    os.environ.update(read_env_file(ROOT / ".env") | os.environ)
    try:
        return run(options, rest)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def run(options: argparse.Namespace, rest: list[str]) -> int:
    """Run the command that was chosen; raises SetupError."""
    if options.command == "drill":
        return drill(rest)
    if options.command == "hand-out":
        hand_out_secrets()
        return 0
    kind = kind_of_stack(os.environ)
    stack = docker if kind == "docker" else local
    match options.command:
        case "kind":
            sys.stdout.write(f"{kind}\n")
        case "up":
            stack.up(detach=options.detach)
        case "down":
            stack.down()
        case "reload":
            stack.reload()
        case "logs":
            stack.logs()
    return 0


if __name__ == "__main__":
    sys.exit(main())
