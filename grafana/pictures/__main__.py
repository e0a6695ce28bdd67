"""Draw the dashboards: `python -m grafana.pictures http://127.0.0.1:9090 [MINUTES] [NAME ...]`.

It writes docs/images/<name>.png: what Grafana would show, from the same JSON, queries, grid, units and colours.
"""

import io
import json
import sys
from pathlib import Path

from PIL import Image

from grafana.pictures.board import draw
from grafana.pictures.live import Live, Window

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS, IMAGES = ROOT / "grafana" / "dashboards", ROOT / "docs" / "images"


def main(url: str, minutes: float = 10, *names: str) -> None:
    """Write the picture of every dashboard, or of those named."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    window = Window.last(minutes * 60, step=max(5.0, minutes * 60 / 120))
    for file in sorted(DASHBOARDS.glob("*.json")):
        if not names or file.stem in names:
            board = json.loads(file.read_text(encoding="utf-8"))
            drawn = io.BytesIO()
            draw(board, Live(url), window).savefig(drawn)
            # 128 colours are enough, and a third of the size.
            Image.open(drawn).convert("RGB").quantize(128).save(IMAGES / f"{file.stem}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10, *sys.argv[3:])
