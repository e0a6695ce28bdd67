"""Panels: every one has a title, a description, a unit, a data source and at least one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models import prometheus as prometheus_models

from grafana.build.thresholds import steps_of_limit_use

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

AnyPanel = timeseries.Panel | stat.Panel | bargauge.Panel | statetimeline.Panel | heatmap.Panel
PanelT = TypeVar("PanelT", timeseries.Panel, stat.Panel, bargauge.Panel, statetimeline.Panel, heatmap.Panel)


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query and the legend of its series.

    `instant` asks for the newest value only; `buckets` says that the series are cumulative buckets with a label `le`.
    """

    expr: str
    legend: str = ""
    instant: bool = False
    buckets: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """Colours by value: `first` below every step, then each step's colour from its value on."""

    first: str
    steps: Sequence[tuple[float, str]] = ()


CALM = Steps("text")
USE_OF_LIMIT = Steps("green", steps_of_limit_use())
NONE_IS_GOOD = Steps("green", ((1, "red"),))


def red_above(limit: float, *, first: str = "green") -> Steps:
    """Red from the limit of a rule on."""
    return Steps(first, ((limit, "red"),))


def common_parts(
    panel: PanelT,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    width: int,
    height: int,
    colors: Steps = CALM,
) -> PanelT:
    """What every panel has; queries get the letters A, B, ... in their order."""
    panel.title(title).description(description).unit(unit).datasource(DATASOURCE).span(width).height(height)
    panel.thresholds(
        dashboards.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                dashboard.Threshold(value=None, color=colors.first),
                *(dashboard.Threshold(value=value, color=color) for value, color in colors.steps),
            ]
        )
    )
    for number_of_query, query in enumerate(queries):
        letter = chr(ord("A") + number_of_query)
        target = (
            prometheus.Dataquery().datasource(DATASOURCE).expr(query.expr).legend_format(query.legend).ref_id(letter)
        )
        if query.buckets:
            target.format(prometheus_models.PromQueryFormat.HEATMAP)
        panel.with_target(target.instant() if query.instant else target.range())
    return panel


def more_on(panel: PanelT, page: str, title: str) -> PanelT:
    """A link on the panel to the dashboard `andon-<page>`, with the time and the variables of this one."""
    return panel.links(
        [
            dashboards.DashboardLink(title)
            .type(dashboard.DashboardLinkType.LINK)
            .url(f"/d/andon-{page}?${{__url_time_range}}&${{__all_variables}}")
        ]
    )


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    minimum: float | None = None,
    dashed: str | None = None,
    limit: float | str | None = None,
) -> timeseries.Panel:
    """Time series as lines.

    Series whose name matches the pattern `dashed` are drawn as limits, dashed and red; `limit` is one that is the same
    for all series, drawn alike: a number, or a query.
    """
    if isinstance(limit, str):
        queries, dashed, limit = (*queries, Query(limit, "limit")), "/^limit/", None
    colors = CALM if limit is None else Steps("text", ((limit, "red"),))
    panel = common_parts(
        timeseries.Panel(), title, description, unit, queries, width=width, height=height, colors=colors
    )
    panel.line_width(1).fill_opacity(8).show_points(models.VisibilityMode.AUTO)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(models.LegendDisplayMode.TABLE if width >= 12 else models.LegendDisplayMode.LIST)
        .placement(models.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"] if width >= 12 else [])
    )
    panel.tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.DESCENDING))
    if minimum is not None:
        panel.axis_soft_min(minimum)
    if limit is not None:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(models.GraphThresholdsStyleMode.DASHED))
    if dashed is not None:
        panel.override_by_regexp(
            dashed,
            [
                dashboard.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]}),
                dashboard.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
                dashboard.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": "red"}),
            ],
        )
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 4,
    height: int = 4,
    colors: Steps = CALM,
    no_value: str = "unknown",
) -> stat.Panel:
    """One big number for each series, or `no_value` where there is none: unknown is never shown as zero."""
    panel = common_parts(stat.Panel(), title, description, unit, queries, width=width, height=height, colors=colors)
    return (
        panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(models.BigValueColorMode.BACKGROUND if colors.steps else models.BigValueColorMode.VALUE)
        .graph_mode(models.BigValueGraphMode.NONE)
        .text_mode(models.BigValueTextMode.AUTO)
        .no_value(no_value)
    )


def bars(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    colors: Steps = USE_OF_LIMIT,
    full: float | None = 1,
) -> bargauge.Panel:
    """A horizontal bar for each series, coloured by its value; the bar is full at `full`, or at the longest one."""
    panel = common_parts(bargauge.Panel(), title, description, unit, queries, width=width, height=height, colors=colors)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel.orientation(models.VizOrientation.HORIZONTAL).display_mode(models.BarGaugeDisplayMode.BASIC)
    panel.min(0).no_value("unknown")
    return panel if full is None else panel.max(full)
