"""One panel drawn into a figure, by its type."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grafana.pictures.live import Series, Window, cells
from grafana.pictures.units import said

COLUMN_INCHES, ROW_INCHES = 0.72, 0.4
# Grafana's names of colours.
COLORS = {
    "green": "#56a64b",
    "yellow": "#f2cc0c",
    "orange": "#ff780a",
    "red": "#e02f44",
    "blue": "#3274d9",
    "purple": "#a352cc",
    "text": "#52545c",
}
LINES = ("#3274d9", "#56a64b", "#ff780a", "#a352cc", "#0fa5b3", "#b877d9", "#806eb7", "#c0702d", "#5b8c5a", "#7c8190")
PALE = "#8e9199"

Panel = Mapping[str, Any]
Rows = Sequence[tuple[Mapping[str, Any], Sequence[Series]]]


def _axes(figure: Figure, box: Sequence[float], left: float, below: float) -> Axes:
    """Axes within a panel: `left` and `below` inches for labels, a line on top for the title."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        (
            box[0] + left / width,
            box[1] + below / height,
            box[2] - (left + 0.15) / width,
            box[3] - (below + 0.38) / height,
        )
    )
    axes.tick_params(labelsize=7, colors=PALE, length=2)
    for side in axes.spines.values():
        side.set_color("#dcdee0")
    return axes


def _time_axis(axes: Axes, window: Window) -> None:
    axes.set_xlim(moment_of(window.start), moment_of(window.end))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    axes.locator_params(axis="x", nbins=5)


def moment_of(seconds: float) -> float:
    """A time as matplotlib counts it: days."""
    return float(date2num(datetime.fromtimestamp(seconds, UTC)))  # type: ignore[no-untyped-call]


def _known(rows: Rows) -> list[Series]:
    return [series for _, found in rows for series in found if any(not math.isnan(value) for _, value in series.points)]


def _lines(figure: Figure, box: Sequence[float], panel: Panel, rows: Rows, window: Window) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    shown = _known(rows)
    wide = panel["gridPos"]["w"] >= 12
    columns = 3 if wide else 2
    listed = shown[: columns * 3]
    lines_of_legend = math.ceil(len(listed) / columns)
    axes = _axes(figure, box, 0.62, 0.26 + 0.17 * lines_of_legend)
    _time_axis(axes, window)
    dashed = _dashed(panel)
    solid = 0
    for series in shown:
        limit = dashed(series.name)
        color = COLORS["red"] if limit else LINES[solid % len(LINES)]
        solid += not limit
        axes.plot(
            [moment_of(moment) for moment, _ in series.points],
            [value for _, value in series.points],
            color=color,
            linewidth=1.2,
            linestyle=(0, (5, 3)) if limit else "-",
            marker="." if len(series.points) == 1 else None,
            label=series.name or "value",
        )
    if defaults["custom"].get("thresholdsStyle", {}).get("mode") == "dashed":
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is not None:
                axes.axhline(step["value"], color=COLORS["red"], linewidth=1, linestyle=(0, (5, 3)))
    if "axisSoftMin" in defaults["custom"]:
        values = [value for series in shown for _, value in series.points if math.isfinite(value)]
        highest = max(values, default=0.0)
        if min(values, default=0.0) >= 0:
            axes.set_ylim(0.0, max(axes.get_ylim()[1], highest * 1.06) if highest > 0 else 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: said(value, defaults["unit"]))
    axes.locator_params(axis="y", nbins=5)
    axes.grid(visible=True, color="#eceef0", linewidth=0.6)
    for number, series in enumerate(listed):
        handle = axes.lines[number]
        newest = next(value for _, value in reversed(series.points) if not math.isnan(value))
        name = series.name or "value"
        room = 44 if wide else 30 if panel["gridPos"]["w"] == 8 else 24
        text = name if len(name) <= room else name[: room - 1] + "\u2026"
        if wide:
            text += f"  {said(newest, defaults['unit'])}"
        x = box[0] + 0.01 + (number % columns) * (box[2] - 0.012) / columns
        y = box[1] + (0.06 + 0.17 * (lines_of_legend - 1 - number // columns)) / figure.get_size_inches()[1]
        figure.text(x, y, "\u2013", fontsize=10, weight="bold", color=handle.get_color())
        figure.text(x + 0.007, y, text, fontsize=6.8, color="#52545c")
    _say_when_empty(axes, shown)


def _dashed(panel: Panel) -> Callable[[str], bool]:

    patterns = [
        re.compile(override["matcher"]["options"].strip("/"))
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["id"] == "byRegexp"
    ]
    return lambda name: any(pattern.search(name) for pattern in patterns)


def _color(panel: Panel, value: float) -> str:
    chosen = "text"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            chosen = step["color"]
    return COLORS[chosen]


def _word(panel: Panel, value: float) -> str:
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", []):
        if (found := mapping["options"].get(f"{value:g}")) is not None:
            return str(found["text"])
    return said(value, panel["fieldConfig"]["defaults"]["unit"])


def _numbers(figure: Figure, box: Sequence[float], panel: Panel, rows: Rows, window: Window) -> None:
    del window
    axes = _axes(figure, box, 0.12, 0.1)
    axes.axis("off")
    shown = _known(rows)
    if not shown:
        axes.text(0.5, 0.5, panel["fieldConfig"]["defaults"]["noValue"], ha="center", va="center", fontsize=16)
    named_only = panel["options"]["textMode"] == "name"
    colored = panel["options"]["colorMode"] == "background"
    for number, series in enumerate(shown):
        value = series.points[-1][1]
        left, width = number / len(shown), 1 / len(shown) - 0.01
        if colored:
            axes.add_patch(Rectangle((left, 0), width, 1, color=_color(panel, value), transform=axes.transAxes))
        color = "white" if colored else "#24292e"
        named = bool(series.name) and not named_only
        axes.text(
            left + width / 2,
            0.42 if named else 0.5,
            series.name if named_only else _word(panel, value),
            ha="center",
            va="center",
            fontsize=18 if len(shown) < 4 else 12,
            color=color,
            transform=axes.transAxes,
        )
        if named:
            axes.text(
                left + width / 2, 0.82, series.name, ha="center", fontsize=7.5, color=color, transform=axes.transAxes
            )


def _bars(figure: Figure, box: Sequence[float], panel: Panel, rows: Rows, window: Window) -> None:
    del window
    shown = _known(rows)
    defaults = panel["fieldConfig"]["defaults"]
    axes = _axes(figure, box, 2.2 if panel["gridPos"]["w"] < 12 else 3.6, 0.1)
    full = defaults.get("max") or max((series.points[-1][1] for series in shown), default=1) or 1
    for number, series in enumerate(reversed(shown)):
        value = series.points[-1][1]
        axes.barh(number, full, color="#f0f1f2", height=0.72)
        axes.barh(number, min(value, full), color=_color(panel, value), height=0.72)
        axes.text(full, number, f"{said(value, defaults['unit'])} ", ha="right", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [series.name for series in reversed(shown)])
    axes.set_xlim(0, full)
    axes.set_xticks([])
    axes.tick_params(labelsize=7.5, colors="#3c3f45")
    for side in axes.spines.values():
        side.set_visible(False)
    _say_when_empty(axes, shown)


def _states(figure: Figure, box: Sequence[float], panel: Panel, rows: Rows, window: Window) -> None:
    shown = _known(rows)
    axes = _axes(figure, box, 1.5 if panel["gridPos"]["w"] < 12 else 3.2, 0.26)
    _time_axis(axes, window)
    for number, series in enumerate(reversed(shown)):
        begin, current = series.points[0]
        ends = [*series.points[1:], (series.points[-1][0] + window.step, math.nan)]
        for moment, value in ends:
            if value != current:
                left, right = moment_of(begin), moment_of(moment)
                axes.barh(number, right - left, left=left, color=_color(panel, current), height=0.8)
                if (moment - begin) * 12 > window.end - window.start:
                    word = _word(panel, current)
                    axes.text((left + right) / 2, number, word, ha="center", va="center", fontsize=6.5, color="white")
                begin, current = moment, value
    axes.set_yticks(range(len(shown)), [series.name for series in reversed(shown)])
    axes.tick_params(axis="y", labelsize=6.8, colors="#3c3f45")
    axes.set_ylim(-0.6, max(0.6, len(shown) - 0.4))
    _say_when_empty(axes, shown)


def _heat(figure: Figure, box: Sequence[float], panel: Panel, rows: Rows, window: Window) -> None:
    ((target, found),) = rows
    shown = cells(found) if target.get("format") == "heatmap" else _sorted_rows(found)
    options = panel["options"]
    defaults = panel["fieldConfig"]["defaults"]
    axes = _axes(figure, box, 1.25, 0.26)
    _time_axis(axes, window)
    if options["yAxis"].get("reverse"):
        shown = shown[::-1]
    top = options["color"].get("max")
    highest = top or max((value for row in shown for _, value in row.points if math.isfinite(value)), default=1) or 1
    palette = mpl.colormaps[options["color"]["scheme"]]
    for number, row in enumerate(shown):
        for moment, value in row.points:
            if math.isfinite(value) and value > 1e-9:
                share = min(1.0, value / highest) ** options["color"]["exponent"]
                left, right = moment_of(moment - window.step), moment_of(moment)
                axes.add_patch(Rectangle((left, number - 0.47), (right - left) * 0.96, 0.94, color=palette(share)))
    unit = options["yAxis"]["unit"]
    labels = [said(float(row.name), unit) if _is_number(row.name) else row.name for row in shown]
    every = max(1, math.ceil(len(shown) / 14))
    axes.set_yticks(range(0, len(shown), every), labels[::every])
    axes.set_ylim(-0.6, max(0.6, len(shown) - 0.4))
    axes.tick_params(axis="y", labelsize=6.5)
    axes.set_ylabel(options["yAxis"]["axisLabel"], fontsize=7, color=PALE)
    axes.set_title(f"darkest: {said(highest, defaults['unit'])}", fontsize=6.5, color=PALE, loc="right", pad=2)
    _say_when_empty(axes, shown)


def _sorted_rows(found: Sequence[Series]) -> list[Series]:
    if all(_is_number(row.name) for row in found):
        return sorted(found, key=lambda row: float(row.name))
    return sorted(found, key=lambda row: row.name, reverse=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _say_when_empty(axes: Axes, shown: Sequence[Series]) -> None:
    if not shown:
        axes.text(0.5, 0.5, "No data", ha="center", va="center", color=PALE, transform=axes.transAxes)


PAINTERS: Mapping[str, Callable[[Figure, Sequence[float], Panel, Rows, Window], None]] = {
    "timeseries": _lines,
    "stat": _numbers,
    "bargauge": _bars,
    "state-timeline": _states,
    "heatmap": _heat,
}
