"""One dashboard as one figure: every panel in its place of the grid."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grafana.pictures.live import Live, Series, Window
from grafana.pictures.panels import COLORS, COLUMN_INCHES, PAINTERS, PALE, ROW_INCHES, moment_of

DPI = 80


def draw(board: Mapping[str, Any], live: Live, window: Window) -> Figure:
    """A figure with every panel of a dashboard in its place."""
    variables = live.variables(board)
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    size = (24 * COLUMN_INCHES, (bottom + 2) * ROW_INCHES)
    figure = Figure(figsize=size, dpi=DPI, facecolor="#f4f5f5")
    chosen = ", ".join(f"{name}: {'All' if value == '.*' else value}" for name, value in variables.items())
    figure.text(0.008, 1 - 0.9 / (bottom + 2), board["title"], fontsize=15, weight="bold", color="#24292e")
    figure.text(0.992, 1 - 0.9 / (bottom + 2), chosen, fontsize=9, color=PALE, ha="right")
    marks = [
        (mark["iconColor"], live.run(mark["target"], variables, window))
        for mark in board["annotations"]["list"]
        if "target" in mark
    ]
    for panel in board["panels"]:
        place = panel["gridPos"]
        box = (
            (place["x"] + 0.12) / 24,
            1 - (place["y"] + place["h"] + 1.6) / (bottom + 2),
            (place["w"] - 0.24) / 24,
            (place["h"] - 0.2) / (bottom + 2),
        )
        title = panel["title"]
        for name, value in variables.items():
            title = title.replace(f"${name}", value)
        if panel["type"] == "row":
            figure.text(box[0], box[1] + box[3] / 4, title, fontsize=12, weight="bold", color="#24292e")
            continue
        figure.patches.append(
            Rectangle(
                box[:2], box[2], box[3], transform=figure.transFigure, facecolor="white", edgecolor="#dcdee0", zorder=-1
            )
        )
        figure.text(
            box[0] + 0.06 * COLUMN_INCHES / size[0] * 2,
            box[1] + box[3] - 0.55 * ROW_INCHES / size[1],
            title,
            fontsize=9.5,
            weight="bold",
            color="#3c3f45",
        )
        rows = [(target, live.run(target, variables, window)) for target in panel["targets"]]
        PAINTERS[panel["type"]](figure, box, panel, rows, window)
        if panel["type"] == "timeseries":
            _annotate(figure.axes[-1], marks, window)
    return figure


def _annotate(axes: Axes, marks: Sequence[tuple[str, Sequence[Series]]], window: Window) -> None:
    # The first kind is drawn last: a kill alert and the stop that it brought fall together.
    for color, found in reversed(marks):
        for series in found:
            begin = series.points[0][0]
            if begin > window.start + 2 * window.step:
                axes.axvline(moment_of(begin), color=COLORS.get(color, PALE), linewidth=0.8, linestyle=":")
