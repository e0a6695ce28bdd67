"""Heatmaps: time from left to right, a row for each bucket or series, the value as colour."""

from grafana_foundation_sdk.builders import heatmap as builders
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import heatmap as heatmaps

from grafana.build.panels import Query, common_parts


def heatmap(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    rows: str,
    rows_unit: str = "none",
    layout: models.HeatmapCellLayout = models.HeatmapCellLayout.AUTO,
    scheme: str = "Blues",
    upside_down: bool = False,
    highest: float | None = None,
    width: int = 12,
    height: int = 8,
) -> builders.Panel:
    """A heatmap whose cells have the unit `unit` and whose rows, described by `rows`, have the unit `rows_unit`.

    A query with `buckets` returns cumulative series with a label `le`; Grafana subtracts each from the next, so that a
    cell is what lies between two edges. Any other query returns a series for each row: where their names are numbers,
    Grafana sorts by them. `highest` is the value with the darkest colour, by default the highest one shown.
    """
    panel = common_parts(builders.Panel(), title, description, unit, [query], width=width, height=height)
    colors = (
        builders.HeatmapColorOptions()
        .mode(heatmaps.HeatmapColorMode.SCHEME)
        .scheme(scheme)
        .scale(heatmaps.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    if highest is not None:
        colors.min(0).max(highest)
    axis = builders.YAxisConfig().unit(rows_unit).axis_label(rows).axis_placement(models.AxisPlacement.LEFT)
    return (
        panel.calculate(False)
        .color(colors)
        .y_axis(axis.reverse(upside_down))
        .rows_frame(builders.RowsHeatmapOptions().layout(layout))
        .cell_values(builders.CellValues().unit(unit))
        .show_value(models.VisibilityMode.NEVER)
        .cell_gap(1)
        .tooltip(builders.HeatmapTooltip().mode(models.TooltipDisplayMode.SINGLE).show_color_scale(True))
        .show_legend()
    )
