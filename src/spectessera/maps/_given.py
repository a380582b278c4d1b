"""What maps of the mixtures of clusters are given: a cube, and the result of its segmentation."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera.cube import spectral_axis
from spectessera.result import check_structure

from .families import NothingToMap


def check_given(
    cube: xr.DataArray, result: xr.Dataset, purpose: str
) -> tuple[np.ndarray, list[int]]:
    """Return the labels (y, x) in memory and the numbers of the clusters that have pixels.

    Raises
    ------
    TypeError, ValueError
        If it is no result, or that of another cube.
    NothingToMap
        If there are fewer than two clusters.
    """
    check_structure(result)
    image = {dim: cube.sizes[dim] for dim in ("y", "x")}
    other = {dim: result["label"].sizes[dim] for dim in ("y", "x")}
    if image != other:
        raise ValueError(
            f"the result is that of an image of {tuple(other.values())} (y, x) pixels; this cube "
            f"has {tuple(image.values())}: give the cube that was segmented"
        )
    if "mean_spectrum" in result:
        ours, theirs = spectral_axis(cube), spectral_axis(result["mean_spectrum"])
        same = len(ours) == len(theirs) and ours.kind == theirs.kind
        if not (same and np.allclose(ours.values, theirs.values, rtol=1e-6, atol=0)):
            raise ValueError(
                f"the result is that of a cube with the axis {theirs.label()} of {len(theirs)} "
                f"channels; that of this cube is {ours.label()} of {len(ours)}: give the cube that "
                "was segmented, read in the same way"
            )
    labels = np.asarray(result["label"].transpose("y", "x").values)
    numbers = [int(each) for each in np.unique(labels) if each > 0]
    if len(numbers) < 2:
        words = "there is one cluster" if numbers else "no pixel has a cluster"
        raise NothingToMap(f"{words}, and {purpose} needs two or more")
    return labels, numbers
