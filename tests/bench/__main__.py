"""`make bench`: every part, or those named, each as a table. Exits 1 when a goal is missed."""

import argparse
import importlib
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.tables import Report

PARTS = tuple(sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py")))


def part_named(name: str) -> Callable[[Path], list[Report]]:
    """What measures a part; it may use the folder that it is given."""
    measure: Callable[[Path], list[Report]] = importlib.import_module(f"tests.bench.bench_{name}").bench
    return measure


def main() -> int:
    """Run the parts named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}; all when none is named")
    chosen = parser.parse_args().parts or PARTS
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    print(f"{platform.machine()}, Python {platform.python_version()}, {now}\n")
    met = True
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix=f"andon-bench-{part}-") as folder:
            for report in part_named(part)(Path(folder)):
                print(report.shown(), flush=True)
                met = met and all(row.met() for row in report.rows)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
