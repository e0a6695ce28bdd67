"""Limits as numbers, read from the rules themselves, so that a dashboard never colours by another limit than pages."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).resolve().parents[2] / "prometheus" / "rules"


def limit_of(alert: str) -> float:
    """The number that an alert's expression compares with: the last one, as in `max(x) > 0.92`.

    Raises KeyError for an alert that is not there and ValueError for one that does not end in a number: its limit is
    a series then, and a graph draws that series.
    """
    expr = str(_alerts()[alert]["expr"]).strip()
    found = re.search(r"[<>]=?\s*(-?[0-9.]+)$", expr)
    if found is None:
        raise ValueError(f"{alert} does not compare with a number: {expr}")
    return float(found.group(1))


def steps_of_limit_use() -> tuple[tuple[float, str], ...]:
    """Yellow, orange and red where the three alerts on the use of a limit begin, and dark red where it is used up."""
    begins = {
        name: float(re.findall(r">=\s*([0-9.]+)", str(_alerts()[name]["expr"]))[0])
        for name in ("TradingLimitUseElevated", "TradingLimitUseHigh", "TradingLimitUseCritical")
    }
    return tuple(zip(begins.values(), ("yellow", "orange", "red"), strict=True))


@cache
def _alerts() -> dict[str, dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {}
    for file in sorted(RULES.glob("*.alerts.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            rules |= {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}
    return rules
