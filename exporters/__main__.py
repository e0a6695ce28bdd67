"""``python -m exporters NAME``: start one exporter; or check the configuration, or print the series it may serve."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from exporters import logs
from exporters.catalogue import EXPORTERS
from exporters.reference import tables
from exporters.serve import serve
from exporters.settings import ConfigError, load

SANDBOX: Final = Path(__file__).with_name("sandbox.yml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after SIGTERM, 1 when it could not start, 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m exporters", description=__doc__)
    parser.add_argument("name", nargs="?", choices=list(EXPORTERS))
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("ANDON_EXPORTERS_CONFIG", SANDBOX)),
        help="YAML file (default: $ANDON_EXPORTERS_CONFIG, else the sandbox's)",
    )
    parser.add_argument(
        "--check", action="store_true", help="read the configuration, say what is wrong with it, and stop"
    )
    parser.add_argument("--reference", action="store_true", help="print the tables of docs/metrics.md and stop")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    options = parser.parse_args(arguments)
    if options.reference:
        sys.stdout.write(tables())
        return 0
    try:
        settings = load(options.config, os.environ)
    except ConfigError as wrong:
        for fault in wrong.faults:
            sys.stderr.write(f"{options.config}: {fault.path}: {fault.message}\n")
        return 2
    if options.check:
        sys.stdout.write(f"{options.config}: ok\n")
        return 0
    if options.name is None:
        parser.error("name an exporter: " + ", ".join(EXPORTERS))
    logs.configure(options.log_level)
    entry = EXPORTERS[options.name]
    listen = entry.listen(settings)
    try:
        asyncio.run(serve(entry.build(settings), listen.host, listen.port))
    except (OSError, ValueError) as fault:
        sys.stderr.write(f"{options.name}: cannot start: {fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
