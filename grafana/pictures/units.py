"""Values in their units, as Grafana writes them, more or less."""

import math
from collections.abc import Sequence


def said(value: float, unit: str) -> str:
    """A value in its unit, as Grafana writes it, more or less."""
    if not math.isfinite(value):
        return {math.inf: "\u221e", -math.inf: "-\u221e"}.get(value, "?")
    if unit == "percentunit":
        size = abs(value)
        return f"{value:.0%}" if size >= 0.1 or not size else f"{value:.1%}" if size >= 0.01 else f"{value * 100:.3g}%"
    if unit == "s":
        return _seconds(value)
    if unit == "bytes":
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"), " ")
    if unit == "locale":
        return f"{value:,.6g}" if abs(value) < 1e5 else f"{value:,.0f}"
    text = _scaled(value, 1000, ("", " K", " M", " G", " T"), "")
    return f"{text} /s" if unit == "reqps" else text


def _seconds(value: float) -> str:
    size = abs(value)
    for least, factor, name in (
        (86400, 86400, "d"),
        (3600, 3600, "h"),
        (60, 60, "min"),
        (1, 1, "s"),
        (1e-3, 1e-3, "ms"),
    ):
        if size >= least:
            return f"{value / factor:.3g} {name}"
    return f"{value * 1e6:.3g} \u00b5s" if value else "0 s"


def _scaled(value: float, base: float, names: Sequence[str], space: str) -> str:
    for name in names:
        if abs(value) < base or name == names[-1]:
            return f"{value:.3g}{space}{name}" if abs(value) < 1000 and space else f"{value:.4g}{space}{name}"
        value /= base
    return f"{value:g}"
