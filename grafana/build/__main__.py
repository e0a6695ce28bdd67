"""Write every dashboard's JSON: `python -m grafana.build [FOLDER]`. The same source gives the same bytes."""

import sys
from collections.abc import Callable
from pathlib import Path

from grafana.build import kill_switch, market_data, overview, pipeline, risk, system, trading
from grafana.build.dashboard import Dashboard, render

# file name without .json -> what builds it. A new dashboard is one line here.
DASHBOARDS: dict[str, Callable[[], Dashboard]] = {
    "overview": overview.build,
    "market-data": market_data.build,
    "trading": trading.build,
    "risk": risk.build,
    "system": system.build,
    "kill-switch": kill_switch.build,
    "pipeline": pipeline.build,
}


def main(folder: Path) -> None:
    """Write every dashboard into `folder` and remove the JSON of those that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in {file.stem for file in folder.glob("*.json")} - DASHBOARDS.keys():
        (folder / f"{stale}.json").unlink()
    for name, build in DASHBOARDS.items():
        (folder / f"{name}.json").write_text(render(build()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "dashboards")
