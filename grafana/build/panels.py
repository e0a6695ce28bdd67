"""Panels: every one has a title, a description, a unit, a data source and at least one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import dashboard

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

AnyPanel = timeseries.Panel | stat.Panel | bargauge.Panel | statetimeline.Panel
_Panel = TypeVar("_Panel", timeseries.Panel, stat.Panel, bargauge.Panel, statetimeline.Panel)

# Text and colour say the same thing, so that nobody has to tell red from green.
STATES = {0: ("NORMAL", "green"), 1: ("REDUCE ONLY", "orange"), 2: ("HALTED", "red")}


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query and the legend of its series; `instant` asks for the newest value only."""

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """Colours by value: `first` below every step, then each step's colour from its value on."""

    first: str
    steps: Sequence[tuple[float, str]] = ()


CALM = Steps("text")
USE_OF_LIMIT = Steps("green", ((0.5, "yellow"), (0.8, "orange"), (1.0, "red")))
NONE_IS_GOOD = Steps("green", ((1, "red"),))


def _common(
    panel: _Panel,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    width: int,
    height: int,
    colors: Steps,
) -> _Panel:
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
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        target = (
            prometheus.Dataquery().datasource(DATASOURCE).expr(query.expr).legend_format(query.legend).ref_id(letter)
        )
        panel.with_target(target.instant() if query.instant else target.range())
    return panel


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    minimum: float | None = None,
    dashed: str | None = None,
) -> timeseries.Panel:
    """Time series as lines. Series whose name matches the pattern `dashed` are drawn as limits: dashed and red."""
    panel = _common(timeseries.Panel(), title, description, unit, queries, width, height, CALM)
    panel.line_width(1).fill_opacity(8).show_points(models.VisibilityMode.NEVER)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(models.LegendDisplayMode.TABLE)
        .placement(models.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.DESCENDING))
    if minimum is not None:
        panel.axis_soft_min(minimum)
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
    panel = _common(stat.Panel(), title, description, unit, queries, width, height, colors)
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
) -> bargauge.Panel:
    """A horizontal bar for each series, coloured by its value; the bar is full at 1."""
    panel = _common(bargauge.Panel(), title, description, unit, queries, width, height, colors)
    return (
        panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .orientation(models.VizOrientation.HORIZONTAL)
        .display_mode(models.BarGaugeDisplayMode.BASIC)
        .min(0)
        .max(1)
        .no_value("unknown")
    )


def switch_states(title: str, description: str, *queries: Query, width: int, height: int) -> stat.Panel:
    """The state of each switch now, in words; the queries return 0, 1 or 2 as in STATES."""
    panel = number(title, description, "none", *queries, width=width, height=height, colors=_STATE_COLORS)
    return panel.mappings([_state_words()]).text_mode(models.BigValueTextMode.VALUE_AND_NAME)


def switch_history(title: str, description: str, *queries: Query, width: int, height: int) -> statetimeline.Panel:
    """The state of each switch over time; the queries return 0, 1 or 2 as in STATES."""
    panel = _common(statetimeline.Panel(), title, description, "none", queries, width, height, _STATE_COLORS)
    return (
        panel.mappings([_state_words()])
        .color_scheme(dashboards.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .show_value(models.VisibilityMode.AUTO)
        .merge_values(True)
        .fill_opacity(80)
        .row_height(0.8)
    )


_STATE_COLORS = Steps(STATES[0][1], tuple((rank, color) for rank, (_, color) in STATES.items() if rank))


def _state_words() -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(rank): dashboard.ValueMappingResult(text=text, color=color, index=rank)
            for rank, (text, color) in STATES.items()
        }
    )
