"""Limits as numbers, read from the rules themselves, so that a dashboard never colours by another limit than pages."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).resolve().parents[2] / "prometheus" / "rules"


def limit_of(alert: str) -> float:
    """The default in limits.yml of the limit that an alert compares with; raises as `name_of`."""
    return default_of(name_of(alert))


def series_of(alert: str) -> str:
    """The query for the limit that is in force, for a line that follows when somebody changes it."""
    return f'max(limits:valid:value{{limit="{name_of(alert)}"}})'


def name_of(alert: str) -> str:
    """The name of the first limit that an alert's expression compares with, such as ``system_cpu_usage:ratio``.

    Raises KeyError for an alert that is not there and ValueError for one without a limit.
    """
    expr = str(_alerts()[alert]["expr"])
    found = re.search(r'limits:valid:value\{limit="([^"]+)"', expr)
    if found is not None:
        return found.group(1)
    found = re.search(r"\w+:(\w+)_limit:(\w+)", expr)
    if found is None:
        raise ValueError(f"{alert} compares with no limit: {expr}")
    return f"{found.group(1)}:{found.group(2)}"


def steps_of_limit_use() -> tuple[tuple[float, str], ...]:
    """Yellow and orange where the two alerts on the use of a limit begin, and red where it is used up."""
    begins = (default_of(f"trading_limit_use_{level}:ratio") for level in ("elevated", "high"))
    return tuple(zip((*begins, 1.0), ("yellow", "orange", "red"), strict=True))


def default_of(limit: str) -> float:
    """The default in limits.yml of a limit such as ``trading_drawdown:ratio``; raises KeyError."""
    return _defaults()[limit]


@cache
def _defaults() -> dict[str, float]:
    text = (RULES / "limits.yml").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "labels" not in rule]
    return {
        rule["record"].removeprefix("limit:"): float(rule["expr"].removeprefix("vector(").removesuffix(")"))
        for rule in rules
    }


@cache
def _alerts() -> dict[str, dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {}
    for file in sorted(RULES.glob("*.alerts.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            rules |= {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}
    return rules
