"""The result of several scans, scan by scan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import encodable
from spectessera._util.positions import positions_of

from .places import ATTRIBUTE, Place, places_of

# Attributes that belong to the file of one scan.
_OF_SCAN = ("source", "wcs", "object", "instrument", "telescope", "anode")


def split_scans(
    result: xr.Dataset, cubes: Sequence[xr.DataArray] | None = None
) -> dict[str, xr.Dataset]:
    """Return the result of joined scans, or maps of them, scan by scan.

    Clusters have the same numbers and spectra in all of them; ``size`` is that in the scan.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or of :mod:`spectessera.maps`, for a cube of
        :func:`join_scans`.
    cubes : sequence of DataArray, optional
        The cubes that were joined, in their order: the coordinates of y and x, the sky coordinates
        and the source of each are taken from them.

    Returns
    -------
    dict of str to Dataset

    Raises
    ------
    ValueError
        If the result is not of joined scans, or the cubes are not those.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import spectessera as spt
    >>> cubes = [spt.make_cube(np.ones((n, 4, 5), "u2"), energy=(1.0, 5.0)) for n in (2, 3)]
    >>> joined = spt.join_scans(cubes, ["a", "b"])
    >>> label = xr.DataArray(np.ones(joined.shape[:2], "i4"), dims=("y", "x"))
    >>> parts = spt.split_scans(xr.Dataset({"label": label}, attrs=joined.attrs))
    >>> {name: dict(part.sizes) for name, part in parts.items()}
    {'a': {'y': 2, 'x': 4}, 'b': {'y': 3, 'x': 4}}
    """
    places = places_of(result.attrs)
    if not places:
        raise ValueError("the result is of one scan; only results of join_scans can be split")
    if cubes is not None and len(cubes) != len(places):
        raise ValueError(f"the result is of {len(places)} scans; got {len(cubes)} cubes")
    found = {}
    for number, place in enumerate(places):
        part = result.isel(place.slices)
        if (part.sizes["y"], part.sizes["x"]) != (place.rows, place.columns):
            raise ValueError(f"the scan {place.name!r} is not wholly in the image of the result")
        part = part.drop_vars([name for name in ("y", "x") if name in part.coords])
        part.attrs = {n: v for n, v in result.attrs.items() if n != ATTRIBUTE}
        part.attrs["source"] = place.name
        if cubes is not None:
            part = _as_in(part, cubes[number], place)
        found[place.name] = _counted(part)
    return found


def _as_in(part: xr.Dataset, cube: xr.DataArray, place: Place) -> xr.Dataset:
    """Return the result of a scan with the places and the origin of its cube."""
    if (cube.sizes["y"], cube.sizes["x"]) != (place.rows, place.columns):
        raise ValueError(
            f"the scan {place.name!r} has {place.rows} x {place.columns} pixels; the cube has "
            f"{cube.sizes['y']} x {cube.sizes['x']}"
        )
    coords = positions_of(cube)
    own = {name: cube.attrs[name] for name in _OF_SCAN if name in cube.attrs}
    own = {n: encodable(v) if isinstance(v, str) else v for n, v in own.items()}
    return part.assign_coords(coords).assign_attrs(own)


def _counted(part: xr.Dataset) -> xr.Dataset:
    """Return the result of a scan with the numbers of its own pixels."""
    if "size" not in part or "label" not in part:
        return part
    label = np.asarray(part["label"].values)
    counts = np.bincount(label.ravel(), minlength=part["cluster"].values.max(initial=0) + 1)
    size = counts[part["cluster"].values].astype(part["size"].dtype)
    attrs: dict[str, Any] = {"usable_pixels": int((label > 0).sum())}
    part = part.assign(size=("cluster", size, part["size"].attrs))
    return part.assign_attrs(attrs | _quality(part))


def _quality(part: xr.Dataset) -> dict[str, Any]:
    """Return the attributes that count the quality bits of the pixels."""
    from spectessera.preprocess.steps import QUALITY, UNUSABLE

    if "quality" not in part:
        return {}
    bits = part["quality"].values
    counts = {name: int(((bits & bit) > 0).sum()) for name, bit in QUALITY.items()}
    unusable = ((bits & UNUSABLE) > 0) & ((bits & QUALITY["masked"]) == 0)
    return {"quality_counts": json.dumps(counts), "unusable_pixels": int(unusable.sum())}


def shares_of(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return for every scan its name, its usable pixels, and the share of each cluster.

    Parameters
    ----------
    result : Dataset
        Of joined scans; the list is empty for any other.
    """
    clusters = result["cluster"].values
    rows = []
    for place in places_of(result.attrs):
        label = result["label"].transpose("y", "x").isel(place.slices).values
        counts = np.bincount(label.ravel(), minlength=clusters.max(initial=0) + 1)[clusters]
        pixels = int(counts.sum())
        shares = (counts / max(1, pixels)).tolist()
        rows.append({"scan": place.name, "pixels": pixels, "shares": shares})
    return rows
