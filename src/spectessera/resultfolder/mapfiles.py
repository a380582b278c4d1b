"""The files of element maps: numbers, a figure, an image of each element, and a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera.io import write
from spectessera.plots.drawing import save_png
from spectessera.plots.elementmaps import elements as figure_of

from ._images import save_image
from ._numbers import finite
from .manifest import MAPS

NUMBERS, FIGURE, IMAGES, _ = MAPS
TABLE = "net-counts.csv"  # beside the images


def write_maps(maps: xr.Dataset, folder: Path) -> list[dict[str, Any]]:
    """Write element maps into a new folder, and return what the summary says of them.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.elements`.
    folder : Path

    Returns
    -------
    list of dict
        For every element its name, kind, where it was found, and the net counts of the clusters
        with their standard errors.
    """
    write(maps, folder / NUMBERS)
    save_png(figure_of(maps), folder / FIGURE, dpi=110)
    images = folder / IMAGES
    images.mkdir()
    for name, image in zip(maps["element"].values.tolist(), maps["net_counts"], strict=True):
        save_image(image, maps, name, images / f"{name.replace(' ', '-')}.tif")
    rows = summary_of(maps)
    _write_table(rows, maps["cluster"].values.tolist(), images / TABLE)
    return rows


def summary_of(maps: xr.Dataset) -> list[dict[str, Any]]:
    """Return the net counts of every element as plain values."""
    counts, errors = (
        maps[name].transpose("element", "cluster").values
        for name in ("cluster_net_counts", "cluster_net_counts_error")
    )
    names, kinds, places = (maps[n].values.tolist() for n in ("element", "kind", "found_in"))
    return [
        {
            "element": name,
            "kind": kind,
            "found_in": place,
            "net_counts": [finite(each) for each in row],
            "net_counts_error": [finite(each) for each in deviation],
        }
        for name, kind, place, row, deviation in zip(
            names, kinds, places, counts, errors, strict=True
        )
    ]


def _write_table(rows: list[dict[str, Any]], clusters: list[int], path: Path) -> None:
    """Write the net counts of a mean pixel of every cluster, with their errors."""
    heads = [f"{word} {n}" for n in clusters for word in ("cluster", "error")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["element", "kind", "found in", *heads])
        for row in rows:
            pairs = zip(row["net_counts"], row["net_counts_error"], strict=True)
            cells = ["" if each is None else f"{each:.6g}" for pair in pairs for each in pair]
            writer.writerow([row["element"], row["kind"], row["found_in"], *cells])
