"""`python -m sandbox venue`."""

import argparse
import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from sandbox.venue.accounts.accounts_file import AccountsFileError, load_accounts
from sandbox.venue.http.server import Server
from sandbox.venue.market.replay import CaptureError
from sandbox.venue.market.stream import BACKLOG_BYTES
from sandbox.venue.venue import Venue

LISTEN_BACKLOG = 1024
SHUTDOWN_SECONDS = 1.0


def main(argv: list[str]) -> int:
    """Run the venue until SIGINT or SIGTERM; 2 when it cannot start."""
    options = _parser().parse_args(argv)
    try:
        accounts = load_accounts(options.accounts)
        token = _token(options.admin_token_file)
        venue = Venue(
            accounts,
            seed=options.seed,
            replay=Path(options.replay) if options.replay else None,
            speed=options.speed,
            loop=options.loop,
            latency=options.latency_ms / 1000,
            stream_backlog=options.stream_backlog_bytes,
        )
    except (AccountsFileError, CaptureError, OSError) as error:
        sys.stderr.write(f"sandbox venue: {error}\n")
        return 2
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_run(venue, Server(venue, admin_token=token), options.host, options.port))
        except OSError as error:
            sys.stderr.write(f"sandbox venue: {options.host}:{options.port}: {error}\n")
            return 2


async def _run(venue: Venue, server: Server, host: str, port: int) -> int:
    runner = web.ServerRunner(
        web.Server(server.handle, access_log=None),
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=LISTEN_BACKLOG)
    await site.start()
    venue.start()
    bound = runner.addresses[0]
    market = f"replaying {venue.replay.path.name} on {venue.replay.head.symbol}" if venue.replay else "walking"
    sys.stdout.write(f"sandbox venue on http://{bound[0]}:{bound[1]} ({market}, seed {venue.seed})\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await venue.stop()
    await runner.cleanup()
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: it is faster, nothing depends on it."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415  # optional

    return uvloop.new_event_loop


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    token = path.read_text().strip()
    if not token:
        raise OSError(f"{path}: empty")
    return token


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox venue", description="A simulated Binance.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=int, default=8710, help="port, 0 for a free one (default %(default)s)")
    add(
        "--accounts",
        type=Path,
        default=Path("secrets/sandbox_accounts.json"),
        help="accounts file (default %(default)s)",
    )
    add(
        "--replay",
        default=os.environ.get("ANDON_REPLAY", ""),
        help="capture to replay (default: $ANDON_REPLAY, else a walk)",
    )
    add("--speed", type=_positive, default=1.0, help="how much faster the market moves (default %(default)s)")
    add("--loop", action="store_true", help="start the capture over when it ends")
    add("--seed", type=int, default=1, help="seed of the walk (default %(default)s)")
    add("--latency-ms", type=float, default=0.0, help="round trip added to every signed request (default %(default)s)")
    add(
        "--stream-backlog-bytes",
        type=int,
        default=BACKLOG_BYTES,
        help="what a listener of the stream may leave unread before it is cut off (default %(default)s)",
    )
    add("--admin-token-file", type=Path, help="bearer token for /admin; without it only this machine may")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value
