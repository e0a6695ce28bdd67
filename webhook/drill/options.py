"""The drill's command line, and the world it names."""

import argparse
import os
from pathlib import Path

from webhook.cli.client import Client
from webhook.cli.connect import client, read_token
from webhook.drill.faults import BREAKS
from webhook.drill.world import World

_PORTS = {"venue": 8710, "engine": 8720, "prometheus": 9090, "trading-exporter": 9103, "market-data-exporter": 9102}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Everything has the default of the sandbox on this machine."""
    parser.add_argument(
        "--fault",
        choices=tuple(BREAKS),
        default="bleed",
        help="what to break (default: %(default)s): "
        + "; ".join(f"{name}: {one.summary}" for name, one in BREAKS.items()),
    )
    parser.add_argument("--strategy", default="mm-btc", help="whose strategy is broken (default: %(default)s)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time until it must be verified (default: %(default)g)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="afterwards (or at once, when the scope is stopped already) restore the sandbox and resume",
    )
    parser.add_argument(
        "--approver-token-file", type=Path, metavar="FILE", help="token of the second person, for --resume"
    )
    parser.add_argument(
        "--engine-token-file",
        type=Path,
        default=Path("secrets/engine_token"),
        metavar="FILE",
        help="bearer token of the sandbox engine (default: %(default)s)",
    )
    parser.add_argument(
        "--venue-token-file",
        type=Path,
        metavar="FILE",
        help="token of the sandbox venue's admin API, when it wants one",
    )
    for name in _PORTS:
        parser.add_argument(f"--{name}-url", default=_default(name), metavar="URL", help="(default: %(default)s)")


def world_of(options: argparse.Namespace) -> World:
    """The clients that the options name; raises `webhook.cli.connect.TokenError`."""
    venue_token = read_token(options.venue_token_file) if options.venue_token_file else None
    return World(
        service=client(options),
        venue=Client(options.venue_url, token=venue_token),
        engine=Client(options.engine_url, token=read_token(options.engine_token_file)),
        prometheus=Client(options.prometheus_url),
        exporters={
            "trading": Client(options.trading_exporter_url, timeout=2.0),
            "market-data": Client(options.market_data_exporter_url, timeout=2.0),
        },
    )


def _default(name: str) -> str:
    port = os.environ.get(f"ANDON_{name.replace('-', '_').upper()}_PORT") or _PORTS[name]
    return f"http://127.0.0.1:{port}"
