"""What `segment` prints at its end: a picture of the map, the clusters, warnings, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from spectessera._util.text import counted, per_cent, shown

from .console import output
from .picture import can_show, picture
from .together import in_words

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

MOST_LINES = 4  # of one cluster, the most significant
LONGEST = 100  # characters of a name in the table


def picture_of(result: xr.Dataset) -> list[Text]:
    """Return the lines of a picture of the map; none where the terminal cannot show it."""
    return picture(result) if can_show() else []


def print_summary(summary: dict[str, Any], drawn: list[Text], out: Path) -> None:
    """Print the map, the table of clusters, the warnings, and where the results are.

    Parameters
    ----------
    summary : dict
        That of the folder.
    drawn : list of Text
        The picture of the map.
    out : Path
        The folder.
    """
    from spectessera.resultfolder import REPORT

    for line in drawn:
        output.print(line)
    output.print(cluster_table(summary))
    for row in summary.get("scans", ()):
        output.print(in_words(row))
    if summary["rare"]:
        output.print(summary["rare"])
    for row in summary["clusters"]:
        if row.get("bands_in_words"):
            output.print(Text(f"cluster {row['cluster']}: {row['bands_in_words']}"))
    for warning in summary["warnings"]:
        output.print(f"warning: {warning['text']} [{warning['code']}]")
    output.print(f"results in {out}")
    if (out / REPORT).exists():
        output.print(f"open {out / REPORT} in a browser")


def cluster_table(summary: dict[str, Any]) -> Table:
    """Return the clusters of a summary: number, colour, share, confidence, name, lines."""
    from rich.table import Table

    table = Table(title=counted(summary["n_clusters"], "cluster"), title_justify="left", box=None)
    with_lines = any(row["lines"] for row in summary["clusters"])
    for heading in ("cluster", "pixels", "share", "confidence"):
        table.add_column(heading, justify="right")
    table.add_column("what it may be", overflow="fold")
    if with_lines:
        table.add_column("lines", overflow="fold")
    for row in summary["clusters"]:
        confidence = row["confidence"]
        table.add_row(
            Text.assemble(("██", row["colour"]), f" {row['cluster']}"),
            str(row["size"]),
            per_cent(row["share"], 1),
            "-" if confidence is None else f"{confidence:.2f}",
            Text(shown(row["name"] or "-", LONGEST)),
            *([Text(_lines(row["lines"]))] if with_lines else []),
        )
    return table


def _lines(lines: list[dict[str, Any]]) -> str:
    """Return the names of the most significant lines."""
    ranked = sorted(lines, key=lambda each: -each["significance"])
    names = list(dict.fromkeys(each["line"] for each in ranked))
    return ", ".join(names[:MOST_LINES])
