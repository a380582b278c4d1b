"""The files of a result folder that show what people have changed, written anew."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from spectessera._util.documents import read_json
from spectessera.colours import as_hex
from spectessera.htmlreport.changes import in_colours_of
from spectessera.htmlreport.page import report
from spectessera.io import EDITED, read_maps, write
from spectessera.naming.candidates import places_of_lines
from spectessera.naming.names import name_clusters
from spectessera.plots import result as plots
from spectessera.plots.drawing import save_png
from spectessera.result import check_maps, cluster_colours, cluster_names, stored_edits
from spectessera.scans import shares_of

from .abundancefiles import draw_abundances
from .anymaps import with_maps, write_all_maps
from .bandfile import write_bands
from .clustertable import plain, write_cluster_table
from .contents import numbers_of, summary_of_clusters
from .manifest import (
    ABUNDANCES,
    BANDS,
    CLUSTER_TABLE,
    EDITS,
    MAPS,
    REPORT,
    Manifest,
)

_MOST_BYTES = 2**26  # of a summary
_FIGURE, _SUMMARY, _INTEGRATED = "clusters.png", "summary.json", "integrated.png"
_LABELS = ("labels.png", "labels.fits")
_SHADED = [ABUNDANCES[1], ABUNDANCES[3]]  # figures in the colours of the clusters
_CUBES = ("latent_cube", "decoded_cube")  # which nobody changes


class Edited(NamedTuple):
    """A result with the changes of people, and how its files are made.

    Attributes
    ----------
    result : Dataset
    text : str
        Of edits.toml; "": nothing is changed (any more).
    anew : bool
        Whether clusters are, or were, other than in the run: everything about them is made anew.
    library : Dataset or None
        To name clusters by.
    with_report : bool
        Whether a report in the folder is written anew, too.
    maps : tuple of Dataset or None, optional
        Maps of elements or lines, and of mixtures, that take the place of those in the folder.
    """

    result: xr.Dataset
    text: str
    anew: bool
    library: xr.Dataset | None = None
    with_report: bool = True
    maps: tuple[xr.Dataset | None, xr.Dataset | None] | None = None


def edited_files(edited: Edited, folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the files that :func:`write_edited` writes or removes."""
    shown = [_SUMMARY, CLUSTER_TABLE, _FIGURE, *_LABELS]
    shown += [BANDS, _INTEGRATED] if edited.anew else []
    shown += [REPORT] if edited.with_report else []
    shown += _SHADED if edited.maps is None else []
    there = [name for name in shown if name in manifest.names and (folder / name).exists()]
    return (EDITS, EDITED, *there, *(() if edited.maps is None else (*MAPS, *ABUNDANCES)))


def write_edited(edited: Edited, folder: Path, new: Path, manifest: Manifest) -> None:
    """Write everything that shows changes of people into a new folder.

    Parameters
    ----------
    edited : Edited
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
    result, files = edited.result, edited_files(edited, folder, manifest)
    if edited.text:
        (new / EDITS).write_text(edited.text, encoding="utf-8")
        write(_ordered(result.drop_vars(_CUBES, errors="ignore")), new / EDITED)
    maps, mixtures = edited.maps or maps_in(folder, manifest)
    rows = None if edited.maps is None else write_all_maps(maps, mixtures, new)
    namings = None
    if edited.anew or REPORT in files or _FIGURE in files:
        namings = name_clusters(result, library=edited.library)
    titles: dict[int, str] = {}
    if _SUMMARY in files:
        titles = _write_summary(edited, namings, folder, new, files, rows)
    if edited.anew and namings is not None and BANDS in files:
        write_bands(result, namings, new)
    if _FIGURE in files:
        lines = places_of_lines(namings or ())
        save_png(plots.clusters(result, titles, lines=lines), new / _FIGURE, dpi=110)
    if _INTEGRATED in files:
        save_png(plots.integrated(result), new / _INTEGRATED, dpi=110)
    for name in _LABELS:
        if name in files:
            write(result, new / name)
    if mixtures is not None and rows is None:
        shown = in_colours_of(result, mixtures)
        draw_abundances(shown, new, [each for each in _SHADED if each in files])
    if REPORT in files:
        report(result, new / REPORT, namings=namings, maps=maps, mixtures=mixtures)


def _ordered(result: xr.Dataset) -> xr.Dataset:
    """Return a result in the order of its names, whether changed at once or line after line.

    The numbers of dimensions in a file follow the order of the variables: so the same lines give
    the same bytes.
    """
    data, coords = (
        {str(n): part[n].variable for n in part} for part in (result.data_vars, result.coords)
    )
    named = xr.Dataset(dict(sorted(data.items())), dict(sorted(coords.items())))
    return named.assign_attrs(dict(sorted((str(n), v) for n, v in result.attrs.items())))


def maps_in(folder: Path, manifest: Manifest | None) -> tuple[xr.Dataset | None, xr.Dataset | None]:
    """Return the maps of elements or lines, and of mixtures, in a folder; None if there is none."""
    mixtures = _maps_of(folder, manifest, ABUNDANCES[0], "abundance maps")
    return suitable_in(folder, manifest), mixtures


def suitable_in(folder: Path, manifest: Manifest | None) -> xr.Dataset | None:
    """Return the maps of elements or lines in a folder; None if there are none."""
    return _maps_of(folder, manifest, MAPS[0], "element maps", "line maps")


def _maps_of(
    folder: Path, manifest: Manifest | None, name: str, *contents: str
) -> xr.Dataset | None:
    path = folder / name
    if manifest is None or name not in manifest.names or not path.exists():
        return None
    try:
        return check_maps(read_maps(path), *contents)
    except ValueError as error:
        words = str(error) if str(path) in str(error) else f"{path}: {error}"
        words += "; move it away, and make it anew (spectessera maps)"
        raise ValueError(words) from error


def _write_summary(
    edited: Edited, namings: Any, folder: Path, new: Path, files: tuple[str, ...],
    rows: dict[str, Any] | None,
) -> dict[int, str]:  # fmt: skip
    """Write the summary of a result and the table of the clusters; return their names.

    ``rows`` is what it says of maps that were made again.
    """
    result = edited.result
    summary = _read_summary(folder / _SUMMARY)
    numbers = numbers_of(result, namings) if edited.anew else []
    if edited.anew:
        summary |= summary_of_clusters(result, namings, numbers)
        summary |= {"scans": shares_of(result)} if "scans" in summary else {}
    if rows is not None:
        summary = with_maps(summary, rows)
    _name_rows(summary, result, folder / _SUMMARY)
    summary.pop("edits", None)
    if done := stored_edits(result):
        summary["edits"] = [each["words"] for each in done]
    text = json.dumps(summary, indent=2, allow_nan=False)
    (new / _SUMMARY).write_text(text + "\n", encoding="utf-8")
    names = {row["cluster"]: row["name"] for row in summary["clusters"] if row["name"]}
    if CLUSTER_TABLE not in files:
        return names
    if edited.anew:
        write_cluster_table(summary["clusters"], numbers, new / CLUSTER_TABLE)
    else:
        titles = {str(row["cluster"]): row["name"] for row in summary["clusters"]}
        _write_table(folder / CLUSTER_TABLE, titles, new / CLUSTER_TABLE)
    return names


def _read_summary(path: Path) -> dict[str, Any]:
    summary = read_json(path, _MOST_BYTES)
    if not isinstance(summary, dict) or not isinstance(summary.get("clusters"), list):
        raise ValueError(f"{path} is not a summary of spectessera: it has no list of clusters")
    return summary


def _name_rows(summary: dict[str, Any], result: xr.Dataset, path: Path) -> None:
    """Give the clusters of a summary names by people; ``suggested`` is what was suggested."""
    names, shades = cluster_names(result), cluster_colours(result)
    try:
        for row in summary["clusters"]:
            suggested = row.pop("suggested", row["name"])
            given = names.get(row["cluster"])
            row["name"] = given or suggested
            row["colour"] = as_hex(shades[int(row["cluster"]) - 1])
            if given:
                row["suggested"] = suggested
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is not a summary of spectessera: {error}") from error


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
