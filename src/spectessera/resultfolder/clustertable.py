"""The table of the clusters as a CSV file: shares, names, and all numbers with their errors."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spectessera.naming.numbers import MEANINGS, Quantity

_OF_CLUSTER = {
    "size": ("pixels of the cluster", ""),
    "share": ("share of the pixels that have a cluster", "1"),
    "confidence": ("mean probability that a repeated measurement gives the same cluster", "1"),
}


def write_cluster_table(
    rows: Sequence[dict[str, Any]], numbers: Sequence[Sequence[Quantity]], path: Path
) -> None:
    """Write one row for each number of each cluster.

    Parameters
    ----------
    rows : sequence of dict
        Of the clusters, as in the summary: cluster, size, share, confidence, name.
    numbers : sequence of sequence of Quantity
        Of the clusters, in the same order.
    path : Path
    """
    heads = ("cluster", "name", "quantity", "value", "error", "unit", "kind", "note", "meaning")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        for row, own in zip(rows, numbers, strict=True):
            first = (row["cluster"], plain(row["name"]))
            for name, (meaning, unit) in _OF_CLUSTER.items():
                if row[name] is not None:
                    writer.writerow((*first, name, row[name], "", unit, "cluster", "", meaning))
            for each in own:
                value, error = f"{each.value:.6g}", f"{each.error:.3g}"
                writer.writerow(
                    (*first, each.name, value, "" if error == "nan" else error, plain(each.unit),
                     each.kind, plain(each.note), MEANINGS[each.kind])
                )  # fmt: skip


def plain(text: str | None) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = text or ""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
