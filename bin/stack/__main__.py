"""The whole stack on the sandbox venue.

    python -m bin.stack up [--detach]    start it, watch over it, stop it on Ctrl-C
    python -m bin.stack down             stop a stack that was started elsewhere
    python -m bin.stack reload           have Prometheus and Alertmanager read their configuration again
    python -m bin.stack logs             follow what the services say
    python -m bin.stack token NAME ROLE  mint an operator token

With Docker Compose where an engine answers, else as local processes; ANDON_STACK=docker|local chooses.
The Makefile's targets call this.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bin.stack import docker, local
from bin.stack.operators import ROLES, mint, refuse_bad_name
from bin.stack.services import OPERATORS_FILE, SetupError


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


def token(name: str, role: str, hours: float | None) -> None:
    """Mint a token and print it once; a running stack learns of it."""
    refuse_bad_name(name)
    lifetime = timedelta(hours=hours) if hours else None
    minted = mint(OPERATORS_FILE, {name: role}, now=datetime.now(UTC), lifetime=lifetime)
    sys.stdout.write(f"{minted[name]}\n")
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
    ):
        commands.add_parser(name, help=text)
    minting = commands.add_parser("token", help="mint an operator token; only its hash is kept")
    minting.add_argument("name", help="who will act with it: it is written into the journal")
    minting.add_argument("role", choices=ROLES)
    minting.add_argument("--hours", type=float, help="the token expires after so many hours (default: never)")
    arguments = parser.parse_args()
    try:
        if arguments.command == "token":
            token(arguments.name, arguments.role, arguments.hours)
            return 0
        kind = kind_of_stack(os.environ)
        stack = docker if kind == "docker" else local
        match arguments.command:
            case "kind":
                sys.stdout.write(f"{kind}\n")
            case "up":
                stack.up(detach=arguments.detach)
            case "down":
                stack.down()
            case "reload":
                stack.reload()
            case "logs":
                stack.logs()
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
