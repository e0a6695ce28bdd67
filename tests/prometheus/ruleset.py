"""The shipped rules as data, for the tests that hold them to their conventions."""

import re
from dataclasses import dataclass, field
from functools import cache

import yaml

from tests.monitoring import ROOT

RULES = ROOT / "prometheus" / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_URL = "https://github.com/andon-trading/andon/blob/main/docs/runbooks/{name}.md"

LIMIT = re.compile(r"^limits?:|_limit:")
"""The series that hold limits."""

_OPERATORS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
_AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"}
_NUMBERS = {"inf", "nan"}
_WORDS = _OPERATORS | _AGGREGATIONS | _NUMBERS


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one group; ``alert`` or ``record`` is empty."""

    file: str
    group: str
    interval: str
    alert: str
    record: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    keep_firing_for: str = ""

    @property
    def kills(self) -> bool:
        """Whether the alert asks the webhook to act."""
        return "kill_action" in self.labels

    @property
    def metrics(self) -> frozenset[str]:
        """The names of all series that the expression selects."""
        return metrics_of(self.expr)


def metrics_of(expr: str) -> frozenset[str]:
    """The metric names in *expr*: every word that is no function, operator, label, duration or part of a string."""
    expr = re.sub(r"#[^\n]*", " ", expr)
    named = set(re.findall(r"""__name__\s*=~?\s*"([^"]+)\"""", expr))
    expr = re.sub(r'"(?:[^"\\]|\\.)*"', " ", expr)
    expr = re.sub(r"\{[^{}]*\}", " ", expr)
    expr = re.sub(r"\[[^\]]*\]", " ", expr)
    expr = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", " ", expr)
    words = re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?!\s*\()", expr)
    return frozenset(word for word in words if word.lower() not in _WORDS) | frozenset(named)


@cache
def rules() -> tuple[Rule, ...]:
    """Every shipped rule, in the order of files and groups."""
    found: list[Rule] = []
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            found += [
                Rule(
                    file=path.name,
                    group=group["name"],
                    interval=group.get("interval", ""),
                    alert=rule.get("alert", ""),
                    record=rule.get("record", ""),
                    expr=str(rule["expr"]),
                    labels=rule.get("labels", {}),
                    annotations=rule.get("annotations", {}),
                    keep_firing_for=rule.get("keep_firing_for", ""),
                )
                for rule in group["rules"]
            ]
    return tuple(found)


def alerts() -> list[Rule]:
    """Every alert."""
    return [rule for rule in rules() if rule.alert]


def kill_alerts() -> list[Rule]:
    """Every alert that asks the webhook to act."""
    return [rule for rule in alerts() if rule.kills]


def behind(names: frozenset[str]) -> frozenset[str]:
    """What *names* are made of: recorded series are followed to the series that are scraped, and limits left out."""
    recorded: dict[str, set[str]] = {}
    for rule in rules():
        if rule.record:
            recorded.setdefault(rule.record, set()).update(() if LIMIT.search(rule.record) else rule.metrics)
    seen: set[str] = set()
    open_names = set(names)
    while open_names:
        name = open_names.pop()
        if name not in seen:
            seen.add(name)
            open_names |= recorded.get(name, set()) - seen
    return frozenset(name for name in seen if name not in recorded)


def default_of(limit: str) -> float:
    """The least of the defaults in limits.yml of a limit such as ``trading_drawdown:ratio``; ValueError without one."""
    exprs = [rule.expr for rule in rules() if rule.record == f"limit:{limit}" and rule.file == "limits.yml"]
    return min(float(number) for expr in exprs for number in re.findall(r"vector\(([0-9.]+)\)", expr))


def defaults_in_force() -> str:
    """What limits.yml puts in force, as a rule file: for tests of rules that are about something else, and quick."""
    lines = [
        "# The defaults of limits.yml as limits.rules.yml puts them in force: written by tests.prometheus.ruleset.",
        "groups:",
        "  - name: limits-in-force",
        "    rules:",
    ]
    for rule in rules():
        if rule.file == "limits.yml":
            labels = {"limit": rule.record.removeprefix("limit:")} | rule.labels
            named = ", ".join(f'{name}: "{value}"' for name, value in labels.items())
            lines.append(f"      - {{record: limits:valid:value, labels: {{{named}}}, expr: {rule.expr}}}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "tests" / "prometheus" / "limits.defaults.yml").write_text(defaults_in_force(), encoding="utf-8")
