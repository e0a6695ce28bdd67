"""Plain tables for a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime


def table(head: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "  ") -> str:
    """Columns as wide as their widest cell; the last one is not padded."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in cells
    )


def ago(text: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was, in one unit."""
    if not text:
        return ""
    return span(((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds())


def span(seconds: float) -> str:
    """``-3 s`` and the like read as 0; minutes, hours and days where they fit."""
    whole = max(int(seconds), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit} ago"
    return f"{whole} s ago"
