"""The names that a user gives to clusters: kept in the folder of a result, and applied to it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
import xarray as xr

from spectessera._util.documents import read_json, read_toml
from spectessera.plots import result as plots
from spectessera.plots.drawing import save_png
from spectessera.result import clean_name

from .clustertable import plain
from .manifest import CLUSTER_TABLE, EDITS, Manifest

_MOST_BYTES = 2**26  # of a summary
_FIGURE, _SUMMARY = "clusters.png", "summary.json"
_HEAD = (
    "# Your names of clusters. Reports, summary, table and figure of the clusters show them.\n"
    "# After a change by hand, run: spectessera report FOLDER --overwrite\n"
)


def read_edits(folder: Path, manifest: Manifest) -> dict[int, str]:
    """Return the names that a user has given to clusters, by their numbers; none without a file.

    Raises
    ------
    ValueError
        If the file cannot be read, has anything else in it, or is of another result.
    """
    path = folder / EDITS
    if not path.exists() and not path.is_symlink():
        return {}
    if path.is_symlink():
        raise ValueError(f"{path} is a link; put the file itself there")
    stored = read_toml(path)
    owner, names = stored.pop("result", manifest.id), stored.pop("names", {})
    if stored:
        raise ValueError(f"{path}: {next(iter(stored))} is not known; it has a table [names] only")
    if owner != manifest.id:
        raise ValueError(
            f"{path} belongs to another result, run {owner}; move it away, or remove its line "
            "'result' if the clusters are the same"
        )
    if not isinstance(names, dict) or not all(isinstance(each, str) for each in names.values()):
        raise ValueError(f'{path}: [names] has lines such as 2 = "Azurite"')
    try:
        return {_number(each): clean_name(name) for each, name in names.items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{text!r} is not the number of a cluster")
    return int(text)


def edited_files(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the files that :func:`write_edited` writes."""
    there = [
        n
        for n in (_SUMMARY, CLUSTER_TABLE, _FIGURE)
        if n in manifest.names and (folder / n).exists()
    ]
    return (EDITS, *there)


def write_edited(
    result: xr.Dataset, names: Mapping[int, str], folder: Path, new: Path, manifest: Manifest
) -> None:
    """Write the names, and the summary, the table and the figure with them, into a new folder.

    Parameters
    ----------
    result : Dataset
    names : mapping of int to str
        By the number of the cluster.
    folder : Path
        That of the result, with its summary.
    new : Path
    manifest : Manifest
        Of the folder.

    Raises
    ------
    ValueError
        If the summary or the table cannot be read.
    """
    edits = {"result": manifest.id, "names": {str(n): names[n] for n in sorted(names)}}
    (new / EDITS).write_text(_HEAD + tomli_w.dumps(edits), encoding="utf-8")
    files = edited_files(folder, manifest)
    if _SUMMARY in files:
        summary = _summary_with(folder / _SUMMARY, names)
        text = json.dumps(summary, indent=2, allow_nan=False)
        (new / _SUMMARY).write_text(text + "\n", encoding="utf-8")
        if CLUSTER_TABLE in files:
            titles = {str(row["cluster"]): row["name"] for row in summary["clusters"]}
            _write_table(folder / CLUSTER_TABLE, titles, new / CLUSTER_TABLE)
    if _FIGURE in files:
        save_png(plots.clusters(result, names), new / _FIGURE, dpi=110)


def _summary_with(path: Path, names: Mapping[int, str]) -> dict[str, Any]:
    """Return a summary with the names of a user; ``suggested`` is what was suggested instead."""
    summary: dict[str, Any] = read_json(path, _MOST_BYTES)
    try:
        for row in summary["clusters"]:
            suggested = row.pop("suggested", row["name"])
            given = names.get(row["cluster"])
            row["name"] = given or suggested
            if given:
                row["suggested"] = suggested
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a summary of spectessera: {error}") from error
    return summary


def _write_table(path: Path, titles: Mapping[str, str | None], new: Path) -> None:
    """Write a table of clusters with other names of the clusters."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        for row in rows:
            row["name"] = plain(titles[row["cluster"]])
        with new.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except (ValueError, KeyError, IndexError, csv.Error) as error:
        raise ValueError(f"{path} is not a table of clusters of spectessera: {error}") from error
