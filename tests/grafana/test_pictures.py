"""The pictures are drawn by a tool beside the builder, from the dashboards' files and whatever Prometheus answers."""

import json
import re
from urllib.parse import parse_qs, urlsplit

from grafana.pictures.board import draw
from grafana.pictures.live import Live, Window
from tests.local_server import Reply, local_server
from tests.monitoring import ROOT

LABELS = {"le": "10", "venue": "v", "symbol": "BTC/USDT:USDT", "scope": "{}"}


def prometheus(asked):
    """One series for every question: two points of a range, the last one at the time of an instant query."""
    form = {name: value[0] for name, value in parse_qs(urlsplit(asked.path).query).items()}
    series = {"metric": LABELS}
    if "start" in form:
        series["values"] = [[float(form["start"]), "1"], [float(form["end"]), "2"]]
    else:
        series["value"] = [float(form.get("time", 0)), "1"]
    return Reply(body={"status": "success", "data": {"result": [series]}})


def test_a_board_is_drawn_with_every_panel_in_it():
    board = json.loads((ROOT / "grafana" / "dashboards" / "market-data.json").read_text())
    with local_server(prometheus) as server:
        figure = draw(board, Live(server.url), Window(1_000.0, 1_060.0))
    written = {text.get_text() for text in figure.texts}
    assert {panel["title"] for panel in board["panels"] if "$" not in panel["title"]} <= written
    assert len(figure.axes) == sum(panel["type"] != "row" for panel in board["panels"])


def test_the_builder_needs_none_of_the_tools_that_draw():
    for file in (ROOT / "grafana" / "build").glob("*.py"):
        assert not re.search(
            r"^(from|import) (matplotlib|PIL|requests|grafana\.pictures)", file.read_text(), re.MULTILINE
        )
