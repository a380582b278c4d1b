"""Channels of two detectors that overlap, brought into the order of the spectral axis."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from spectessera.scale import USABLE

from ._common import StoredCube

NOTE = "the ranges of the detectors overlap: channels are sorted by the spectral axis"


def sort_channels(stored: StoredCube) -> None:
    """Sort the channels by the file's own axis, if it rises or falls in a few runs that overlap.

    Imaging spectrometers have one detector for the visible and one for the infrared range, and
    their bands are stored one detector after the other. An axis that jumps about is left as it is:
    it is no axis, and is refused later.
    """
    values = np.asarray(stored.axis["values"] if stored.axis else (), dtype=np.float64)
    if values.ndim != 1 or values.size < 3 or not np.isfinite(values).all():
        return
    steps = np.diff(values)
    rising = (steps > 0).sum() > (steps < 0).sum()
    cuts = np.flatnonzero(steps <= 0 if rising else steps >= 0) + 1
    edges = [0, *cuts.tolist(), values.size]
    order = np.argsort(values if rising else -values, kind="stable")
    repeats = (np.diff(values[order]) == 0).any()
    if not cuts.size or repeats or min(b - a for a, b in pairwise(edges)) < 3:
        return
    assert stored.axis is not None
    stored.axis = {**stored.axis, "values": values[order]}
    stored.values = _take(stored.values, order)
    if stored.variance is not None:
        stored.variance = _take(stored.variance, order)
    for name, (dims, coord, attrs) in stored.coords.items():
        if "channel" in dims:
            index = tuple(order if dim == "channel" else slice(None) for dim in dims)
            stored.coords[name] = (dims, coord[index], attrs)
    stored.notes.append(NOTE)


def _take(values: Any, order: np.ndarray) -> Any:
    """Return an array (y, x, channel), numpy or dask, with its channels in another order."""
    if hasattr(values, "dask"):  # whole spectra are in one block
        import dask.array as da
        from dask.base import tokenize

        name = f"{USABLE}{tokenize(values.name, order)}-{values.name}"
        # not map_blocks, which puts a hash behind the name before dask 2025.9
        return da.blockwise(
            np.take, "yxc", values, "yxc", order, None, axis=2, dtype=values.dtype, name=name
        )
    return np.take(values, order, axis=2)
