"""Reading PromQL just far enough for tests: which metrics does an expression name."""

import re

_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})


def metrics_of(expr: str) -> set[str]:
    """The names of metrics in an expression, with its strings, label matchers, label lists and ranges left out."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'", "", expr)
    bare = re.sub(r"#[^\n]*", "", bare)
    bare = re.sub(r"\{[^{}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", " ", bare, flags=re.IGNORECASE)
    names = re.findall(r"(?<![\w:.$])([A-Za-z_:][\w:]*)\s*(?!\w|\s*\()", bare)
    called = set(re.findall(r"([A-Za-z_:][\w:]*)\s*\(", bare))
    return {name for name in names if name.lower() not in _WORDS and name not in called}
