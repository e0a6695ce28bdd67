"""Panels for what is in one of a few states: now, and over time, in words and colours."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import stat, statetimeline
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import dashboard

from grafana.build.panels import Query, Steps, common_parts, number

# Text and colour say the same thing, so that nobody has to tell red from green.
Words = Mapping[int, tuple[str, str]]
SWITCH: Words = {0: ("NORMAL", "green"), 1: ("REDUCE ONLY", "orange"), 2: ("HALTED", "red")}
UP: Words = {0: ("DOWN", "red"), 1: ("UP", "green")}
SEVERITY: Words = {0: ("sign of life", "green"), 1: ("info", "blue"), 2: ("warning", "orange"), 3: ("CRITICAL", "red")}
GOOD: Words = {0: ("FAILED", "red"), 1: ("ok", "green")}


def state_now(
    title: str, description: str, words: Words, *queries: Query, width: int = 6, height: int = 4
) -> stat.Panel:
    """Each series' state now; the queries return the numbers of `words`."""
    panel = number(title, description, "none", *queries, width=width, height=height, colors=_colors(words))
    return panel.mappings([_mapping(words)]).text_mode(models.BigValueTextMode.VALUE_AND_NAME)


def state_history(
    title: str, description: str, words: Words, *queries: Query, width: int = 12, height: int = 6
) -> statetimeline.Panel:
    """Each series' state over time; the queries return the numbers of `words`."""
    panel = common_parts(
        statetimeline.Panel(), title, description, "none", queries, width=width, height=height, colors=_colors(words)
    )
    return (
        panel.mappings([_mapping(words)])
        .color_scheme(dashboards.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .show_value(models.VisibilityMode.AUTO)
        .merge_values(True)
        .fill_opacity(80)
        .row_height(0.8)
    )


def _colors(words: Words) -> Steps:
    (_, first), *others = (words[rank] for rank in sorted(words))
    ranks = sorted(words)[1:]
    return Steps(first, tuple((rank, color) for rank, (_, color) in zip(ranks, others, strict=True)))


def _mapping(words: Words) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(rank): dashboard.ValueMappingResult(text=text, color=color, index=rank)
            for rank, (text, color) in words.items()
        }
    )
