"""The files of abundances: numbers, figures, an image of each cluster, and a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from spectessera.io import write
from spectessera.plots.drawing import save_png
from spectessera.plots.mixtures import abundances as figure_of
from spectessera.plots.mixtures import tree as figure_of_tree

from ._images import save_image
from ._numbers import finite
from .manifest import ABUNDANCES

NUMBERS, FIGURE, IMAGES, TREE = ABUNDANCES
TABLE = "composition.csv"  # beside the images


def write_abundances(maps: xr.Dataset, folder: Path) -> dict[str, Any]:
    """Write abundances and the tree of clusters, and return what the summary says of them.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.abundances`.
    folder : Path

    Returns
    -------
    dict
        ``mixtures``: the share of the pixels that are mixtures, of which clusters most of them are
        (number of pixels of each pair), and the mean abundances in every cluster; ``tree``: the
        merges in their order, with their costs.
    """
    write(maps, folder / NUMBERS)
    draw_abundances(maps, folder)
    images = folder / IMAGES
    images.mkdir()
    for number, image in zip(maps["cluster"].values.tolist(), maps["abundance"], strict=True):
        save_image(image, maps, f"cluster {number}", images / f"cluster-{number}.tif")
    summary = mixture_summary(maps)
    with (images / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        numbers = maps["cluster"].values.tolist()
        writer.writerow(["pixels of cluster", *(f"abundance of {each}" for each in numbers)])
        for row in summary["mixtures"]["composition"]:
            cells = [row["abundances"][str(each)] for each in numbers]
            writer.writerow([row["cluster"], *("" if c is None else f"{c:.6g}" for c in cells)])
    return summary


def draw_abundances(maps: xr.Dataset, folder: Path, names: Sequence[str] = (FIGURE, TREE)) -> None:
    """Write the figures of abundances and of the tree into a folder, or one of them."""
    for name, figure in ((FIGURE, figure_of), (TREE, figure_of_tree)):
        if name in names:
            save_png(figure(maps), folder / name, dpi=110)


def mixture_summary(maps: xr.Dataset) -> dict[str, Any]:
    """Return what is known of mixtures and of the tree as plain values."""
    numbers = [str(each) for each in maps["cluster"].values.tolist()]
    usable, mixed = int(maps.attrs["usable_pixels"]), int(maps.attrs["mixtures"])
    composition = [
        {
            "cluster": label,
            "abundances": {n: finite(v) for n, v in zip(numbers, row, strict=True)},
        }
        for label, row in zip(
            maps["label"].values.tolist(), maps["composition"].values, strict=True
        )
    ]
    merges = [
        {"first": first, "second": second, "cost": finite(cost), "cost_error": finite(error)}
        for first, second, cost, error in zip(
            *(maps[name].values.tolist() for name in ("first", "second", "cost", "cost_error")),
            strict=True,
        )
    ]
    mixtures = {
        "pixels": mixed,
        "share": mixed / max(usable, 1),
        "pairs": json.loads(maps.attrs["pairs"]),
        "end_spectra": maps["cluster"].values.tolist(),
        "composition": composition,
    }
    return {"mixtures": mixtures, "tree": {"judged_by": maps.attrs["judged_by"], "merges": merges}}
