"""Several clusters become one: its numbers follow from theirs, without a look at the cube."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from spectessera.result import cluster_names

from .tables import MEANS, counted_again, rare_number, travelled, with_rows
from .words import cluster_in_words, listed, renumbered


def merge(result: xr.Dataset, clusters: tuple[int, ...]) -> tuple[xr.Dataset, str]:
    """Return a result in which clusters, ascending, are one, and what was done in words."""
    count, kept = result.sizes["cluster"], clusters[0]
    stay = [number for number in range(1, count + 1) if number not in clusters[1:]]
    numbers = {old: new for new, old in enumerate(stay, start=1)}
    lut = np.arange(count + 1)
    lut[stay] = np.arange(1, len(stay) + 1)
    lut[list(clusters[1:])] = kept
    row = _row(result, clusters)
    new = with_rows(relabelled(result, lut), stay, {kept: row})
    rare = sum(number > count - rare_number(result) for number in stay)
    names = cluster_names(result)
    named = next((names[each] for each in clusters if each in names), None)
    names |= {} if named is None else {kept: named}
    new = travelled(counted_again(new, result, rare), result, numbers, names)
    words = f"Clusters {listed([cluster_in_words(result, each) for each in clusters])} are merged "
    return new, f"{words}into cluster {kept}.{renumbered(numbers)}"


def relabelled(result: xr.Dataset, lut: np.ndarray) -> xr.Dataset:
    """Return a result with other labels: ``lut[label]``."""
    maps = {}
    for name in ("label", "label_alone"):
        if name in result:
            old = result[name].variable
            maps[name] = old.copy(data=lut.astype(old.dtype)[old.values])
    return result.assign(maps)


def _row(result: xr.Dataset, clusters: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the merged cluster, by their names in a result.

    They follow from those of the clusters alone, so its decoded center, for which the model would
    be needed, is not among them.
    """
    place = np.array(clusters) - 1
    sizes = result["size"].values[place].astype(np.int64)
    total = int(sizes.sum())
    weights = sizes / total if total else np.full(len(sizes), 1 / len(sizes))
    row: dict[str, Any] = {"size": total}
    for name in (*MEANS, "center"):
        if name in result and name != "std_spectrum":
            row[name] = weights @ _values(result, name)[place]
    if "std_spectrum" in result and "mean_spectrum" in result:
        apart = _values(result, "mean_spectrum")[place] - row["mean_spectrum"]
        within = _values(result, "std_spectrum")[place] ** 2
        row["std_spectrum"] = np.sqrt(weights @ (within + apart**2))
    return row


def _values(result: xr.Dataset, name: str) -> np.ndarray:
    """Return a variable of the clusters, (cluster, ...), float64."""
    return result[name].transpose("cluster", ...).values.astype(np.float64)
