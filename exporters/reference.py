"""The tables of docs/metrics.md, written from the declarations, so that the page says what the program does."""

from exporters.catalogue import EXPORTERS
from exporters.series import Series


def tables() -> str:
    """One Markdown table for each exporter and each of its two sets."""
    found = []
    for name, entry in EXPORTERS.items():
        for subset in ("kill", "rest"):
            found.append(f"### {name}: `/metrics?set={subset}`\n")
            found.append(
                "| series | type | labels | unit | definition | source |\n| --- | --- | --- | --- | --- | --- |"
            )
            found.extend(_row(each) for each in entry.series if each.subset == subset)
            found.append("")
    return "\n".join(found)


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    cells = (f"`{series.name}`", series.kind, labels, series.unit, series.help, series.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
