"""What every dashboard shares: variables, annotations, links, and the way it becomes JSON."""

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.build.panels import DATASOURCE, AnyPanel

Dashboard = builders.Dashboard

# Fields that Grafana 11 knows: this schema is the newest that it writes, and newer ones migrate it on load.
SCHEMA_VERSION = 41
TAG = "andon"


def dashboard(uid: str, title: str, description: str, *, since: str = "now-15m") -> Dashboard:
    """A read-only dashboard with the data source variable, the annotations and the links that all of ours have."""
    return (
        builders.Dashboard(title)
        .uid(uid)
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
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .annotation(
            _annotation("Kill alerts", KILL_ALERTS, "{{alertname}}", "{{kill_action}} {{strategy}}{{symbol}}", "red")
        )
        .annotation(_annotation("Stopped scopes", STOPPED_SCOPES, "{{scope}} {{state}}", "", "purple"))
    )


KILL_ALERTS = 'ALERTS{alertstate="firing", kill_action=~"reduce|halt|flatten"}'
STOPPED_SCOPES = 'max by (scope, state) (andon_switch_state{state=~"degraded|halted"}) == 1'


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
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": f"{name}-values"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def fill(board: Dashboard, *panels: AnyPanel | builders.Row) -> Dashboard:
    """Lay the panels out from left to right, top to bottom, in the order given."""
    for panel in panels:
        if isinstance(panel, builders.Row):
            board.with_row(panel)
        else:
            board.with_panel(panel)
    return board


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
