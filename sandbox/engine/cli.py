"""The command line of the engine: options, logs, and a clean end on SIGINT and SIGTERM."""

import argparse
import asyncio
import json
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sandbox.engine.clock import utc_now
from sandbox.engine.control import application
from sandbox.engine.delivery import Delivery
from sandbox.engine.engine import Credentials, Engine
from sandbox.engine.events import EventQueue
from sandbox.engine.state_file import StateFile
from sandbox.engine.strategies import ASSIGNMENTS, Assignment

KEY_NAME = "engine"
DEFAULT_EVENTS_TOKEN = Path("secrets/events_token")

_log = logging.getLogger(__name__)


class OptionsError(Exception):
    """The engine cannot start; the message says which option, and what would be right."""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that can be set; see ``--help``."""

    host: str
    port: int
    venue_url: str
    venue_admin_token_file: Path | None
    accounts: Path
    events_url: str | None
    events_token_file: Path | None
    events_file: Path | None
    control_token_file: Path
    state_file: Path
    engine_name: str
    venue_name: str


def read_options(argv: Sequence[str] | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox engine", description="Trades three small strategies on the sandbox venue."
    )
    option = parser.add_argument
    option("--host", default="127.0.0.1", help="address of the control API (default: %(default)s)")
    option("--port", type=int, default=8720, help="its port; 0 takes a free one (default: %(default)s)")
    option("--venue-url", default="http://127.0.0.1:8710", help="where the venue is (default: %(default)s)")
    option(
        "--venue-admin-token-file",
        type=Path,
        help="file with the bearer token of the venue's admin API, for the fault `bleed` (default: none)",
    )
    option(
        "--accounts",
        type=Path,
        default=Path("secrets/engine_accounts.json"),
        help="JSON file with the accounts and their API keys (default: %(default)s, made by `make secrets`)",
    )
    option(
        "--events-url",
        default="http://127.0.0.1:9103/api/v1/events",
        help="where trading events go; empty for nowhere (default: %(default)s)",
    )
    option(
        "--events-token-file",
        type=Path,
        help=f"file with the exporter's bearer token (default: {DEFAULT_EVENTS_TOKEN} where that exists)",
    )
    option("--events-file", type=Path, help="append the events to this file, too")
    option(
        "--control-token-file",
        type=Path,
        default=Path("secrets/engine_token"),
        help="file with the bearer token of the control API (default: %(default)s)",
    )
    option(
        "--state-file",
        type=Path,
        default=Path(".run/state/engine.json"),
        help="remembers which strategies were stopped (default: %(default)s)",
    )
    option("--engine-name", default="sandbox-engine", help="label `engine` of its events (default: %(default)s)")
    option("--venue-name", default="sandbox", help="label `venue` of its events (default: %(default)s)")
    given = parser.parse_args(argv)
    given.events_url = given.events_url or None
    return Options(**vars(given))


def read_token(path: Path, option: str) -> str:
    """Read a secret from its file; raises `OptionsError`."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OptionsError(f"{option}: {path} cannot be read ({error.strerror}); `make secrets` makes it") from error
    if not token:
        raise OptionsError(f"{option}: {path} is empty")
    return token


def read_credentials(path: Path, assignments: Sequence[Assignment]) -> dict[str, Credentials]:
    """Read the key named ``engine`` of every account that a strategy trades on; raises `OptionsError`."""
    try:
        accounts = json.loads(path.read_text(encoding="utf-8"))["accounts"]
        keys = {
            account["name"]: Credentials(key["api_key"], key["secret"])
            for account in accounts
            for key in account["keys"]
            if key["name"] == KEY_NAME
        }
    except OSError as error:
        raise OptionsError(f"--accounts: {path} cannot be read ({error.strerror}); `make secrets` makes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionsError(f"--accounts: {path} does not have the shape that docs/sandbox.md gives") from error
    for assignment in assignments:
        if assignment.account not in keys:
            raise OptionsError(
                f"--accounts: {path} has no account {assignment.account!r} with a key named {KEY_NAME!r}"
            )
    return keys


async def run(options: Options) -> None:
    """Run until SIGINT or SIGTERM; raises `OptionsError`, and `OSError` when the port is taken."""
    token = read_token(options.control_token_file, "--control-token-file")
    events_token = None
    if options.events_token_file is not None:
        events_token = read_token(options.events_token_file, "--events-token-file")
    elif DEFAULT_EVENTS_TOKEN.is_file():  # noqa: ASYNC240  # before the start, nothing else waits
        events_token = read_token(DEFAULT_EVENTS_TOKEN, "--events-token-file")
    admin_token = None
    if options.venue_admin_token_file is not None:
        admin_token = read_token(options.venue_admin_token_file, "--venue-admin-token-file")
    events = EventQueue(options.engine_name, secrets.token_hex(8), utc_now)
    delivery = Delivery(events, options.events_url, events_token, options.events_file)
    engine = Engine(
        name=options.engine_name,
        venue=options.venue_name,
        venue_url=options.venue_url,
        venue_admin_token=admin_token,
        assignments=ASSIGNMENTS,
        credentials=read_credentials(options.accounts, ASSIGNMENTS),
        events=events,
        state_file=StateFile(options.state_file),
        clock=utc_now,
    )
    runner = web.AppRunner(application(engine, delivery, token), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    host, port = runner.addresses[0][:2]
    sys.stdout.write(f"sandbox engine on http://{host}:{port} (session {events.session})\n")
    sys.stdout.flush()
    delivering = asyncio.create_task(delivery.run())
    trading = asyncio.create_task(engine.run())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    _log.info("stopping")
    trading.cancel()
    await asyncio.gather(trading, return_exceptions=True)
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    await delivery.drain(seconds=1.0)
    await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """Run the program; 0 when it was asked to stop, 2 when it cannot start."""
    options = read_options(argv)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s engine %(message)s",
    )
    try:
        asyncio.run(run(options))
    except OptionsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"--port {options.port}: {error.strerror or error}\n")
        return 2
    return 0
