"""What every export is made of: the label map, and its clusters with names and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.text import shown
from spectessera.naming.names import name_clusters, title_of
from spectessera.result import (
    PixelSize,
    check_result,
    cluster_colours,
    cluster_names,
    pixel_size,
)
from spectessera.result.given import LONGEST_NAME

from .georeference import Georeference, georeference_of

MASKED = "masked"  # the name of label 0


class Cluster(NamedTuple):
    """One cluster, as it is shown in other programs.

    ``named_by`` is "person", "suggestion" (of :func:`spectessera.naming.name_clusters`) or
    "number"; ``rgb`` is red, green and blue, 0 to 255; ``share`` is of the pixels that have a
    cluster; ``confidence`` is their mean, None where the result has none.
    """

    number: int
    name: str
    named_by: str
    rgb: tuple[int, int, int]
    pixels: int
    share: float
    confidence: float | None

    @property
    def title(self) -> str:
        """Number and name."""
        return self.name if self.named_by == "number" else f"{self.number} {self.name}"

    @property
    def hex(self) -> str:
        """Colour as #rrggbb."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)


@dataclass(frozen=True)
class Contents:
    """A result, prepared for other programs.

    Parameters
    ----------
    result : Dataset
        As checked by :func:`spectessera.result.check_result`.
    label : array (y, x)
        uint8 where the numbers fit, else uint16; 0 = masked.
    clusters : tuple of Cluster
        In ascending order of their numbers.
    place : Georeference or None
        Where it is on a map.
    pixel : PixelSize or None
    """

    result: xr.Dataset
    label: np.ndarray
    clusters: tuple[Cluster, ...]
    place: Georeference | None
    pixel: PixelSize | None

    @property
    def largest(self) -> int:
        """Largest number of a cluster."""
        return max((each.number for each in self.clusters), default=0)

    def table(self) -> np.ndarray:
        """Return the colours (largest + 1, 4), uint8, by label: 0, and unused ones, transparent."""
        table = np.zeros((self.largest + 1, 4), np.uint8)
        for each in self.clusters:
            table[each.number] = (*each.rgb, 255)
        return table

    def names(self) -> list[str]:
        """Return the names by label, of 0 to the largest number; of unused ones "unused"."""
        found = [MASKED] + ["unused"] * self.largest
        for each in self.clusters:
            found[each.number] = each.title
        return found


def contents_of(result: xr.Dataset) -> Contents:
    """Return what is exported of a result.

    Raises
    ------
    TypeError, ValueError
        As :func:`spectessera.result.check_result`.
    """
    result = check_result(result)
    label = result["label"].transpose("y", "x").values
    clusters = _clusters(result, label)
    largest = max((each.number for each in clusters), default=0)
    dtype = np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16
    return Contents(
        result, label.astype(dtype), clusters, georeference_of(result), pixel_size(result)
    )


def _clusters(result: xr.Dataset, label: np.ndarray) -> tuple[Cluster, ...]:
    """Return the clusters of a result."""
    counts = np.bincount(label.ravel().astype(np.int64))
    numbers = list(range(1, len(counts)))
    if "cluster" in result.coords:
        numbers = [int(each) for each in result["cluster"].values]
    pixels = [int(counts[n]) if n < len(counts) else 0 for n in numbers]
    total = max(1, sum(pixels))
    sure = _confidences(result, label, max(numbers, default=0))
    named, colours = _names(result, numbers), cluster_colours(result)
    if len(colours) < max(numbers, default=0):  # a result without the coordinate `cluster`
        colours = cluster_colours(result.assign_coords(cluster=numbers))
    return tuple(
        Cluster(
            number, *named[number], tuple(colours[number - 1].tolist()), size, size / total,
            float(sure[number]) if sure is not None and size else None,
        )
        for number, size in zip(numbers, pixels, strict=True)
    )  # fmt: skip


def _confidences(result: xr.Dataset, label: np.ndarray, largest: int) -> np.ndarray | None:
    """Return the mean confidence by label; None where there are none."""
    if "confidence" not in result:
        return None
    values = result["confidence"].transpose("y", "x").values
    known = np.isfinite(values)
    weights = values[known].astype(np.float64)
    sums = np.bincount(label[known], weights, minlength=largest + 1)
    counts = np.bincount(label[known], minlength=largest + 1)
    return np.where(counts > 0, sums / np.maximum(1, counts), np.nan)


def _names(result: xr.Dataset, numbers: list[int]) -> dict[int, tuple[str, str]]:
    """Return the name of every cluster, and who gave it."""
    found = {number: (f"cluster {number}", "number") for number in numbers}
    if all(each in result for each in ("mean_spectrum", "std_spectrum", "size", "cluster")):
        for number, naming in zip(numbers, name_clusters(result), strict=True):
            title = shown(title_of(naming), LONGEST_NAME)
            if title:
                found[number] = (title, "suggestion")
    return found | {
        number: (name, "person")
        for number, name in cluster_names(result).items()
        if number in found
    }
