"""Tables for spreadsheets: the mean spectra, and the clusters."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from spectessera.cube import spectral_axis
from spectessera.result import require
from spectessera.resultfolder.clustertable import plain

from .contents import Contents


def write_spectra(contents: Contents, path: Path) -> None:
    """Write the mean spectra: the axis with its unit, then one column for every cluster.

    The standard deviations among its pixels follow, if the result has them.
    """
    require(contents.result, "mean_spectrum", "cluster", purpose="a table of mean spectra")
    result, titles = contents.result, [each.title for each in contents.clusters]
    axis = spectral_axis(result["mean_spectrum"])
    heads, columns = [axis.label(), *titles], [result["mean_spectrum"]]
    if "std_spectrum" in result:
        heads += [f"{title}, standard deviation" for title in titles]
        columns.append(result["std_spectrum"])
    values = np.concatenate([each.transpose("channel", "cluster").values for each in columns], 1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([plain(head) for head in heads])
        for position, row in zip(axis.values.tolist(), values, strict=True):
            writer.writerow([repr(position), *(f"{value:.9g}" for value in row)])


def write_clusters(contents: Contents, path: Path) -> None:
    """Write one row for every cluster: name, colour, pixels, share, confidence and area."""
    heads = ["cluster", "name", "named by", "colour", "pixels", "share", "confidence"]
    pixel = contents.pixel
    if pixel is not None:
        heads.append(f"area ({pixel.unit}2)")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        for each in contents.clusters:
            confidence = "" if each.confidence is None else f"{each.confidence:.6g}"
            row = [each.number, plain(each.name), each.named_by, each.hex, each.pixels,
                   f"{each.share:.6g}", confidence]  # fmt: skip
            if pixel is not None:
                row.append(f"{each.pixels * pixel.y * pixel.x:.9g}")
            writer.writerow(row)
