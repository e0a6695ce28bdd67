"""A dashboard's queries, run against a live Prometheus as Grafana would run them: for tests and for pictures."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

# As jsonData.timeInterval of the data source says; $__rate_interval is at least four of them.
SCRAPE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Series:
    """One line, bar or row: its name from the legend, its labels, and its points as (Unix seconds, value)."""

    name: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Window:
    """The time shown: seconds since the epoch, and the distance of the points."""

    start: float
    end: float
    step: float = SCRAPE_SECONDS

    @classmethod
    def last(cls, seconds: float, step: float = SCRAPE_SECONDS) -> "Window":
        """The window that ends now."""
        now = time.time()
        return cls(now - seconds, now, step)


class Live:
    """A Prometheus at `url`, e.g. `http://127.0.0.1:9090`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def ask(self, path: str, **parameters: Any) -> Any:
        """The `data` of an answer; raises ValueError with the query and what Prometheus objects to."""
        answer = requests.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=30).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters.get('query')}: {answer['error']}")
        return answer["data"]

    def variables(self, board: Mapping[str, Any]) -> dict[str, str]:
        """What each variable of a dashboard is when it is opened: all values, or the first one."""
        chosen = {}
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                every = variable["allValue"] if variable["includeAll"] else ""
                chosen[variable["name"]] = every or min(self.values_of(variable), default="")
        return chosen

    def values_of(self, variable: Mapping[str, Any]) -> set[str]:
        """The values that a query variable offers."""
        found = re.fullmatch(r"label_values\((\S+), (\w+)\)", variable["query"]["query"])
        if found is None:
            raise ValueError(f"${variable['name']}: not a label_values query")
        metric, label = found.groups()
        return {series["metric"].get(label, "") for series in self.ask("query", query=metric)["result"]}

    def run(self, target: Mapping[str, Any], variables: Mapping[str, str], window: Window) -> list[Series]:
        """The series of one query of a panel: one point each for an instant query."""
        expr = substitute(target["expr"], variables, window)
        if target.get("instant"):
            found = self.ask("query", query=expr, time=window.end)["result"]
            rows = [(one["metric"], [one["value"]]) for one in found]
        else:
            found = self.ask("query_range", query=expr, start=window.start, end=window.end, step=window.step)["result"]
            rows = [(one["metric"], one["values"]) for one in found]
        return [
            Series(
                named(target.get("legendFormat", ""), labels),
                labels,
                [(float(moment), float(value)) for moment, value in points],
            )
            for labels, points in rows
        ]


def substitute(expr: str, variables: Mapping[str, str], window: Window) -> str:
    """The expression with every variable replaced, those of Grafana's own too."""
    own = {
        "__rate_interval": f"{max(int(window.step) + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s",
        "__range": f"{max(1, int(window.end - window.start))}s",
    }
    # Longer names first: `$symbol` is no `$symbols`.
    for name, value in sorted({**variables, **own}.items(), key=lambda item: -len(item[0])):
        for written in (f"${{{name}}}", f"${name}"):
            expr = expr.replace(written, value)
    return expr


def named(legend: str, labels: Mapping[str, str]) -> str:
    """A series' name: its legend filled in."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), legend).strip()


def cells(rows: Sequence[Series]) -> list[Series]:
    """Cumulative buckets with a label `le` as what lies between two edges, lowest first: as Grafana does it."""
    ordered = sorted(rows, key=lambda row: float(row.labels["le"]))
    below: dict[float, float] = {}
    between = []
    for row in ordered:
        points = [(moment, max(0.0, value - below.get(moment, 0.0))) for moment, value in row.points]
        below = dict(row.points)
        between.append(Series(row.name, row.labels, points))
    return between
