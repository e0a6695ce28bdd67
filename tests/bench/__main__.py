"""`make bench`: every part, or those named, each as a table. Exits 1 when a goal is missed."""

import argparse
import importlib
import platform
import sys
import tempfile
import time
from pathlib import Path

PARTS = ("kill", "breach", "venue", "exporters")


def main() -> int:
    """Run the parts named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}; all when none is named")
    chosen = parser.parse_args().parts or [
        part for part in PARTS if (Path(__file__).parent / f"bench_{part}.py").exists()
    ]
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    print(f"{platform.machine()}, Python {platform.python_version()}, {now}\n")
    met = True
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix=f"andon-bench-{part}-") as folder:
            for report in importlib.import_module(f"tests.bench.bench_{part}").bench(Path(folder)):
                print(report.shown(), flush=True)
                met = met and all(row.met() for row in report.rows)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
