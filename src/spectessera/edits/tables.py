"""The table of the clusters of a result, with other clusters: rows, numbers, names and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera.colours import as_hex, colours
from spectessera.result import (
    cluster_colours,
    given_colours,
    number_chosen,
    with_given,
)

MEANS = ("mean_spectrum", "std_spectrum", "input_mean", "reconstructed_mean")
OWN = (*MEANS, "decoded_mean", "center", "size", "rare")  # of the schema


def with_rows(
    result: xr.Dataset, sources: Sequence[int], rows: Mapping[int, Mapping[str, Any]]
) -> xr.Dataset:
    """Return a result with other clusters.

    Parameters
    ----------
    result : Dataset
        Its clusters have the numbers 1 to K.
    sources : sequence of int
        For every new cluster the old one from which its row is taken.
    rows : mapping of int to mapping of str to array
        For some new clusters the values that are other than in that row; of variables of other
        programs, and of those that are not given, values of these clusters are not known: NaN, or
        the variable is left out where it cannot be.
    """
    place = np.asarray(sources) - 1
    data: dict[str, Any] = {}
    gone = []
    for name, each in result.variables.items():
        if "cluster" not in each.dims or name == "cluster":
            continue
        values = np.take(each.values, place, axis=each.dims.index("cluster"))
        values = np.moveaxis(values, each.dims.index("cluster"), 0)
        for number, row in rows.items():
            if str(name) in row:
                values[number - 1] = row[str(name)]
            elif values.dtype.kind == "f":
                values[number - 1] = np.nan
            else:
                gone.append(name)
                break
        dims = ("cluster", *(dim for dim in each.dims if dim != "cluster"))
        data[str(name)] = xr.Variable(dims, values, each.attrs)
    rest = result.drop_vars([*data, "cluster"])
    kept = {name: each for name, each in data.items() if name not in gone}
    made = rest.assign_coords(cluster=np.arange(1, len(place) + 1))
    new = made.assign(kept)
    return new.set_coords([name for name in kept if name in result.coords])


def counted_again(result: xr.Dataset, before: xr.Dataset, rare: int) -> xr.Dataset:
    """Return a result whose attributes count its clusters, and say what the run had."""
    attrs: dict[str, Any] = {
        "n_clusters": result.sizes["cluster"],
        "chosen_clusters": number_chosen(before),
    }
    if "rare_clusters" in before.attrs:
        attrs["rare_clusters"] = rare
    new = result.assign_attrs(attrs)
    if "rare" in new and not np.isfinite(new["rare"].values).any():
        new = new.drop_vars("rare")
    return new.drop_vars("silhouette", errors="ignore")


def rare_number(result: xr.Dataset) -> int:
    """Return how many clusters, the last ones, are rare groups."""
    return int(result.attrs.get("rare_clusters", 0))


def travelled(
    result: xr.Dataset, before: xr.Dataset, numbers: Mapping[int, int], names: Mapping[int, str]
) -> xr.Dataset:
    """Return a result in which clusters keep their names and their colours under new numbers.

    Parameters
    ----------
    result, before : Dataset
    numbers : mapping of int to int
        New numbers by the old ones, of clusters that go on. New clusters have colours that no
        other has.
    names : mapping of int to str
        By the old numbers.
    """
    shades = {n: as_hex(rgb) for n, rgb in enumerate(cluster_colours(before), start=1)}
    count = result.sizes["cluster"]
    fixed = {n: as_hex(rgb) for n, rgb in enumerate(colours(count), start=1)}
    own = {new: shades[old] for old, new in numbers.items()}
    used = set(own.values())
    for number in range(1, count + 1):
        if number not in own:
            own[number] = _unused(fixed[number], used)
            used.add(own[number])
    people = {numbers[old] for old in given_colours(before) if old in numbers}
    given = {n: shade for n, shade in own.items() if shade != fixed[n] or n in people}
    return with_given(
        result, {numbers[n]: name for n, name in names.items() if n in numbers}, given
    )


def _unused(first: str, used: set[str]) -> str:
    """Return a colour that is not used: the first one, or the next of the fixed ones."""
    if first not in used:
        return first
    return next((each for each in map(as_hex, colours(256)) if each not in used), first)
