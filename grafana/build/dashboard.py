"""What every dashboard shares: variables, annotations, links, and the way it becomes JSON."""

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.build.panels import DATASOURCE, AnyPanel
from grafana.build.promql import KILL_ALERTS, OTHER_ALERTS, STOPPED_SCOPES

Dashboard = builders.Dashboard

# Fields that Grafana 11 knows: this schema is the newest that it writes, and newer ones migrate it on load.
SCHEMA_VERSION = 41
TAG = "andon"


def dashboard(name: str, title: str, description: str, *, since: str = "now-15m") -> Dashboard:
    """The read-only dashboard `andon-<name>` with the variables, annotations and links of all."""
    return (
        builders.Dashboard(title)
        .uid(f"{TAG}-{name}")
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh("5s")
        .timezone("browser")
        .link(
            builders.DashboardLink("Andon")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .annotation(
            _annotation("Kill alerts", KILL_ALERTS, "{{alertname}}", "{{kill_action}} {{strategy}}{{symbol}}", "red")
        )
        .annotation(_annotation("Stopped scopes", STOPPED_SCOPES, "{{scope}} {{state}}", "", "purple"))
        .annotation(_annotation("Other alerts", OTHER_ALERTS, "{{alertname}}", "{{severity}}", "orange"))
    )


def _annotation(name: str, expr: str, title: str, text: str, color: str) -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(color)
        .expr(expr)
        .title_format(title)
        .text_format(text)
        .step("5s")
        .target(prometheus.Dataquery().datasource(DATASOURCE).expr(expr).ref_id("Anno"))
    )


def choice(name: str, label: str, query: str) -> builders.QueryVariable:
    """A variable that offers every value of a label, all of them at first; `query` is `label_values(metric, label)`."""
    return (
        one_of(name, label, query)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def one_of(name: str, label: str, query: str) -> builders.QueryVariable:
    """A variable that is exactly one value of a label, the first one at first."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": f"{name}-values"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def fill(board: Dashboard, *panels: AnyPanel | builders.Row) -> Dashboard:
    """Lay the panels out from left to right, top to bottom, in the order given."""
    for panel in panels:
        if isinstance(panel, builders.Row):
            board.with_row(panel)
        else:
            board.with_panel(panel)
    return board


def heading(title: str) -> builders.Row:
    """A line with a title over the panels that follow."""
    return builders.Row(title)


def render(board: Dashboard) -> str:
    """The dashboard as the text of its JSON file: stable order, ids counted from 1."""
    document: dict[str, Any] = json.loads(JSONEncoder().encode(board.build()))
    document["schemaVersion"] = SCHEMA_VERSION
    document["id"] = None
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
    for annotation in document["annotations"]["list"]:
        # Newer than Grafana 11, and its default hides the switch of the annotation in a menu.
        annotation.pop("placement", None)
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
