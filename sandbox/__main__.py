"""`python -m sandbox NAME ...`: run one of the sandbox's programs."""

import importlib
import sys
from collections.abc import Callable

# name -> (module with `main(argv) -> int`, what it is).  A new program is one line here.
PROGRAMS: dict[str, tuple[str, str]] = {
    "venue": ("sandbox.venue", "a simulated Binance (spot and USD-M REST, market stream, faults)"),
    "engine": ("sandbox.engine", "a trading engine with three small strategies"),
    "pager": ("sandbox.pager", "a stand-in for PagerDuty and Slack that shows what it was sent"),
}


def main(argv: list[str]) -> int:
    """Hand the rest of the command line to the named program; 2 for an unknown name."""
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(usage())
        return 0 if argv else 2
    if argv[0] not in PROGRAMS:
        sys.stderr.write(f"unknown program {argv[0]!r}\n{usage()}")
        return 2
    run: Callable[[list[str]], int | None] = importlib.import_module(PROGRAMS[argv[0]][0]).main
    return run(argv[1:]) or 0


def usage() -> str:
    """Say which programs there are."""
    lines = "".join(f"  {name:<8} {what}\n" for name, (_, what) in PROGRAMS.items())
    return f"usage: python -m sandbox NAME [options]\n\n{lines}\n--help after a name lists its options.\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
